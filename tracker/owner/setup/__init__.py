"""Set up: the line for the theme, and what the service has seen of the shop so far."""
