"""The cost of decisions: the model's calls, counted by the server that answers them, and what requests wait."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from testing.advice import (
    ANNA,
    NOON,
    ROOT,
    Clock,
    FixedShop,
    MemoryStore,
    check_answer,
    documents_session,
    example_shop,
    with_event,
)
from testing.fake_groq import FAULTS, SLOW, FakeGroq, good_proposal
from testing.gunicorn_server import wait_until
from tests.conftest import gate_takes
from tests.integration.conftest import MakeApp, StartServer
from tracker.decisions.engine import Engine
from tracker.decisions.log.session_log import DecisionLog
from tracker.durable.cell import FileCell
from tracker.llm.budget import DailyLimits
from tracker.llm.groq_client import GroqClient
from tracker.llm.shared_budget import SharedBudget
from tracker.sessions.model import ShopperSession
from tracker.sessions.store import SessionStore
from tracker.storage.json_file import JsonFileStore

SHOP = example_shop()
MUCH = 10**9
PROMISED_S = 5.5


@dataclass
class Service:
    """An application on a store in memory, with a clock to move, that asks a fake Groq over the wire."""

    client: FlaskClient
    store: SessionStore
    clock: Clock
    budget: SharedBudget

    def ask(self, session: str = ANNA) -> Any:
        response = self.client.post("/askai", data=session)
        assert response.status_code == 200
        check_answer(response.get_json(), SHOP)
        return response.get_json()

    def fault_of(self, session: str) -> str | None:
        """Ask, and return why the model did not decide."""
        self.ask(session)
        stored = self.store.get(session)
        assert stored is not None
        last = DecisionLog.of(stored).last
        assert last is not None
        return last.fault

    def put(self, session: ShopperSession) -> str:
        self.store.update(session.session, lambda _stored: session)
        return session.session


def engine_on(
    store: SessionStore,
    folder: Path,
    groq: FakeGroq | str,
    clock: Clock,
    *,
    calls: int = MUCH,
    tokens: int = MUCH,
    **options: Any,
) -> tuple[Engine, SharedBudget]:
    budget = SharedBudget(FileCell(folder / "count"), DailyLimits(calls=calls, tokens=tokens))
    url = groq if isinstance(groq, str) else groq.base_url
    model = GroqClient("gsk_test", url, "openai/gpt-oss-20b")
    return Engine(store, FixedShop(SHOP), model=model, budget=budget, clock=clock, **options), budget


@pytest.fixture
def serve(make_app: MakeApp, tmp_path: Path) -> Callable[..., Service]:
    def start(groq: FakeGroq, folder: Path = tmp_path, **options: Any) -> Service:
        folder.mkdir(exist_ok=True)
        # In memory: these tests count the model's calls, and a disk's flushes would take minutes.
        clock, store = Clock(), MemoryStore()
        engine, budget = engine_on(store, folder, groq, clock, **options)
        return Service(make_app(store=store, engine=engine).test_client(), store, clock, budget)

    return start


@pytest.fixture(scope="module", autouse=True)
def _sdk_loaded() -> None:
    """Load the SDK before any clock runs: its import takes up to a second on a busy machine."""
    import tracker.llm.groq_transport  # noqa: F401


# --- how often the model is asked -------------------------------------------------------------------------------------


@pytest.mark.parametrize("says", gate_takes(2, ["nothing", "browsing", "popup", "500"]))
def test_720_questions_an_hour_about_an_active_shopper_make_at_most_4_calls(
    serve: Callable[..., Service], says: str
) -> None:
    with FakeGroq(says if says in FAULTS else "obedient") as groq:
        groq.reply = lambda request: json.dumps(good_proposal(request, show_popup=says == "popup"))
        service = serve(groq)
        # To a shopper with an empty cart nothing is shown, so that no frequency cap spares the model: signs do.
        browses = says == "browsing"
        session = service.put(
            documents_session(items_in_cart=0, events={"/": [{"type": "view", "ts": NOON - 1}]})
            if browses
            else documents_session()
        )
        for number in range(720):
            service.ask(session)
            service.clock.move(seconds=5)

            def act(stored: ShopperSession | None, number: int = number) -> ShopperSession:
                acted = with_event(stored or documents_session(), "click", service.clock(), f"/products/p{number % 9}")
                if number % 20 == 0:
                    acted = with_event(acted, "view", service.clock(), f"/policies/shipping-policy-{number}")
                return replace(acted, items_in_cart=0 if browses else 1 + number // 40 % 5)

            service.store.update(session, act)
        assert (4 if browses else 1) <= groq.calls <= 4


@pytest.mark.parametrize("says", ["popup", "nothing"])
def test_720_questions_an_hour_about_an_idle_shopper_make_one_call(serve: Callable[..., Service], says: str) -> None:
    with FakeGroq("obedient") as groq:
        groq.reply = lambda request: json.dumps(good_proposal(request, show_popup=says == "popup"))
        service = serve(groq)
        session = service.put(documents_session())
        shown = 0
        for _ in range(720):
            shown += service.ask(session)["show_popup"]
            service.clock.move(seconds=5)
        assert groq.calls == 1
        assert shown == (1 if says == "popup" else 0)


def test_ineligible_sessions_make_no_call(serve: Callable[..., Service]) -> None:
    with FakeGroq() as groq:
        service = serve(groq)
        ineligible: list[dict[str, Any]] = [
            {"events": {"/": [{"type": "popup_clicked", "ts": NOON - 60_000}]}},
            {"time_on_page": {"/": 5000}},
            {"time_on_page": {"/checkout": 90_000}},
            {"events": {"/": [{"type": "checkout_completed", "ts": NOON}]}},
        ]
        for number, changes in enumerate(ineligible):
            session = service.put(documents_session(session=f"shopper-{number}", **changes))
            for _ in range(5):
                assert service.ask(session)["source"] == "gate"
                service.clock.move(minutes=5)
        assert groq.calls == 0


def test_fifty_identical_questions_at_once_over_four_workers_make_one_call(start_server: StartServer) -> None:
    with FakeGroq() as groq:
        groq.delay_s = 1
        env = {
            "GROQ_API_KEY": "gsk_test",
            "GROQ_BASE_URL": groq.base_url,
            "TRACKER_SHOP_FILE": str(ROOT / "shop.example.toml"),
        }
        server = start_server(workers=4, env=env)
        now = time.time_ns() // 1_000_000
        times = {"/products/xyz": 123_456}
        events = {"/": [{"type": "view", "ts": now}, {"type": "click", "ts": now, "target": "#add-to-cart"}]}
        with server.client() as client:
            body = {"session": ANNA, "itemsInCart": 7, "timeOnPage": times, "events": events}
            assert client.post("/ingest", body).status == 200

        def ask(_number: int) -> Any:
            with server.client() as client:
                reply = client.post("/askai", ANNA)
                assert reply.status == 200
                return reply.json()

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(ask, range(50)))
        assert groq.calls == 1
        for answer in answers:
            check_answer(answer, SHOP)
        shown = [answer for answer in answers if answer["show_popup"]]
        assert {answer["message"] for answer in shown} == {"Free returns within 30 days."}
        # The others found no room to wait: they show nothing.
        assert {answer["trigger"] for answer in answers if not answer["show_popup"]} <= {"asking"}
        stored = server.stored()[ANNA]["decisions"]
        assert (stored["shown"], len(stored["entries"])) == (1, 1)


# --- budgets ----------------------------------------------------------------------------------------------------------

SESSIONS = 1000


def _ask_many(folder: Path, url: str, part: int, rounds: range, calls: int, tokens: int) -> int:
    """In one process, ask about every fourth session once a round; return the number of questions."""
    clock, store = Clock(), JsonFileStore(folder / "sessions.json")
    engine, _budget = engine_on(store, folder, url, clock, calls=calls, tokens=tokens)
    asked = 0
    for one_round in rounds:
        clock.now = NOON + one_round * 5 * 60_000
        for number in range(part, SESSIONS, 4):
            engine.advise(f"shopper-{number:04}")
            asked += 1
    return asked


@pytest.mark.parametrize(
    ("calls", "tokens", "rounds"),
    gate_takes(1, [(37, MUCH, 2), (MUCH, 40_000, 2), (37, MUCH, 10)], several=True),
)
def test_many_questions_and_a_restart_never_exceed_the_daily_budget(
    tmp_path: Path, calls: int, tokens: int, rounds: int
) -> None:
    store = JsonFileStore(tmp_path / "sessions.json")
    for number in range(SESSIONS):
        session = documents_session(session=f"shopper-{number:04}")
        store.update(session.session, lambda _stored, session=session: session)  # type: ignore[misc]
    context = multiprocessing.get_context("spawn")
    asked = 0
    with FakeGroq() as groq:
        for some in (range(rounds // 2), range(rounds // 2, rounds)):
            with context.Pool(4) as pool:
                arguments = [(tmp_path, groq.base_url, part, some, calls, tokens) for part in range(4)]
                asked += sum(pool.starmap(_ask_many, arguments))
        spent = SharedBudget(FileCell(tmp_path / "count"), DailyLimits(calls=calls, tokens=tokens)).spent()
        assert asked == SESSIONS * rounds
        assert groq.calls <= spent[0] <= calls
        assert groq.calls * 696 <= spent[1] <= tokens
        # And the budget is used: a call costs 696 tokens, and while it is under way its reservation of some 3,000.
        assert groq.calls >= (30 if calls == 37 else 20)


# --- a slow model -----------------------------------------------------------------------------------------------------


def test_sixteen_hanging_calls_and_sixteen_waiting_questions_do_not_delay_two_hundred_ingests(
    start_server: StartServer,
) -> None:
    with FakeGroq("hang") as groq:
        env = {"GROQ_API_KEY": "gsk_test", "GROQ_BASE_URL": groq.base_url}
        server = start_server(workers=1, env=env)

        def body(session: str, number: int = 0) -> dict[str, Any]:
            now = time.time_ns() // 1_000_000
            events = {"/cart": [{"type": "click", "ts": now, "n": number}]}
            return {"session": session, "itemsInCart": 7, "timeOnPage": {"/cart": 99_000, "/": 1}, "events": events}

        def ask(session: str) -> tuple[int, float]:
            began = time.monotonic()
            with server.client() as client:
                return client.post("/askai", session).status, time.monotonic() - began

        def ingest(part: int) -> list[tuple[int, float]]:
            answered = []
            with server.client() as client:
                for number in range(25):
                    began = time.monotonic()
                    status = client.post("/ingest", body(f"other-{part:03}", number)).status
                    answered.append((status, time.monotonic() - began))
            return answered

        shoppers = [f"shopper-{number:02}" for number in range(16)]
        with server.client() as client:
            for shopper in shoppers:
                assert client.post("/ingest", body(shopper)).status == 200
            # One call that is answered, so that the worker has imported the SDK before any deadline runs.
            groq.mode = "good"
            assert client.post("/ingest", body("warm-up-01")).status == 200
            assert client.post("/askai", "warm-up-01").status == 200
        groq.mode = "hang"
        groq.requests.clear()
        with ThreadPoolExecutor(48) as pool:
            asked = [pool.submit(ask, shopper) for shopper in shoppers]
            wait_until(lambda: groq.calls == 16, "16 questions hang")
            again = [pool.submit(ask, shopper) for shopper in shoppers]
            ingested = [pool.submit(ingest, part) for part in range(8)]
            answered = [one for part in ingested for one in part.result()]
            assert [status for status, _seconds in answered] == [200] * 200
            # C2's promise of 2 s and room for a busy machine; a post that waited for the model would take 5 s.
            assert max(seconds for _status, seconds in answered) < 4.5
            for future in [*asked, *again]:
                status, seconds = future.result()
                assert status == 200
                assert seconds < PROMISED_S
        assert groq.calls == 16


@pytest.mark.parametrize("mode", FAULTS)
def test_the_rules_answer_within_5_5_s_whatever_fault_the_model_has(serve: Callable[..., Service], mode: str) -> None:
    with FakeGroq(mode) as groq:
        service = serve(groq)
        session = service.put(documents_session())
        began = time.monotonic()
        answer = service.ask(session)
        assert time.monotonic() - began < PROMISED_S
        assert (answer["source"], answer["message"], groq.calls) == ("rules", "Free returns within 30 days.", 1)


def test_the_rules_answer_within_5_5_s_if_the_models_answer_never_ends(
    serve: Callable[..., Service], tmp_path: Path
) -> None:
    def seconds(service: Service) -> float:
        session = service.put(documents_session())
        began = time.monotonic()
        answer = service.ask(session)
        assert (answer["source"], answer["message"]) == ("rules", "Free returns within 30 days.")
        return time.monotonic() - began

    with contextlib.ExitStack() as servers, ThreadPoolExecutor(len(SLOW)) as pool:
        slow = [servers.enter_context(FakeGroq(mode)) for mode in SLOW]
        services = [serve(groq, tmp_path / str(number)) for number, groq in enumerate(slow)]
        assert all(one < PROMISED_S for one in pool.map(seconds, services))
        assert [groq.calls for groq in slow] == [1] * len(SLOW)


# --- the breaker and the server's pauses, seen through /askai ---------------------------------------------------------


@pytest.mark.parametrize("mode", ["500", "garbage", "prose", "unknown pick", "cut", "401"])
def test_the_breaker_opens_after_five_failures_and_closes_with_the_first_success_after_30_s(
    serve: Callable[..., Service], mode: str
) -> None:
    with FakeGroq(mode) as groq:
        service = serve(groq)
        sessions = iter([service.put(documents_session(session=f"shopper-{number:02}")) for number in range(20)])
        faults = [service.fault_of(next(sessions)) for _ in range(8)]
        assert faults[5:] == ["breaker"] * 3
        assert "breaker" not in faults[:5]
        assert groq.calls == 5
        service.clock.move(seconds=29.999)
        assert service.fault_of(next(sessions)) == "breaker"
        service.clock.move(seconds=0.001)
        assert service.fault_of(next(sessions)) not in (None, "breaker")
        assert service.fault_of(next(sessions)) == "breaker"
        assert groq.calls == 6, "one probe tested whether the model is back"
        groq.mode = "good"
        service.clock.move(seconds=30)
        assert [service.fault_of(next(sessions)) for _ in range(4)] == [None] * 4
        assert groq.calls == 10


def test_a_half_open_breaker_lets_only_one_call_through(serve: Callable[..., Service]) -> None:
    with FakeGroq("500") as groq:
        service = serve(groq)
        sessions = [service.put(documents_session(session=f"shopper-{number:02}")) for number in range(15)]
        for session in sessions[:5]:
            service.ask(session)
        groq.mode, groq.delay_s = "good", 2
        service.clock.move(seconds=30)
        with ThreadPoolExecutor(10) as pool:
            app = service.client.application
            clients = [replace(service, client=app.test_client()) for _ in range(10)]
            faults = list(pool.map(lambda pair: pair[0].fault_of(pair[1]), zip(clients, sessions[5:], strict=True)))
        assert faults.count(None) == 1
        assert set(faults) <= {None, "breaker", "unavailable"}
        assert groq.calls == 6


def test_no_call_is_made_during_a_pause_that_groq_asked_for(serve: Callable[..., Service]) -> None:
    with FakeGroq("429") as groq:
        service = serve(groq)
        sessions = iter([service.put(documents_session(session=f"shopper-{number:02}")) for number in range(20)])
        assert service.fault_of(next(sessions)) == "rate_limited"
        groq.mode = "good"
        assert [service.fault_of(next(sessions)) for _ in range(5)] == ["retry_after"] * 5
        service.clock.move(seconds=29.999)
        assert service.fault_of(next(sessions)) == "retry_after"
        assert groq.calls == 1
        service.clock.move(seconds=0.001)
        assert service.fault_of(next(sessions)) is None
        assert groq.calls == 2


def test_with_a_damaged_budget_file_the_rules_answer_and_no_call_is_made(
    serve: Callable[..., Service], tmp_path: Path
) -> None:
    (tmp_path / "count").write_bytes(b"\x00")
    with FakeGroq() as groq:
        service = serve(groq)
        assert service.fault_of(service.put(documents_session())) == "unavailable"
        assert groq.calls == 0
