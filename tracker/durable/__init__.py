"""Files that survive crashes, with the standard library alone."""
