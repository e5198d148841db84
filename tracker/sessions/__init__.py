"""The core: what a session is, how reports of it are merged, and where it is kept."""
