"""L5: a stranger cannot use up the model's budget, and shoppers still get the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from testing.advice import Clock
from testing.fake_groq import FakeGroq
from tests.integration.conftest import MakeApp, StartServer, signed_in
from tracker.askai.sender import LEAST_AGE_S
from tracker.decisions.log.session_log import DecisionLog
from tracker.storage.memory import MemoryStore
from tracker.web.callers.limits import LEAST_SHARE

SHOP = "https://shop.example"
CALLS = 300
SHARE = 30
"""A tenth of them."""


def cart(session: str) -> dict[str, Any]:
    """Return a report that makes a session worth asking a model about."""
    return {"session": session, "itemsInCart": 7, "timeOnPage": {"/cart": 90_000, "/": 9_000}}


@pytest.fixture
def groq() -> Iterator[FakeGroq]:
    with FakeGroq() as fake:
        yield fake


class Service:
    """An application in this process that asks a fake Groq, with a clock to move."""

    def __init__(self, make_app: MakeApp, groq: FakeGroq, **settings: Any) -> None:
        self.clock, self.store = Clock(), MemoryStore()
        ours = {"groq_api_key": "gsk_test", "groq_base_url": groq.base_url, "rate_limits": True}
        self.app = make_app(store=self.store, clock=self.clock, **{**ours, **settings})
        self.client = self.app.test_client()

    def begin(self, session: str) -> None:
        assert self.client.post("/ingest", json=cart(session)).status_code == 200

    def ask(self, session: str, **headers: str) -> tuple[str, str | None]:
        """Ask; return the source of the decision, and why the model did not decide."""
        answer = self.client.post("/askai", data=session, headers=headers)
        assert answer.status_code == 200
        stored = self.store.get(session)
        last = None if stored is None else DecisionLog.of(stored).last
        assert last is not None
        return answer.get_json()["source"], last.fault


def test_the_model_is_not_asked_about_a_visit_that_has_only_just_begun(make_app: MakeApp, groq: FakeGroq) -> None:
    service = Service(make_app, groq)
    for session in ("visit-0001", "visit-0002", "visit-0003"):
        service.begin(session)
    assert service.ask("visit-0001") == ("rules", "begun")
    service.clock.move(seconds=LEAST_AGE_S - 1)
    assert service.ask("visit-0002") == ("rules", "begun"), "whatever the browser says of its time"

    service.clock.move(seconds=1)
    assert service.ask("visit-0003") == ("groq", None)
    assert groq.calls == 1


def test_an_owner_who_wants_popups_sooner_has_the_model_sooner(
    make_app: MakeApp, groq: FakeGroq, tmp_path: Path
) -> None:
    shop_file = tmp_path / "shop.toml"
    shop_file.write_text('name = "A shop"\n[limits]\nseconds_before_first = 3\n', "utf-8")
    service = Service(make_app, groq, shop_file=shop_file)
    service.begin("visit-0001")
    service.clock.move(seconds=3)

    assert service.ask("visit-0001") == ("groq", None)


def test_where_the_shop_is_named_only_its_pages_have_the_model_asked(make_app: MakeApp, groq: FakeGroq) -> None:
    service = Service(make_app, groq, allowed_origins=(SHOP,))
    service.begin("visit-0001")
    service.begin("visit-0002")
    service.clock.move(seconds=LEAST_AGE_S)

    assert service.ask("visit-0001") == ("rules", "no_page")
    assert service.ask("visit-0002", Origin=SHOP) == ("groq", None)
    assert groq.calls == 1


def test_an_address_has_a_share_however_small_the_budget_is(make_app: MakeApp, groq: FakeGroq) -> None:
    service = Service(make_app, groq, model_daily_calls=LEAST_SHARE * 2)
    for number in range(LEAST_SHARE + 1):
        service.begin(f"visit-{number:04}")
    service.clock.move(seconds=LEAST_AGE_S)
    told = [service.ask(f"visit-{number:04}") for number in range(LEAST_SHARE + 1)]

    assert told == [("groq", None)] * LEAST_SHARE + [("rules", "share")]


def test_the_owner_is_told_when_the_calls_are_used_up_early(make_app: MakeApp, groq: FakeGroq) -> None:
    service = Service(make_app, groq, model_daily_calls=2)
    for number in range(3):
        service.begin(f"visit-{number:04}")
    service.clock.move(seconds=LEAST_AGE_S)
    told = [service.ask(f"visit-{number:04}")[1] for number in range(3)]

    assert told == [None, None, "budget"]
    (notice,) = [one for one in service.client.get("/health").get_json()["notices"] if "model" in one]
    assert notice in unescape(signed_in(service.app).get("/today").get_data(as_text=True))


def test_a_strangers_script_takes_a_tenth_of_the_day_and_shoppers_still_get_the_model(
    start_server: StartServer, groq: FakeGroq, tmp_path: Path
) -> None:
    """A stranger who knows everything: he writes the shop's origin, and waits until a visit is old enough."""
    shop_file = tmp_path / "shop.toml"
    shop_file.write_text('name = "A shop"\n[limits]\nseconds_before_first = 0\n', "utf-8")
    env = {"RATE_LIMITS": "on", "TRUSTED_PROXIES": "1", "ALLOWED_ORIGINS": SHOP, "MODEL_DAILY_CALLS": str(CALLS)}
    model = {"GROQ_API_KEY": "gsk_test", "GROQ_BASE_URL": groq.base_url, "TRACKER_SHOP_FILE": str(shop_file)}
    server = start_server(workers=1, env={**env, **model})

    def asked(session: str, address: str) -> str:
        headers = {"X-Forwarded-For": address, "Origin": SHOP}
        with server.client() as client:
            assert client.post("/ingest", cart(session), headers).status == 200
            return str(client.post("/askai", session, headers).json()["source"])

    stranger = Counter(asked(f"stranger-{number:04}", "203.0.113.9") for number in range(2 * SHARE))
    assert stranger == {"groq": SHARE, "rules": SHARE}
    assert groq.calls == SHARE
    assert [asked(f"shopper-{number:04}", f"198.51.100.{number}") for number in range(5)] == ["groq"] * 5
    assert "203.0.113.9" not in server.log()
