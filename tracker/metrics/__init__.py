"""What the service counts about itself, over all its workers, for GET /metrics."""
