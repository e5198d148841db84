"""The WSGI entry point: the application with the settings of .env in the folder where it is started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from flask import Flask

from tracker.app import create_app
from tracker.cli.doctor.command import doctor_command
from tracker.config import ConfigError, load_config
from tracker.environment import faults
from tracker.serving.taken_settings import taken

ENV_FILE = Path(".env")
# A token in the environment, even an empty one, counts before the file: writing it there would change nothing.
MAY_CHOOSE_TOKEN = "ADMIN_TOKEN" not in os.environ

try:
    _environment = taken(ENV_FILE)
    if _faults := faults(_environment):
        raise ConfigError(" ".join(_faults))  # noqa: TRY301
    for _name, _text in _environment.values.items():
        # Libraries read some too, such as HTTPS_PROXY.
        os.environ.setdefault(_name, _text)
    app = create_app(load_config(_environment.values), env_file=ENV_FILE, may_choose_token=MAY_CHOOSE_TOKEN)
except ConfigError as _error:
    if sys.argv[1:2] != ["doctor"]:
        sys.exit(f"The service cannot start: {_error}")
    # `flask doctor` needs no service, and tells more about what is wrong.
    app = Flask("tracker")
    app.cli.add_command(doctor_command(create_app))
