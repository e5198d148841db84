"""Settings and health: what is set, where it comes from, and whether the service can do its work."""
