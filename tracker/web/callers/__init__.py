"""The callers of the service: which Host they may name, and what each may do in a minute."""
