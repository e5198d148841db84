"""What the tests and the bench share: servers to start, fakes, simulated faults."""
