"""The owner's pages in words and charts: nothing is said that the figures do not carry."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from markupsafe import Markup

from testing.advice import example_shop
from testing.made_up_figures import NOW_MS, STATES, TODAY
from tracker.decisions.shop.messages import Message
from tracker.decisions.shop.shop import Shop
from tracker.insights.report import Report, report
from tracker.owner import words
from tracker.owner.charts.bars import Bar, bars
from tracker.owner.charts.ranges import change_range, signed
from tracker.owner.charts.svg import steps
from tracker.owner.numbers.today import figures, hands, state
from tracker.owner.numbers.verdicts import told, waits


def made(name: str, days: int = 28) -> Report:
    return report(STATES[name](), example_shop(), TODAY, days, example=name == "example")


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STATES)
def test_every_state_has_an_answer_in_plain_words(name: str) -> None:
    found = told(made(name))
    text = " ".join([found.answer, found.rest, found.money, *found.more])

    assert found.answer.endswith(".")
    assert not re.search(r"(?i:session|holdout(?!_PERCENT)|browser|epoch|lift|variance|null)|None|nan", text)


@pytest.mark.parametrize("name", ["too-early", "broken", "off", "empty"])
def test_before_it_can_be_trusted_no_range_no_money_and_no_rate_is_shown(name: str) -> None:
    found = told(made(name))

    assert found.chart is None
    assert found.money == ""
    assert all(row.of_100 is None and row.orders is None for row in found.rows)


def test_a_verdict_shows_its_range_its_groups_and_what_it_is_worth() -> None:
    found = told(made("sells"))

    assert found.chart is not None
    assert [(row.shoppers, row.orders, row.of_100) for row in found.rows] == [
        (4310, 1336, "31.0"),
        (4268, 1129, "26.5"),
    ]
    assert found.money.startswith("In money: between +")
    assert found.chart.count("<svg") == 2
    assert 'aria-label="The change in orders lies between +' in found.chart


def test_how_long_an_answer_takes_falls_with_the_share() -> None:
    found = waits(made("undecided"))
    days = [int(re.sub(r"\D", "", time)) for _share, time in found]

    assert [share for share, _time in found] == [5, 10, 20, 30, 50]
    assert days == sorted(days, reverse=True)
    assert waits(made("empty")) == []
    assert waits(made("broken")) == []


# --- today ------------------------------------------------------------------------------------------------------------


def test_a_day_is_compared_with_a_day_and_today_with_none() -> None:
    full = made("off")
    busy = replace(full, days=(*full.days[:-1], replace(full.days[-1], visits=0)))

    assert figures(full)[0].compared == figures(busy)[0].compared
    assert "a day" in figures(full)[0].compared


def test_nothing_is_compared_with_days_before_the_first_visit() -> None:
    assert [one.compared for one in figures(made("nothing-today"))] == [""] * 4


def test_few_cases_are_told_as_numbers_and_not_as_percentages() -> None:
    full = made("off")
    few = replace(full, before=replace(full.before, visits=19))

    assert figures(few)[0].compared == "19 in the 28 days before"


def test_the_state_of_the_day_counts_what_there_is() -> None:
    assert state(made("empty")) == ("Nothing was heard of your shop yet.", "")
    assert state(made("nothing-today"))[0] == "No visit yet today."
    assert re.fullmatch(r"Today so far: \d+ visits, \d+ orders worth €[\d,]+\.", state(made("off"))[0])


@pytest.mark.parametrize(
    ("last", "told_as"),
    [
        (-25, "The offer “10% off.” ended 25 days ago."),
        (0, "The offer “10% off.” ends today."),
        (3, "The offer “10% off.” ends in 3 days."),
        (4, None),
    ],
)
def test_an_offer_that_ends_needs_a_hand(last: int, told_as: str | None) -> None:
    message = Message(id="sale", kind="offer", texts={"en": "10% off."}, last_day=TODAY + timedelta(days=last))
    shop = Shop(messages=(message,))
    found = hands(shop, TODAY, file_problem=None, last_heard_ms=NOW_MS, now_ms=NOW_MS)

    assert [one.text for one in found] == ([told_as] if told_as else [])


def test_silence_faults_and_notices_need_a_hand() -> None:
    silent = NOW_MS - 2 * 86_400_000
    found = hands(
        Shop(), TODAY, file_problem="Line 3.", last_heard_ms=silent, now_ms=NOW_MS, notices=["The model is used up."]
    )

    assert [one.text for one in found] == [
        "Line 3.",
        "Nothing was heard of your shop for 2 days.",
        "The model is used up.",
    ]


# --- charts and words -------------------------------------------------------------------------------------------------


def test_a_chart_without_any_value_is_drawn() -> None:
    drawn = bars([Bar(TODAY, 0)], "Orders")

    assert drawn.count("<svg") == 2
    assert "<rect" not in drawn


def test_what_stands_in_a_chart_is_escaped() -> None:
    assert bars([Bar(TODAY, 1)], '"><script>').count("<script>") == 0


@pytest.mark.parametrize(("low", "high"), [(-0.04, 0.31), (0.05, 0.26), (-9.0, 10.0), (-0.001, 0.001), (-0.5, -0.2)])
def test_a_range_lies_within_its_chart_and_shows_no_change(low: float, high: float) -> None:
    drawn = change_range(low, high, (low + high) / 2, "", "label")

    assert drawn.count(">no change<") == 2
    for width, part in zip((560, 340), drawn.split("</svg>"), strict=False):
        places = [float(value) for value in re.findall(r' (?:x|x1|x2|cx)="(-?[\d.]+)"', part)]
        assert places
        assert all(0 <= place <= width for place in places)


@pytest.mark.parametrize("most", [0, 1, 3, 7, 99, 1630, 24_000, 1_000_000])
def test_a_scale_reaches_the_largest_value_with_few_round_marks(most: int) -> None:
    marks = steps(most)

    assert marks[0] == 0
    assert marks[-1] >= most
    assert 2 <= len(marks) <= 6


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (840, "EUR", "€8.40"),
        (124_000, "USD", "$1,240"),
        (-95_00, "CHF", "\N{MINUS SIGN}CHF 95"),
        (1000, "JPY", "¥1,000"),
        (0, "EUR", "€0"),
    ],
)
def test_money_is_written_as_people_say_it(minor: int, currency: str, text: str) -> None:
    assert words.money(minor, currency) == text


def test_times_are_those_of_the_shop() -> None:
    assert words.clock(NOW_MS, UTC) == "14:05"
    assert words.long_day(TODAY) == "Thursday, 26 November"
    assert [words.ago(NOW_MS - ms, NOW_MS) for ms in (0, 59_000, 120_000, 7_200_000, 86_400_000 * 3, -5)] == [
        "just now",
        "59 seconds ago",
        "2 minutes ago",
        "2 hours ago",
        "3 days ago",
        "just now",
    ]


def test_code_in_a_text_is_marked_and_nothing_else_becomes_markup() -> None:
    assert words.with_code("Set `A` <b>") == Markup("Set <code>A</code> &lt;b&gt;")
    assert signed(-0.04) == "\N{MINUS SIGN}4\N{NO-BREAK SPACE}%"
