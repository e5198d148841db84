"""flask simulate: simulated shoppers sent to a running service."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from tracker.demo.sender import Outcome


@click.command("simulate")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the service runs.")
@click.option(
    "--shoppers",
    "count",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    help="The number of shoppers.",
)
@click.option(
    "--rate", type=click.FloatRange(0, 100_000), default=50, show_default=True, help="Posts a second; 0: no limit."
)
@click.option(
    "--senders", type=click.IntRange(1, 256), default=8, show_default=True, help="Connections at the same time."
)
@click.option(
    "--hours",
    type=click.FloatRange(0, 8760),
    default=24,
    show_default=True,
    help="Visits began within so many hours before now.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32), help="The same seed makes the same shoppers. Default: a new one."
)
@click.option(
    "--anywhere",
    is_flag=True,
    help="Allow a service on another machine, whose records will then hold simulated sessions.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON and no progress bar.")
def simulate_command(
    url: str, count: int, rate: float, senders: int, hours: float, seed: int | None, anywhere: bool, as_json: bool
) -> None:
    """Send simulated shoppers to a running service: bouncers, browsers, hesitators and buyers.

    For demonstrations, screenshots and load tests. Their sessions are named sim-SEED-NUMBER, so that they can be told
    from real ones.
    """
    # The demo is loaded only where it is used.
    from tracker.demo.sender import run  # noqa: PLC0415
    from tracker.demo.shoppers import shoppers  # noqa: PLC0415

    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.BadParameter("an address like http://127.0.0.1:8000", param_hint="--url")
    if parts.hostname not in {"127.0.0.1", "::1", "localhost"} and not anywhere:
        raise click.UsageError(f"{parts.hostname} is another machine; add --anywhere if you mean it.")
    seed = secrets.randbits(24) if seed is None else seed
    people = shoppers(seed, count, time.time_ns() // 1_000_000, round(hours * 3_600_000))
    if as_json:
        click.echo(json.dumps({"seed": seed, **run(url, people, rate, senders).to_json()}))
        return
    with click.progressbar(length=count, label="Shoppers", show_pos=True) as bar:
        outcome = run(url, people, rate, senders, lambda: bar.update(1))
    click.echo(_story(seed, outcome))


def _story(seed: int, outcome: Outcome) -> str:
    from tracker.demo.shoppers import KINDS  # noqa: PLC0415

    figures = outcome.to_json()
    kinds = ", ".join(f"{outcome.kinds[kind]} {kind}s" for kind in KINDS)
    lines = [f"{sum(outcome.kinds.values())} shoppers (seed {seed}): {kinds}"]
    lines += [f"  {answer:<16} {count}" for answer, count in figures["answers"].items()]
    lines.append(f"  {outcome.popups} answers asked for a popup")
    for name in ("ingest_ms", "ask_ms"):
        if spread := figures[name]:
            lines.append(f"  {name[:-3]}: median {spread['median']} ms, p99 {spread['p99']} ms")
    lines.append(f"  {figures['posts_per_s']} posts a second for {figures['seconds']} s")
    return "\n".join(lines)
