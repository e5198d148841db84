"""Whether a popup would help a shopper now, and which: the domain, without Flask."""
