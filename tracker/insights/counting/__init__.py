"""Counting visits: sums that follow the store, and the recount that they must equal."""
