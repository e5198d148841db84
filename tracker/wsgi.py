"""The WSGI entry point: the application with the settings of .env in the folder where it is started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dotenv import load_dotenv

from tracker.app import create_app
from tracker.config import ConfigError
from tracker.environment import faults, read_environment

ENV_FILE = Path(".env")
# A token in the environment, even an empty one, counts before the file: writing it there would change nothing.
MAY_CHOOSE_TOKEN = "ADMIN_TOKEN" not in os.environ

_environment = read_environment(ENV_FILE)
load_dotenv(ENV_FILE)
try:
    app = create_app(env_file=ENV_FILE, may_choose_token=MAY_CHOOSE_TOKEN)
except ConfigError:
    sys.exit(f"The service cannot start: {' '.join(faults(_environment))}")
