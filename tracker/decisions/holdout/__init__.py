"""The holdout: the browsers that are shown nothing, so that the others can be compared with them."""
