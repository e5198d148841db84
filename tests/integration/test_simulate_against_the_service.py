"""The demo in a real service: every simulated post is answered, and nothing of the demo is loaded while it is off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from testing.gunicorn_server import ROOT, GunicornServer
from tests.integration.conftest import ADMIN_TOKEN, MakeApp


def simulate(app: Flask, *options: str) -> str:
    """Run the command on the session file of the application; return what it prints for whoever calls it."""
    answer = app.test_cli_runner().invoke(args=["simulate", *options])
    assert answer.exit_code == 0, answer.output
    return str(answer.stdout)


def test_every_post_is_answered_and_every_simulated_shopper_stored(tmp_path: Path, make_app: MakeApp) -> None:
    with GunicornServer(tmp_path) as service:
        app = make_app(storage_file=service.storage)
        options = ["--url", service.url, "--shoppers", "60", "--rate", "0", "--seed", "7"]
        figures = json.loads(simulate(app, *options, "--json"))
        stored = service.stored()
        again = simulate(app, *options)

    assert set(figures["answers"]) == {"/ingest 200", "/askai 200"}
    assert figures["popups"] > 0
    assert sum(figures["shoppers"].values()) == 60
    assert set(stored) == {f"sim-7-{number:06d}" for number in range(60)}
    assert all(one["example"] for one in stored.values())
    bought = [one for one in stored.values() if "checkout_completed" in json.dumps(one)]
    assert len(bought) == figures["shoppers"]["buyer"]
    assert "60 shoppers (seed 7)" in again


def test_example_days_appear_in_a_running_service_and_are_taken_out_again(tmp_path: Path, make_app: MakeApp) -> None:
    owner = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    real = json.dumps({"session": "a-real-visit", "itemsInCart": 1})
    with GunicornServer(tmp_path, env={"ADMIN_TOKEN": ADMIN_TOKEN}) as service, service.client() as client:
        app = make_app(storage_file=service.storage)

        def listed() -> set[str]:
            found = client.get("/sessions?limit=200", owner).json()["sessions"]
            return {one["session"] for one in found}

        assert client.post("/ingest", real).status == 200
        options = ["--url", service.url, "--days", "3", "--shoppers", "20", "--json"]
        first = json.loads(simulate(app, *options))
        during = listed()
        again = json.loads(simulate(app, *options))
        told = simulate(app, *options[:-1])
        cleared = json.loads(simulate(app, "--clear", "--json"))
        after = listed()

    assert first["visits"] > 40
    assert len(during) == first["visits"] + 1
    assert again["cleared"] == first["visits"], "examples take the place of earlier ones"
    assert f"{service.url}/today?data=example" in told
    assert cleared["cleared"] > 40
    assert after == {"a-real-visit"}


@pytest.mark.parametrize(("setting", "loaded"), [("off", False), ("on", True)])
def test_the_demo_is_loaded_only_if_it_is_on(setting: str, loaded: bool, tmp_path: Path) -> None:
    code = (
        "import sys; from tracker.app import create_app; from tracker.config import load_config;"
        "app = create_app(load_config({'DEMO_SHOP': sys.argv[1]}));"
        "print(any(name.startswith('tracker.demo') for name in sys.modules),"
        " any('/demo' in str(rule) for rule in app.url_map.iter_rules()))"
    )
    command = [sys.executable, "-c", code, setting]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.split() == [str(loaded), str(loaded)]
