"""The WSGI entry point in a checkout: `gunicorn wsgi:app`, `flask run`."""

from tracker.wsgi import app

__all__ = ["app"]
