"""The WSGI entry point: `gunicorn wsgi:app`, `flask run`."""

from pathlib import Path

from dotenv import load_dotenv

from tracker.app import create_app

load_dotenv(Path(__file__).with_name(".env"))
app = create_app()
