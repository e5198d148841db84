"""What popups say: each message with where it can appear and how it looks, and editing that checks first."""
