"""The service behind Gunicorn: connections with deadlines, one greenlet each, and errors in our own shape."""
