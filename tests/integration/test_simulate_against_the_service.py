"""flask simulate against a real service: every post is answered, every shopper is stored."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from testing.gunicorn_server import GunicornServer
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
