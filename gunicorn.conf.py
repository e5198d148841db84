"""Gunicorn's settings in a checkout, where Gunicorn looks for this file: those of the package."""

from tracker.serving.gunicorn_conf import *  # noqa: F403  what is no setting is ignored by Gunicorn
