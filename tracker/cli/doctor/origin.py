"""What the browser of a page would be told when the page reports a visit."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from flask import Flask

from tracker.cli.doctor.finding import Finding
from tracker.config import Config

ABOUT = "origin"
_ALLOW = "Access-Control-Allow-Origin"


def look_at_origin(app: Flask, config: Config, given: str) -> Iterator[Finding]:
    """Yield whether pages of an origin may report, as the service itself answers a browser that asks first."""
    parts = urlsplit(given.strip())
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        yield Finding(
            ABOUT, "fault", f"{given} is no origin: give it as the browser shows it, like https://shop.example"
        )
        return
    origin = f"{parts.scheme}://{parts.netloc}"
    if origin != given.strip().rstrip("/"):
        yield Finding(ABOUT, "ok", f"A browser sends the origin alone: {origin}")
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Content-Type"}
    preflight = app.test_client().options("/ingest", headers={"Origin": origin, **asked})
    told = preflight.headers.get(_ALLOW)
    if told is None:
        allowed = ", ".join(config.allowed_origins)
        yield Finding(
            ABOUT,
            "fault",
            f"Pages of {origin} are refused, because ALLOWED_ORIGINS is {allowed}: add {origin} to it.",
            (f"A browser is told no {_ALLOW}, and a post is answered with 403.",),
        )
        return
    yield Finding(ABOUT, "ok", f"Pages of {origin} may report and ask.", (f"A browser is told: {_ALLOW}: {told}",))
