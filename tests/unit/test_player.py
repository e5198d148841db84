"""The player of rehearsals: what it records and sends, when it asks, and when a popup is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tracker.decisions.rehearsal.example import ExampleVisit
from tracker.decisions.rehearsal.player import HandClock, Player, Popup
from tracker.decisions.visit.signals import Why
from tracker.sessions.model import Event, Report

BEGIN_MS = 1_790_000_000_000
CHAT = Popup(message_id="chat", language="en")


@dataclass
class Played:
    """What came of one visit: the player, the reports that it sent, and its questions as (seconds, why)."""

    player: Player
    reports: list[Report]
    asked: list[tuple[float, Why]]
    events: list[tuple[str, Event]] = field(default_factory=list)

    def types(self) -> list[str]:
        return [event["type"] for _page, event in self.events]


def play(*timeline: tuple[Any, ...], answer: Callable[[Why], Popup | None] = lambda why: None, **visit: Any) -> Played:
    clock = HandClock(BEGIN_MS)
    reports: list[Report] = []
    asked: list[tuple[float, Why]] = []

    def ask(session: str, why: Why) -> Popup | None:
        asked.append(((clock() - BEGIN_MS) / 1000, why))
        return answer(why)

    example = ExampleVisit(id="one", locale="en-GB", timeline=timeline, **visit)
    player = Player(visit=example, session="rehearsal-1", clock=clock, send=reports.append, ask=ask)
    player.play()
    events = [(page, event) for report in reports for page, listed in report.events.items() for event in listed]
    return Played(player, reports, asked, sorted(events, key=lambda one: one[1]["n"]))


def whys(played: Played) -> list[Why]:
    return [why for _at, why in played.asked]


# --- What is recorded -------------------------------------------------------------------------------------------------


def test_events_have_the_names_and_keys_of_the_storefront_script() -> None:
    played = play(
        ("view", "/products/a?utm_medium=email"), ("scroll", 60), ("add", 2), ("view", "/cart"), visit=3, device="phone"
    )

    assert played.types() == ["view", "scroll", "click", "add_to_cart", "view"]
    first, scroll, _click, added, last = (event for _page, event in played.events)
    assert {
        "visit": 3,
        "locale": "en-GB",
        "device": "phone",
        "campaign": "email",
        "from": "direct",
    }.items() <= first.items()
    assert scroll["depth"] == 50
    assert {"items": 2, "was": 0, "total": 5000, "currency": "EUR"}.items() <= added.items()
    assert last["from"] == "shop"
    assert [page for page, _event in played.events] == ["/products/a"] * 4 + ["/cart"]


@pytest.mark.parametrize(
    ("target", "follows"),
    [
        ("input[Size]", "option_flip"),
        ("button.quantity__button", "quantity_change"),
        ("#cart-icon-bubble", "cart_view"),
        ("button.drawer__close", None),
        ("summary.accordion__title", None),
    ],
)
def test_a_click_is_followed_by_the_change_that_it_makes(target: str, follows: str | None) -> None:
    played = play(("view", "/products/a"), ("click", target))

    assert played.types()[2:] == ([follows] if follows else [])


def test_cart_of_before_the_visit_is_no_event_and_is_reported() -> None:
    played = play(("setcart", 3), ("view", "/cart"))

    assert played.types() == ["view"]
    assert played.reports[-1].items_in_cart == 3


def test_time_in_the_background_is_recorded_as_absence_and_counted_for_no_page() -> None:
    played = play(("view", "/cart"), ("stay", 10), ("hide", 100), ("stay", 5))

    assert played.types() == ["view", "presence"]
    assert played.events[1][1]["hidden"] == 100
    assert 15_000 <= played.reports[-1].time_on_page["/cart"] < 17_000


def test_address_of_a_discount_leads_to_its_page_and_is_told_of() -> None:
    played = play(("view", "/discount/TEN?redirect=/collections/sale"))

    ((page, event),) = played.events
    assert page == "/collections/sale"
    assert event["discount"] is True


def test_every_event_is_sent_once_and_before_the_question() -> None:
    played = play(("setcart", 1), ("view", "/cart"), ("stay", 30), ("view", "/products/a"), ("stay", 30))

    numbers = [event["n"] for _page, event in played.events]
    assert numbers == sorted(set(numbers))
    assert len(played.reports) == len(played.asked) + 1


# --- When it asks -----------------------------------------------------------------------------------------------------


def test_stillness_is_a_moment_after_ten_twenty_and_sixty_seconds() -> None:
    played = play(("setcart", 1), ("view", "/products/a"), ("stay", 9), ("click", "input[Size]"), ("stay", 70))

    seconds = [round(at - 9.4) for at, _why in played.asked]
    assert seconds == [10, 22, 60]  # 12 s lie between two questions


def test_stillness_without_a_sign_is_no_moment() -> None:
    assert play(("view", "/"), ("stay", 30), ("view", "/products/a"), ("stay", 90)).asked == []


def test_no_question_before_fifteen_seconds() -> None:
    assert play(("setcart", 1), ("view", "/cart"), ("stay", 14)).asked == []


def test_first_stillness_after_a_change_of_the_cart_says_so() -> None:
    played = play(("view", "/products/a"), ("stay", 20), ("add", 1), ("stay", 30))

    assert whys(played) == ["cart", "idle"]


def test_exit_and_pressing_again_wait_for_no_gap() -> None:
    press = ("click", "#checkout")
    played = play(("setcart", 1), ("view", "/cart"), ("stay", 20), ("exit",), ("exit",), press, press, press, press)

    assert whys(played)[-3:] == ["exit", "exit", "again"]


@pytest.mark.parametrize("path", ["/policies/refund-policy", "/pages/faq", "/search", "/cart"])
def test_turning_away_from_a_page_with_answers_is_a_moment(path: str) -> None:
    played = play(
        ("view", "/"),
        ("stay", 6),
        ("view", path),
        ("scroll", 50),
        ("stay", 9),
        ("scroll", 75),
        ("stay", 8),
        ("view", "/"),
    )

    assert whys(played)[-1] == "turn_away"


def test_turning_away_after_a_glance_is_no_moment() -> None:
    assert play(("view", "/"), ("stay", 20), ("view", "/pages/faq"), ("stay", 8), ("view", "/")).asked == []


def test_coming_back_to_the_tab_is_a_moment() -> None:
    assert whys(play(("view", "/"), ("stay", 6), ("hide", 60))) == ["back"]


def test_nothing_is_asked_while_the_checkout_is_open() -> None:
    assert play(("view", "/cart"), ("pixel", "checkout_started"), ("stay", 300)).asked == []


def test_nothing_is_asked_before_a_popup_of_the_timeline_itself() -> None:
    played = play(("setcart", 1), ("view", "/cart"), ("stay", 90), ("popup", "shown"), ("stay", 12))

    assert len(played.asked) == 1


def test_at_most_twenty_questions_a_visit() -> None:
    steps = [step for _ in range(30) for step in (("exit",), ("stay", 2))]

    assert len(play(("setcart", 1), ("view", "/cart"), ("stay", 16), *steps).asked) == 20


# --- When a popup is drawn --------------------------------------------------------------------------------------------


def drawn_after(*timeline: tuple[Any, ...], delay_ms: int) -> list[str]:
    popup = Popup(message_id="chat", language="en", delay_ms=delay_ms)
    played = play(("setcart", 1), ("view", "/cart"), ("stay", 16), *timeline, answer=lambda why: popup)
    return [one.message_id for one in played.player.drawn]


def test_a_decided_popup_survives_the_page_turn() -> None:
    assert drawn_after(("view", "/products/a"), ("stay", 9), delay_ms=5000) == ["chat"]


def test_a_decided_popup_is_dropped_when_the_cart_changes() -> None:
    assert drawn_after(("remove", 1), ("stay", 9), delay_ms=5000) == []


def test_a_decided_popup_is_dropped_when_the_checkout_begins() -> None:
    assert drawn_after(("click", "#checkout"), ("pixel", "checkout_started"), ("stay", 60), delay_ms=5000) == []


def test_a_decided_popup_that_waited_too_long_in_the_background_is_dropped() -> None:
    assert drawn_after(("hide", 20), ("stay", 9), delay_ms=5000) == ["chat"]
    assert drawn_after(("hide", 60), delay_ms=5000) == []


def test_leaving_draws_a_decided_popup_at_once() -> None:
    popup = Popup(message_id="chat", language="en", delay_ms=9000)
    played = play(("setcart", 1), ("view", "/cart"), ("stay", 16), ("exit",), answer=lambda why: popup)

    assert [one.at_s < 17 for one in played.player.drawn] == [True]


def test_nothing_is_asked_for_two_minutes_after_a_popup() -> None:
    played = play(
        ("setcart", 1),
        ("view", "/cart"),
        ("stay", 16),
        ("exit",),
        ("stay", 100),
        ("exit",),
        ("stay", 20),
        ("exit",),
        answer=lambda why: CHAT,
    )

    assert len(played.asked) == 2
    assert "popup_shown" in played.types()
