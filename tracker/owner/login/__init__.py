"""Signing in: the owner's password, the cookie of a browser in which it was given, and choosing it on the first day."""
