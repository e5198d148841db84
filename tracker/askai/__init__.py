"""The answer to one question about a session: whether a popup would help this shopper now, and which."""
