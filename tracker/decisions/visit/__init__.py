"""What a visit comes down to: signals, and the kinds of pages."""
