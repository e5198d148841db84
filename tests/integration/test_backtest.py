"""The backtest: each stored decision is judged at its own moment, and nothing changes where nothing was changed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from learning.playing import labelled_visits, shop_of_the_visits
from testing.advice import NOON, FreeBudget, ScriptedModel
from tracker.decisions.browser_memory import NO_MEMORY, BrowserMemory, SeenMessage
from tracker.decisions.decision import Shown
from tracker.decisions.engine import Engine
from tracker.decisions.holdout.epoch import Epoch
from tracker.decisions.holdout.epochs import FixedEpoch
from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.rehearsal.example import ExampleVisit
from tracker.decisions.rehearsal.player import HandClock, Player, Popup
from tracker.decisions.rehearsal.stage import FixedShop
from tracker.decisions.review.backtest import Comparison, backtest
from tracker.decisions.shop.shop import FrequencyCaps, Shop
from tracker.decisions.visit.signals import Why
from tracker.sessions.merge import SessionLimits, merge
from tracker.sessions.model import Report
from tracker.storage.memory import MemoryStore

LIMITS = SessionLimits(events=5_000, pages=200, event_bytes=2 << 20)
SHOP = shop_of_the_visits()
GENEROUS = replace(SHOP, caps=FrequencyCaps(popups_per_session=9, minutes_between=0), discretion="eager")


class Past:
    """Visits that were played and decided about, in a store, and an engine to decide anew with."""

    def __init__(
        self, shop: Shop = SHOP, *, skew_ms: int = 0, memory: BrowserMemory | None = None, **options: Any
    ) -> None:
        """`skew_ms`: how far the shoppers' clocks are behind the service's."""
        self.store, self.clock, self._memory, self._options = MemoryStore(), HandClock(NOON), memory, options
        self._service: Callable[[], int] = lambda: self.clock() + skew_ms
        self._engine = Engine(self.store, FixedShop(shop), clock=self._service, **options)

    def play(self, visits: Iterable[ExampleVisit]) -> Past:
        for number, visit in enumerate(visits):
            self.clock.now_ms = NOON + number * 1000
            Player(visit=visit, session=f"visit-{number:06}", clock=self.clock, send=self._send, ask=self._ask).play()
        return self

    def _send(self, report: Report) -> None:
        now = self._service()
        self.store.update(report.session, lambda stored: merge(stored, report.bounded(now), LIMITS, now))

    def _ask(self, session: str, why: Why) -> Popup | None:
        decision = self._engine.advise(session, why, self._memory or NO_MEMORY)
        if not isinstance(decision, Shown):
            return None
        return Popup(message_id=decision.message.id, language=decision.language, delay_ms=decision.delay_ms)

    def compared(self, shop: Shop = SHOP, *, ask: bool = False, **options: Any) -> list[Comparison]:
        """Return the backtest by this shop's file; the engine's other parts are those of then unless given."""
        self.clock.now_ms = NOON + 10 * 86_400_000
        engine = Engine(self.store, FixedShop(shop), clock=self._service, **(self._options | options))
        return [one for session in self.store.iterate() for one in backtest(engine, session, ask=ask)]

    def logged(self) -> int:
        return sum(len(DecisionLog.of(session).records) for session in self.store.iterate())


def labelled(count: int) -> list[ExampleVisit]:
    examples = labelled_visits()
    return [example.visit for example in examples[:: len(examples) // count]]


def invented(count: int, seed: int = 3) -> Iterator[ExampleVisit]:
    """Yield long visits of random steps."""
    chance = random.Random(seed)
    pages = [
        "/",
        "/cart",
        "/products/a",
        "/products/b",
        "/policies/shipping-policy",
        "/pages/faq",
        "/search",
        "/collections/sale",
    ]
    targets = ["input[Size]", "#checkout", "button.quantity__button", "summary.accordion__title", "input[discount]"]
    steps: list[Callable[[], tuple[Any, ...]]] = [
        lambda: ("view", chance.choice(pages)),
        lambda: ("stay", chance.randint(1, 70)),
        lambda: ("click", chance.choice(targets)),
        lambda: ("add", chance.randint(1, 3)),
        lambda: ("remove", 1),
        lambda: ("exit",),
        lambda: ("hide", chance.randint(2, 400)),
        lambda: ("scroll", chance.randint(10, 100)),
    ]
    for number in range(count):
        timeline = [("view", "/"), *(chance.choices(steps, [5, 6, 3, 1, 1, 1, 1, 2])[0]() for _ in range(50))]
        yield ExampleVisit(id=str(number), locale=chance.choice(["en-GB", "de-DE", "pl-PL"]), timeline=tuple(timeline))


# --- Nothing was changed ----------------------------------------------------------------------------------------------


def test_nothing_changes_over_all_labelled_visits_where_nothing_was_changed() -> None:
    past = Past().play(labelled(322))
    found = past.compared()

    assert len(found) == past.logged() > 400
    assert [one for one in found if one.changed or one.now is None] == []
    assert [one for one in found if one.now is not None and one.before != one.now] == []


@pytest.mark.parametrize("skew_ms", [0, 600_000, -600_000])
def test_nothing_changes_over_long_visits_with_many_popups_whatever_the_shoppers_clocks_say(skew_ms: int) -> None:
    past = Past(GENEROUS, skew_ms=skew_ms).play(invented(25))
    found = past.compared(GENEROUS)

    assert sum(one.before.show for one in found) > 10
    assert [one for one in found if one.changed] == []
    assert [one for one in found if one.now is None] == []


def test_nothing_changes_with_a_holdout_and_a_browser_that_remembers() -> None:
    memory = BrowserMemory(seen=(SeenMessage("chat", 1, 1, 1), SeenMessage("shipping", 9, 0, None)))
    held = FixedEpoch(Epoch(id="one", percent=30.0, begun_ms=0))
    past = Past(memory=memory, epochs=held).play(labelled(80))
    found = past.compared()

    assert "holdout" in {one.before.trigger for one in found}
    assert [one for one in found if one.changed] == []


def test_choices_of_a_model_are_checked_by_todays_file_without_asking_it() -> None:
    def says(request: dict[str, Any]) -> str:
        return json.dumps({"show_popup": True, "pick": "chat", "reason": "Help.", "confidence": 0.9, "delay_ms": 0})

    model = ScriptedModel(says)
    past = Past(model=model, budget=FreeBudget()).play(labelled(60))
    calls = model.calls
    found = past.compared()
    assert [one for one in found if one.changed] == []
    assert model.calls == calls > 0

    without_chat = replace(SHOP, messages=tuple(one for one in SHOP.messages if one.id != "chat"))
    changed = [one for one in past.compared(without_chat) if one.changed]
    assert {one.before.pick for one in changed} == {"chat"}
    assert model.calls == calls
    past.compared(ask=True)
    assert model.calls > calls


# --- Something was changed --------------------------------------------------------------------------------------------


def test_a_changed_file_changes_the_decisions_that_it_concerns() -> None:
    past = Past().play(labelled(322))
    without = replace(SHOP, messages=tuple(one for one in SHOP.messages if one.id != "free-returns"))
    changed = [one for one in past.compared(without) if one.changed]

    assert changed
    assert {one.before.pick for one in changed} == {"free-returns"}

    more = [one for one in past.compared(replace(SHOP, discretion="eager")) if one.changed]
    assert {one.before.show for one in more} == {False}
    assert all(one.now is not None and one.now.show for one in more)


def test_what_was_never_asked_is_not_counted() -> None:
    visit = ExampleVisit(id="quiet", locale="en", timeline=(("view", "/"), ("stay", 300)))

    assert Past().play([visit]).compared() == []


def test_events_that_arrived_after_the_question_make_its_decision_unjudgeable() -> None:
    past = Past().play(labelled(40))
    late = next(session for session in past.store.iterate() if DecisionLog.of(session).records)
    moment = min(event["ts"] for _page, event in late.all_events())
    report = Report(session=late.session, events={"/": [{"type": "scroll", "ts": moment, "depth": 25}]})
    past.store.update(late.session, lambda stored: merge(stored, report, LIMITS, late.updated_at))

    assert {one.session for one in past.compared() if one.now is None} == {late.session}


def test_backtest_writes_nothing() -> None:
    past = Past().play(labelled(40))
    writes = past.store.writes
    past.compared()

    assert past.store.writes == writes
