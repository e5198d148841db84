"""The WSGI entry point: `gunicorn wsgi:app`, `flask run`."""

import sys
from pathlib import Path

from dotenv import load_dotenv

from tracker.app import create_app
from tracker.config import ConfigError

load_dotenv(Path(__file__).with_name(".env"))
try:
    app = create_app()
except ConfigError as error:
    sys.exit(f"The service cannot start: {error}")
