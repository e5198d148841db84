"""Bodies and texts that are meant to do harm."""
