"""The command `python3 run.py bench`, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from testing.gunicorn_server import ROOT


def test_without_wrk_the_bench_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick"], cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert done.stderr == "The bench needs wrk: `apt install wrk`, or `brew install wrk`.\n"
