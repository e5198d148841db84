"""The adapters of the ports: where sessions are kept. Known to tracker.app and the commands alone."""
