"""The owner's file: the messages of the shop, when each applies, and how often popups may come."""
