"""The report of now: what `flask report`, `GET /report.json` and pages ask for by a number of days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any

from tracker.decisions.shop.live_file import ShopSource
from tracker.insights.port import Insights
from tracker.insights.report import Report, report
from tracker.insights.tally import local_day

MOST_DAYS = 400


class Reporting:
    """Makes the report of this moment."""

    def __init__(self, insights: Insights, shop: ShopSource, clock: Callable[[], int]) -> None:
        """`clock` returns ms since 1970."""
        self._insights = insights
        self._shop = shop
        self._clock = clock

    @property
    def today(self) -> date:
        """The shop's day of now."""
        return local_day(self._clock(), self._insights.zone)

    def of(self, days: int, *, example: bool = False) -> Report:
        """Return the report of the last `days` days, today included; `example`: of simulated shoppers.

        Raises StoreError.
        """
        return report(self._insights, self._shop.current(), self.today, days, example=example)

    def version(self, days: int, *, example: bool = False) -> str:
        """Return a text that changes with that report, without making it. Raises StoreError."""
        return f"{self._insights.version()}.{self._shop.current().version}.{self.today}.{days}.{example:d}"


def as_record(value: Any) -> Any:
    """Return a report, or a part of it, as JSON: objects by field, lists, and dates as 2026-11-26."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_record(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [as_record(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value
