"""The core: what a session is, how reports are merged into it, and the port to the place where sessions are kept."""
