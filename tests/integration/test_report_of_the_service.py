"""The report over HTTP and at the terminal, from what browsers sent and the service decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from testing.visits import DAY, MORNING
from tests.integration.conftest import ADMIN_TOKEN, MakeApp

OWNER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


class Service:
    """The service with a clock that a test moves, and two lots of which one is held out."""

    def __init__(self, make_app: MakeApp, **settings: Any) -> None:
        self.now = MORNING
        self.app = make_app(clock=lambda: self.now, **settings)
        self.client: FlaskClient = self.app.test_client()

    def visit(self, session: str, *, items: int = 3, **more: Any) -> dict[str, Any]:
        """Report a visit that is eligible for a popup, and ask; return the answer."""
        page = [{"type": "view", "ts": self.now - 60_000}, {"type": "add_to_cart", "ts": self.now - 50_000, "items": 3}]
        body = {
            "session": session,
            "itemsInCart": items,
            "timeOnPage": {"/products/x": 60_000},
            "events": {"/products/x": page, "/cart": [{"type": "view", "ts": self.now - 5_000}]},
            "sentAt": self.now,
        }
        assert self.client.post("/ingest", json=body | more).status_code == 200
        answer = self.client.post("/askai", json={"session": session, "why": "exit"}).get_json()
        assert isinstance(answer, dict)
        return answer

    def buys(self, session: str, total: str = "59.90") -> None:
        event = {"type": "checkout_completed", "ts": self.now + 1, "n": 1, "total": total, "currency": "EUR"}
        body = {"session": session, "itemsInCart": 0, "events": {"/checkout": [event]}, "sentAt": self.now + 1}
        assert self.client.post("/ingest", json=body).status_code == 200

    def report(self, **query: Any) -> dict[str, Any]:
        reply = self.client.get("/report.json", headers=OWNER, query_string=query)
        assert reply.status_code == 200
        found = reply.get_json()
        assert isinstance(found, dict)
        return found


def test_a_visit_with_its_popup_and_its_order_stands_in_the_report(make_app: MakeApp) -> None:
    service = Service(make_app, holdout_percent=50.0)
    answers = {lot: service.visit(f"visit-{lot:05}", lot=lot) for lot in range(40)}
    held = [lot for lot, answer in answers.items() if answer["trigger"] == "holdout"]
    shown = [lot for lot, answer in answers.items() if answer["show_popup"]]
    assert len(held) + len(shown) == 40
    assert {answer["offered"] for answer in answers.values()} == {answers[0]["offered"]}
    for lot in (*held[:1], *shown[:2]):
        service.buys(f"visit-{lot:05}")

    found = service.report()
    assert (found["total"]["visits"], found["total"]["orders"], found["total"]["minor"]) == (40, 3, 3 * 5990)
    assert (found["total"]["carts_left"], found["currency"]) == (37, "EUR")
    orders = found["lift"]["orders"]
    assert (orders["kind"], orders["interval"]) == ("too_early", None)
    assert (orders["shown"]["browsers"], orders["held"]["browsers"]) == (len(shown), len(held))
    assert found["lift"]["percent"] == 50.0


def test_a_visit_is_counted_on_its_day_in_the_time_zone_of_the_shop(make_app: MakeApp) -> None:
    service = Service(make_app, shop_timezone=ZoneInfo("Pacific/Auckland"))
    service.visit("visit-00001")
    late = service.now
    service.now += DAY
    assert service.client.post("/ingest", json={"session": "visit-00001", "itemsInCart": 9, "sentAt": late}).json

    found = service.report(days=2)
    # 14:13 UTC is the next day there already, and a report of the day after moves no visit.
    assert [(day["day"], day["visits"]) for day in found["days"]] == [("2026-09-22", 1), ("2026-09-23", 0)]


def test_a_deleted_visit_is_in_no_figure(make_app: MakeApp) -> None:
    service = Service(make_app)
    for number in range(3):
        service.visit(f"visit-{number:05}")
    assert service.report()["total"]["visits"] == 3
    assert service.client.delete("/sessions/visit-00001", headers=OWNER).status_code == 200

    assert service.report()["total"]["visits"] == 2


def test_figures_outlive_the_visits_that_are_pruned(make_app: MakeApp, tmp_path: Path) -> None:
    service = Service(make_app)
    service.visit("visit-00001")
    service.buys("visit-00001")
    before = service.report(days=400)
    runner = service.app.test_cli_runner()
    pruned = runner.invoke(args=["sessions", "prune", "--older-than", "1d"])
    assert pruned.exit_code == 0, pruned.output

    assert "visit-00001" not in (tmp_path / "sessions.json").read_text("utf-8")
    assert service.report(days=400) == before
    again = Service(make_app)
    assert again.report(days=400) == before


@pytest.mark.parametrize("days", ["0", "401", "many"])
def test_a_number_of_days_that_no_report_has_is_refused(make_app: MakeApp, days: str) -> None:
    reply = make_app().test_client().get("/report.json", headers=OWNER, query_string={"days": days})

    assert reply.status_code == 422


def test_the_report_is_the_owners_alone(make_app: MakeApp) -> None:
    assert make_app().test_client().get("/report.json").status_code == 401


def test_the_command_prints_the_report_as_text_and_as_json(make_app: MakeApp) -> None:
    service = Service(make_app, holdout_percent=0.0)
    service.visit("visit-00001")
    service.buys("visit-00001")
    runner = service.app.test_cli_runner()
    text = runner.invoke(args=["report", "--days", "3"])
    machines = runner.invoke(args=["report", "--json"])

    assert (text.exit_code, machines.exit_code) == (0, 0), text.output + machines.output
    assert "visits                   1   before         0" in text.output
    assert "revenue              59.90   before      0.00 EUR" in text.output
    assert "Orders: Every browser may be shown popups, so nobody can tell whether they sell." in text.output
    assert "%" not in text.output
    assert json.loads(machines.output) == {key: value for key, value in service.report().items() if key != "ok"}
