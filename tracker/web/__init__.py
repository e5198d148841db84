"""HTTP plumbing that every feature shares: bodies, errors, origins, access, logs, health, API documents."""
