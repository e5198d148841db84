"""The WSGI entry point: `gunicorn wsgi:app`, `flask run`."""

import sys
from pathlib import Path

from dotenv import load_dotenv

from tracker.app import create_app
from tracker.config import ConfigError
from tracker.environment import faults, read_environment

_ENV_FILE = Path(__file__).with_name(".env")
_environment = read_environment(_ENV_FILE)
load_dotenv(_ENV_FILE)
try:
    app = create_app()
except ConfigError:
    sys.exit(f"The service cannot start: {' '.join(faults(_environment))}")
