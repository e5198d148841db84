"""The files that a shop loads from this service: the storefront script and the pixel."""
