"""What an operator needs to know: whether the service is healthy."""
