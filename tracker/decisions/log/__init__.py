"""The decision log: what was decided for a session, kept with it; frequency caps, the cache and the owner read it."""
