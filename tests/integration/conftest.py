"""Servers and applications for the integration tests, each with a session file of its own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from flask import Flask
from flask.testing import FlaskClient

from testing.children import Children
from testing.gunicorn_server import GunicornServer
from tracker.app import create_app, now_ms
from tracker.config import Config

ADMIN_TOKEN = "the-owner's-token-of-the-tests"
FROM_OWN_PAGE = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
"""What a browser sends with a form of the service's own page, to the test client's address."""


class StartServer(Protocol):
    """Starts a server that ends with the test; see GunicornServer for the arguments."""

    def __call__(
        self,
        *,
        workers: int = 2,
        env: dict[str, str] | None = None,
        args: tuple[str, ...] = (),
        open_files: int | None = None,
        as_script: bool = False,
        settings: str | None = None,
    ) -> GunicornServer: ...


MakeApp = Callable[..., Flask]


@pytest.fixture
def children() -> Iterator[Children]:
    """Processes of a test, none of which outlives it."""
    with Children() as children:
        yield children


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    with contextlib.ExitStack() as servers:

        def start(**how: Any) -> GunicornServer:
            return servers.enter_context(GunicornServer(tmp_path_factory.mktemp("server"), **how))

        yield start


def signed_in(app: Flask) -> FlaskClient:
    """Return a client in which the owner has signed in."""
    client = app.test_client()
    assert client.post("/login", data={"token": ADMIN_TOKEN}, headers=FROM_OWN_PAGE).status_code == 303
    return client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """A server with default settings and ADMIN_TOKEN, shared by the tests of a module."""
    with GunicornServer(tmp_path_factory.mktemp("server"), env={"ADMIN_TOKEN": ADMIN_TOKEN}) as started:
        yield started


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Restore pytest's handlers after the test: create_app sends the root logger's lines to standard error."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """Returns the application in this process; the arguments are fields of Config, `store`, `engine` and `clock`.

    Nobody is held out, so that every visit may get its popup, and no address has bounds.
    """

    def make(*, store: Any = None, engine: Any = None, clock: Any = now_ms, **settings: Any) -> Flask:
        ours = {"storage_file": tmp_path / "sessions.json", "admin_token": ADMIN_TOKEN, "holdout_percent": 0.0}
        config = Config(**{**ours, "rate_limits": False, **settings})
        return create_app(config, store=store, engine=engine, clock=clock)

    return make


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    """A client of the application with default settings and ADMIN_TOKEN."""
    return make_app().test_client()
