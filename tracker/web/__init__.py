"""HTTP plumbing that every feature shares: route declarations, access, bodies, errors, headers, logs, API document."""
