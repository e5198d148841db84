"""The comparison of the browsers that were offered a popup with those that were held out, in words."""
