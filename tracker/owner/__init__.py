"""The owner's own API: the stored sessions."""
