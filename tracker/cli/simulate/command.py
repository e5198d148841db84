"""flask simulate: simulated shoppers, sent to a running service or spread over the days before now."""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import click

from tracker.cli.simulate.example_data import Written, clear_examples, write_days
from tracker.cli.terminal import RefusedError, counted, done, note, plain_failures, say
from tracker.decisions.shop.live_file import ShopSource
from tracker.sessions.store import SessionStore

if TYPE_CHECKING:
    from tracker.demo.sender import Outcome

_PATIENCE_S: Final = 10.0
_EXAMPLE_SEED: Final = 12
"""The days of the example are the same at each call, unless another seed is asked for."""


def simulate_command(store: SessionStore, shop: ShopSource) -> click.Command:
    """Return the command. Example days are written into `store`, and decided about by the rules of `shop`."""

    @click.command("simulate")
    @click.option("--url", help="Where the service runs.  [default: http://127.0.0.1:PORT]")
    @click.option(
        "--shoppers",
        "count",
        type=click.IntRange(1, 1_000_000),
        help="The number of shoppers.  [default: 200; 100 a day]",
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
        "--days",
        type=click.IntRange(1, 365),
        help="Write so many days of an example shop instead: visits, popups in two groups, orders.",
    )
    @click.option(
        "--effect",
        type=click.FloatRange(-100, 500),
        default=50,
        show_default=True,
        help="With --days: how many percent more often a browser orders that is shown popups.",
    )
    @click.option("--clear", is_flag=True, help="Take out all simulated shoppers.")
    @click.option(
        "--seed",
        type=click.IntRange(0, 2**32),
        help="The same seed makes the same shoppers.  [default: a new one; always the same for --days]",
    )
    @click.option(
        "--anywhere",
        is_flag=True,
        help="Allow a service on another machine, whose records will then hold simulated sessions.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON and no progress bar.")
    @plain_failures()
    def simulate(
        url: str | None,
        count: int | None,
        rate: float,
        senders: int,
        hours: float,
        days: int | None,
        effect: float,
        clear: bool,
        seed: int | None,
        anywhere: bool,
        as_json: bool,
    ) -> None:
        """Send simulated shoppers to a running service: bouncers, browsers, hesitators and buyers.

        For demonstrations, screenshots and load tests. Their sessions are marked as examples, and no figure of the
        shop counts them. With --days, finished visits of the past are written into the session file of this machine,
        in place of earlier examples: they fill the owner's pages.
        """
        address = _address(url, anywhere)
        if clear:
            cleared = clear_examples(store, quiet=as_json)
            done(as_json, f"took out {counted(cleared, 'simulated visit')}", cleared=cleared)
        elif days is not None:
            _write(days, count or 100, effect, _EXAMPLE_SEED if seed is None else seed, address, as_json)
        else:
            _send(address, count or 200, rate, senders, hours, secrets.randbits(24) if seed is None else seed, as_json)

    def _write(days: int, a_day: int, effect: float, seed: int, address: str, as_json: bool) -> None:
        from tracker.demo.example_days import Plan  # noqa: PLC0415  the demo is loaded only where it is used

        plan = Plan(days=days, a_day=a_day, effect=effect / 100, seed=seed)
        cleared = clear_examples(store, quiet=True)
        made = write_days(store, shop.current(), plan, time.time_ns() // 1_000_000, quiet=as_json)
        figures = {"visits": made.visits, "orders": made.orders, "shown": made.shown, "held": made.held}
        if as_json:
            done(as_json, "", seed=seed, days=days, effect=effect, cleared=cleared, **figures)
            return
        say(f"{counted(days, 'day')} of an example shop (seed {seed}): {_told(made)}")
        say(f"  {made.shown} browsers were offered a popup, and {made.held} were held back instead")
        say(f"  by this simulation, a browser that is shown popups orders {effect:+g} % more often")
        say(f"  look at them: {address}/today?data=example")
        say("  take them out again: flask simulate --clear")
        if problem := health_problem(address):
            note(f"{problem} The example days are in the session file all the same.")

    return simulate


def _told(made: Written) -> str:
    return f"{counted(made.visits, 'visit')}, {counted(made.orders, 'order')}"


def _address(url: str | None, anywhere: bool) -> str:
    """Return the address of the service. Raises a UsageError for one that is none, or of another machine."""
    # PORT is in .env, which the entry point has loaded, as Gunicorn's settings do.
    url = url or f"http://127.0.0.1:{os.environ.get('PORT', '').strip() or '8000'}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.BadParameter("an address like http://127.0.0.1:8000", param_hint="--url")
    if parts.hostname not in {"127.0.0.1", "::1", "localhost"} and not anywhere:
        raise click.UsageError(f"{parts.hostname} is another machine; add --anywhere if you mean it.")
    return url.rstrip("/")


def _send(url: str, count: int, rate: float, senders: int, hours: float, seed: int, as_json: bool) -> None:
    # The demo is loaded only where it is used.
    from tracker.demo.sender import run  # noqa: PLC0415
    from tracker.demo.shoppers import shoppers  # noqa: PLC0415

    if problem := health_problem(url):
        raise RefusedError(problem)
    people = shoppers(seed, count, time.time_ns() // 1_000_000, round(hours * 3_600_000))
    if as_json:
        click.echo(json.dumps({"seed": seed, **run(url, people, rate, senders).to_json()}))
        return
    with click.progressbar(length=count, label="Shoppers", show_pos=True) as bar:
        outcome = run(url, people, rate, senders, lambda: bar.update(1))
    click.echo(_story(seed, outcome))


def health_problem(url: str) -> str | None:
    """Return None where a service at this address can take reports, else a sentence that says what to do."""
    try:
        with urlopen(f"{url}/health", timeout=_PATIENCE_S) as answer:  # noqa: S310  the scheme was checked
            told = json.load(answer)
    except HTTPError as error:
        with error, suppress(ValueError, AttributeError):
            if problem := json.load(error).get("problem"):
                return f"The service at {url} cannot keep sessions now: {problem}"
        return f"{url}/health answers {error.code}: no Shopify Tracker, or one that fails."
    except (OSError, HTTPException, ValueError):
        return f"No service answers at {url}: start it with `python3 run.py`, or name its address with --url."
    if not isinstance(told, dict) or "status" not in told:
        return f"{url} is another service; name the address of this one with --url."
    return None


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
