"""The real SDK against a real server with faults: always an answer in time, after one call."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from testing.advice import Clock, FixedShop, FreeBudget, MemoryStore, documents_session, example_shop
from testing.fake_groq import FAULTS, PATH, SLOW, FakeGroq, good_proposal
from tracker.decisions.decision import ByModel, ByRules, Decision
from tracker.decisions.engine import Engine
from tracker.decisions.model.answer import answer_json_schema
from tracker.llm.groq_client import GroqClient
from tracker.llm.port import (
    ModelAnswerError,
    ModelBusyError,
    ModelClient,
    ModelError,
    ModelRateLimitedError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnreachableError,
)

KEY = "gsk_a-key-that-must-not-leak"
MODEL = "openai/gpt-oss-20b"
DEADLINE_S = 1.0
SHOP = example_shop()
SCHEMA = answer_json_schema(SHOP.messages, with_opening=False)
SESSION = documents_session(time_on_page={"/products/a-page-of-the-shop": 123_456})
OWNERS_MESSAGE = "Free returns within 30 days."


@pytest.fixture(scope="module", autouse=True)
def _sdk_loaded() -> None:
    """Load the SDK before any clock runs: its import takes up to a second on a busy machine."""
    import tracker.llm.groq_transport  # noqa: F401


@pytest.fixture
def groq() -> Iterator[FakeGroq]:
    with FakeGroq() as server:
        yield server


def client_of(groq: FakeGroq, model: str = MODEL, max_calls: int = 16) -> GroqClient:
    return GroqClient(KEY, groq.base_url, model, max_calls=max_calls)


def engine(model: ModelClient | None, **options: Any) -> Engine:
    return Engine(MemoryStore(SESSION), FixedShop(SHOP), model=model, budget=FreeBudget(), clock=Clock(), **options)


def advise(groq: FakeGroq, deadline_s: float = DEADLINE_S) -> Decision:
    return engine(client_of(groq), deadline_s=deadline_s).advise(SESSION.session)


def fault_of(decision: Decision) -> str | None:
    """Return why the model did not decide; None if it did or was not there."""
    origin = decision.origin
    return origin.failure.fault if isinstance(origin, ByRules) and origin.failure is not None else None


def ask(groq: FakeGroq, client: GroqClient | None = None, deadline_s: float = DEADLINE_S) -> Any:
    return (client or client_of(groq)).complete([{"role": "user", "content": "json"}], SCHEMA, deadline_s)


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return met


def calls_under_way() -> int:
    return sum(thread.name == "groq-call" for thread in threading.enumerate())


def test_a_valid_answer_becomes_the_decision(groq: FakeGroq) -> None:
    decision = advise(groq)
    assert decision.fields() == {
        "show_popup": True,
        "message": OWNERS_MESSAGE,
        "reason": "7 in the cart, 123 s on 3 pages, no checkout yet: the model picked fact free-returns.",
        "category": "info",
        "trigger": "items_in_cart",
        "confidence": 0.92,
        "delay_ms": 2000,
    }
    assert (decision.origin.source, groq.calls) == ("groq", 1)
    assert isinstance(decision.origin, ByModel)
    answer = decision.origin.proposed.answer
    assert (answer.prompt_tokens, answer.completion_tokens) == (612, 84)
    assert 0 <= answer.latency_ms < 1000


def test_the_request_holds_the_strict_schema_and_the_session_but_not_its_id(groq: FakeGroq) -> None:
    advise(groq)
    [request] = groq.requests
    assert request.path == PATH
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json["model"] == MODEL
    assert request.json["response_format"]["json_schema"]["strict"] is True
    assert request.json["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (request.json["reasoning_effort"], request.json["include_reasoning"]) == ("low", False)
    assert '"items_in_cart":7' in request.prompt
    assert SESSION.session not in json.dumps(request.json)
    assert request.data["steps"] == ["home 55s: add", "cart 5s"]


def test_other_models_are_asked_for_a_json_object(groq: FakeGroq) -> None:
    ask(groq, client_of(groq, "qwen/qwen3-32b"))
    [request] = groq.requests
    assert request.json["response_format"] == {"type": "json_object"}
    assert request.json.keys().isdisjoint({"reasoning_effort", "include_reasoning"})


def test_the_fake_can_answer_by_the_prompt_it_receives(groq: FakeGroq) -> None:
    groq.mode = "obedient"
    groq.reply = lambda request: json.dumps(good_proposal(request, pick="chat", delay_ms=len(request["messages"])))
    fields = advise(groq).fields()
    assert (fields["message"], fields["delay_ms"]) == ("Need help with your order? We are here to answer.", 2)


def test_the_original_seven_fields_show_help_and_their_own_words_are_dropped(groq: FakeGroq) -> None:
    groq.mode = "seven fields"
    decision = advise(groq)
    assert decision.origin.source == "groq"
    assert decision.fields()["message"] == "Need help with your order? We are here to answer."
    assert "40" not in repr(decision.fields())


def test_a_generation_that_groq_calls_faulty_is_used_if_it_is_a_valid_proposal(groq: FakeGroq) -> None:
    groq.mode = "failed generation"
    assert advise(groq).origin.source == "groq"
    groq.decision = "no choice"
    assert (advise(groq).origin.source, groq.calls) == ("rules", 2)


@pytest.mark.parametrize("mode", [*FAULTS, *SLOW])
def test_the_rules_answer_in_time_after_one_call_whatever_fault_the_model_has(groq: FakeGroq, mode: str) -> None:
    groq.mode = mode
    started = time.monotonic()
    decision = advise(groq)
    assert time.monotonic() - started < DEADLINE_S + 5  # room for a busy machine: some of these hang for ever
    assert decision.origin.source == "rules"
    assert fault_of(decision)
    assert decision.fields()["message"] == OWNERS_MESSAGE
    assert groq.calls == 1
    # A server that never ends holds no thread of ours either.
    assert wait_until(lambda: calls_under_way() == 0)


def test_by_default_an_answer_takes_no_longer_than_five_and_a_half_seconds() -> None:
    def fault_and_seconds(mode: str) -> tuple[str | None, float]:
        with FakeGroq(mode) as groq:
            started = time.monotonic()
            decision = engine(client_of(groq)).advise(SESSION.session)
            assert groq.calls == 1
            return fault_of(decision), time.monotonic() - started

    with ThreadPoolExecutor(len(SLOW)) as pool:
        for fault, seconds in pool.map(fault_and_seconds, SLOW):
            assert fault == "timeout"
            assert seconds < 5.5


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("429", ModelRateLimitedError),
        ("413 for tokens", ModelRateLimitedError),
        ("498", ModelRateLimitedError),
        ("408", ModelTimeoutError),
        ("no generation", ModelAnswerError),
        ("500", ModelUnreachableError),
        ("cut", ModelUnreachableError),
        ("401", ModelRefusedError),
        ("redirect", ModelRefusedError),
        ("1MB", ModelAnswerError),
        ("500 and 1MB", ModelAnswerError),
        ("gzip", ModelAnswerError),
        ("refusal", ModelAnswerError),
        ("length", ModelAnswerError),
        ("garbage", ModelAnswerError),
        ("no choices", ModelAnswerError),
        ("hang", ModelTimeoutError),
        ("drip", ModelTimeoutError),
        ("drip headers", ModelTimeoutError),
    ],
)
def test_every_fault_raises_its_error_and_none_holds_key_prompt_or_body(
    groq: FakeGroq, caplog: pytest.LogCaptureFixture, mode: str, error: type[ModelError]
) -> None:
    caplog.set_level(logging.DEBUG)
    groq.mode = mode
    with pytest.raises(error) as caught:
        ask(groq, deadline_s=0.4)
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    logged = " ".join(repr(vars(record)) for record in caplog.records)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    for secret in (KEY, "json_schema", "xxxx", "I cannot help"):
        assert secret not in told.replace(__file__, "")
        assert secret not in logged


def test_an_unreachable_server_raises_its_own_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = GroqClient(KEY, f"http://127.0.0.1:{unused.getsockname()[1]}", MODEL)
        with pytest.raises(ModelUnreachableError):
            client.complete([], {}, DEADLINE_S)


def test_a_key_that_no_header_can_hold_raises_an_error_without_the_key(
    groq: FakeGroq, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ModelUnreachableError) as caught:
        ask(groq, GroqClient(f"{KEY}\nключ", groq.base_url, MODEL))
    assert KEY not in "".join(traceback.format_exception(caught.value)) + caplog.text
    with pytest.raises(ValueError, match="key"):
        GroqClient("", groq.base_url, MODEL)


def test_retry_after_is_told_and_never_slept(groq: FakeGroq) -> None:
    groq.mode = "429"
    started = time.monotonic()
    with pytest.raises(ModelRateLimitedError) as caught:
        ask(groq)
    assert time.monotonic() - started < 0.5
    assert (caught.value.retry_after, groq.calls) == (30.0, 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        ("7.66s", 7.66),
        ("1m7.5s", 67.5),
        ("2h", 7200.0),
        ("Thu, 01 Jan 2015 00:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("inf", None),
        ("nan", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_read_in_every_form(text: str, seconds: float | None) -> None:
    from tracker.llm.groq_transport import retry_after

    assert retry_after(httpx.Response(429, headers={"retry-after": text})) == seconds


def test_retry_after_as_a_date_is_the_time_until_then() -> None:
    from tracker.llm.groq_transport import retry_after

    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    seconds = retry_after(httpx.Response(429, headers={"retry-after": in_an_hour}))
    assert seconds is not None
    assert 3000 < seconds < 4000


def test_a_call_leaves_one_line_in_the_log_with_its_cost(groq: FakeGroq, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ask(groq)
    groq.mode = "429"
    with pytest.raises(ModelError):
        ask(groq)
    good, limited = (vars(record) for record in caplog.records)
    assert (good["model"], good["outcome"], good["prompt_tokens"], good["completion_tokens"]) == (
        *(MODEL, "answered"),
        *(612, 84),
    )
    assert (limited["outcome"], limited["retry_after"]) == ("rate_limited", 30.0)
    assert good["ms"] >= 0


def test_a_call_beyond_the_most_at_once_is_refused_at_once_and_slots_come_back(groq: FakeGroq) -> None:
    groq.mode = "hang"
    client = client_of(groq, max_calls=2)
    with ThreadPoolExecutor(2) as pool:
        hanging = [pool.submit(ask, groq, client, 0.8) for _ in range(2)]
        assert wait_until(lambda: groq.calls == 2)
        started = time.monotonic()
        with pytest.raises(ModelBusyError):
            ask(groq, client)
        assert time.monotonic() - started < 0.2
        for future in hanging:
            assert isinstance(future.exception(), ModelTimeoutError)
    assert groq.calls == 2
    groq.mode = "good"
    assert wait_until(lambda: calls_under_way() == 0)
    for _ in range(5):
        assert ask(groq, client).text


def test_sixteen_calls_run_at_the_same_time(groq: FakeGroq) -> None:
    groq.delay_s = 0.3
    client = client_of(groq)
    started = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask(groq, client, 4), range(16)))
    assert len(answers) == groq.calls == 16
    assert time.monotonic() - started < 16 * 0.3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: run it on Linux or macOS")
def test_a_client_made_and_used_before_a_fork_works_after_it(groq: FakeGroq) -> None:
    client = client_of(groq)
    ask(groq, client)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if ask(groq, client, 4).text else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert groq.calls == 2


def test_the_sdk_is_not_imported_before_the_first_call() -> None:
    program = "import sys, tracker.decisions.engine, tracker.llm.groq_client; sys.exit('groq' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_fake_serves_other_processes_too() -> None:
    command = [sys.executable, "-m", "testing.fake_groq", "--mode", "429"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            client = GroqClient(KEY, process.stdout.readline().strip(), MODEL)
            with pytest.raises(ModelRateLimitedError):
                client.complete([], {}, 4)
        finally:
            process.terminate()


def test_without_a_model_the_rules_decide() -> None:
    decision = engine(None).advise(SESSION.session)
    assert (decision.origin.source, fault_of(decision)) == ("rules", None)
    assert decision.fields()["message"] == OWNERS_MESSAGE
