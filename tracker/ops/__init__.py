"""What an operator asks the service: its health."""
