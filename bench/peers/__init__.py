"""What the service is compared with: bare applications, the way of the original system, pydantic, SQLite."""
