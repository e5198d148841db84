"""The callers of the service: who may call which route, from where, and what each may do in a minute."""
