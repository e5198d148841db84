"""The demo in a real service: every simulated post is answered, and nothing of the demo is loaded while it is off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from testing.gunicorn_server import ROOT, GunicornServer
from tracker.cli.simulate import simulate_command


def test_every_post_is_answered_and_every_simulated_shopper_stored(tmp_path: Path) -> None:
    with GunicornServer(tmp_path) as service:
        options = ["--url", service.url, "--shoppers", "60", "--rate", "0", "--seed", "7"]
        answer = CliRunner().invoke(simulate_command, [*options, "--json"])
        figures = json.loads(answer.output)
        stored = service.stored()
        again = CliRunner().invoke(simulate_command, options)

    assert set(figures["answers"]) == {"/ingest 200", "/askai 200"}
    assert figures["popups"] > 0
    assert sum(figures["shoppers"].values()) == 60
    assert set(stored) == {f"sim-7-{number:06d}" for number in range(60)}
    bought = [one for one in stored.values() if "checkout_completed" in json.dumps(one)]
    assert len(bought) == figures["shoppers"]["buyer"]
    assert "60 shoppers (seed 7)" in again.output


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
