"""flask simulate: simulated shoppers, sent to a running service or written into the store."""
