"""The WSGI entry point: `gunicorn wsgi:app`, `flask run`."""

from dotenv import load_dotenv

from tracker.app import create_app

load_dotenv()
app = create_app()
