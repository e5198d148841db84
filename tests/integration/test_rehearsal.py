"""Rehearsals through the real engine: what the example visits show, and that they always show the same."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from testing.advice import NOON, FreeBudget, ScriptedModel, example_shop
from testing.gunicorn_server import ROOT
from tests.integration.conftest import MakeApp
from tracker.decisions.decision import Shown
from tracker.decisions.engine import Engine
from tracker.decisions.log.session_log import DecisionLog
from tracker.decisions.rehearsal.example import Example, read_examples, shipped_examples
from tracker.decisions.rehearsal.player import HandClock
from tracker.decisions.rehearsal.stage import FixedShop, Played, Stage
from tracker.decisions.shop.shop import Shop
from tracker.storage.memory import MemoryStore

EXAMPLE_FILE = ROOT / "shop.example.toml"
VISIT = {
    "id": "reads-shipping",
    "locale": "en-GB",
    "timeline": [
        ["view", "/products/oak-tray"], ["stay", 30], ["add", 1], ["stay", 6], ["view", "/policies/shipping-policy"],
        ["scroll", 75], ["stay", 30], ["view", "/cart"], ["stay", 40],
    ],
}  # fmt: skip


def play(examples: Sequence[Example], shop: Shop | None = None, **options: Any) -> tuple[list[Played], MemoryStore]:
    clock, store = HandClock(NOON), MemoryStore()
    engine = Engine(store, FixedShop(shop or example_shop()), clock=clock, **options)
    stage = Stage(store, engine, clock)
    return [stage.play(example.visit) for example in examples], store


def seen(played: Sequence[Played]) -> dict[str, list[tuple[float, str, str]]]:
    return {one.visit.id: [(popup.at_s, popup.message_id, popup.language) for popup in one.drawn] for one in played}


@pytest.fixture(scope="module")
def shipped() -> tuple[list[Played], MemoryStore]:
    """The shipped visits, played by the example file without a model."""
    return play(shipped_examples())


# --- What shoppers see ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message_id", [message.id for message in example_shop().messages])
def test_every_message_of_the_example_file_appears_in_an_example_visit(
    message_id: str, shipped: tuple[list[Played], MemoryStore]
) -> None:
    assert message_id in {popup.message_id for one in shipped[0] for popup in one.drawn}


@pytest.mark.parametrize(
    "visit", ["just-looking", "straight-to-checkout", "looks-up-an-order", "speaks-another-language"]
)
def test_example_visits_that_need_no_popup_see_none(visit: str, shipped: tuple[list[Played], MemoryStore]) -> None:
    assert seen(shipped[0])[visit] == []


def test_german_shopper_reads_german(shipped: tuple[list[Played], MemoryStore]) -> None:
    drawn = [popup for one in shipped[0] if one.visit.locale == "de-DE" for popup in one.drawn]

    assert [popup.language for popup in drawn] == ["de"]


def test_a_message_is_said_once_a_visit(shipped: tuple[list[Played], MemoryStore]) -> None:
    for one in shipped[0]:
        said = [popup.message_id for popup in one.drawn]
        assert len(said) == len(set(said))


def test_every_question_reached_the_engine_and_its_store(shipped: tuple[list[Played], MemoryStore]) -> None:
    played, store = shipped

    for one in played:
        session = store.get(one.session)
        assert session is not None
        decided = [answer.decision for answer in one.answers if isinstance(answer.decision, Shown)]
        assert DecisionLog.of(session).shown == len(decided)


def test_a_model_is_asked_only_after_a_sign() -> None:
    model = ScriptedModel('{"show_popup": false, "pick": "none", "reason": "Quiet.", "confidence": 0.9, "delay_ms": 0}')
    quiet = [example for example in shipped_examples() if example.visit.id == "speaks-another-language"]
    play(quiet, model=model, budget=FreeBudget())
    assert model.calls == 0

    played, _store = play(shipped_examples(), model=model, budget=FreeBudget())
    assert 0 < model.calls < sum(one.asked for one in played)


# --- The same file decides the same visits the same way ---------------------------------------------------------------


def test_same_file_decides_the_same_visits_the_same_way_in_any_order() -> None:
    examples = shipped_examples()
    shuffled = random.Random(7).sample(examples, len(examples))
    first = seen(play(examples)[0])

    assert seen(play(examples)[0]) == first
    assert seen(play(shuffled)[0]) == first
    assert {name: found for example in examples for name, found in seen(play([example])[0]).items()} == first


def test_same_file_decides_the_same_visits_the_same_way_in_another_process() -> None:
    program = (
        "import json; from tests.integration.test_rehearsal import play, seen, shipped_examples;"
        "print(json.dumps(seen(play(shipped_examples())[0])))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert json.loads(printed[0]) == json.loads(printed[1]) == json.loads(json.dumps(seen(play(shipped_examples())[0])))


def test_a_label_changes_nothing_that_is_decided() -> None:
    labels: list[Any] = [None, {"show": True, "picks": ["chat"]}, {"show": False}]
    contents = [json.dumps([{**VISIT, "label": label} if label else VISIT]).encode() for label in labels]
    found = [seen(play(read_examples(content))[0]) for content in contents]

    assert found[0] == found[1] == found[2]
    assert found[0]["reads-shipping"]


# --- flask shop rehearse ----------------------------------------------------------------------------------------------


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(shop_file=EXAMPLE_FILE)


def run(app: Flask, *arguments: object, expect: int = 0) -> Result:
    result = app.test_cli_runner().invoke(args=["shop", "rehearse", *map(str, arguments)])
    assert result.exit_code == expect, result.output
    return result


def file_of(folder: Path, *visits: dict[str, Any]) -> Path:
    path = folder / "cases.json"
    path.write_text(json.dumps(visits), "utf-8")
    return path


def test_rehearse_tells_people_what_each_shopper_would_see_when_and_why(app: Flask) -> None:
    printed = run(app).stdout

    assert "reads-about-delivery: Puts a tray into the cart" in printed
    assert 'after 1 min 7 s: shipping, "Delivered in 2 to 4 working days' in printed
    assert "asked because nothing was touched for a while; The rule in line" in printed
    assert (
        "just-looking: Looks at pictures and goes on: nothing is in the way.\n  no popup after 3 questions" in printed
    )
    assert "13 visits, 9 with a popup;" in printed
    assert "In none of these visits" not in printed


def test_rehearse_prints_exactly_what_was_drawn_for_machines(app: Flask, tmp_path: Path) -> None:
    (line,) = run(app, file_of(tmp_path, VISIT), "--json").stdout.splitlines()

    found = json.loads(line)
    assert found == {
        "cases": [
            {
                "id": "reads-shipping",
                "drawn": [{"at_s": found["cases"][0]["drawn"][0]["at_s"], "message_id": "shipping", "language": "en"}],
                "asked": found["cases"][0]["asked"],
            }
        ]
    }
    assert found["cases"][0]["asked"] >= 1
    assert 45 < found["cases"][0]["drawn"][0]["at_s"] < 107


def test_rehearse_scores_labels_where_there_are_any(app: Flask, tmp_path: Path) -> None:
    right = {**VISIT, "label": {"show": True, "picks": ["shipping"]}}
    annoyed = {**VISIT, "id": "wants-quiet", "label": {"show": False, "picks": []}}
    path = file_of(tmp_path, right, annoyed)

    found = json.loads(run(app, path, "--json").stdout)
    assert found["score"] == {
        "right": 1, "wrong": 0, "missed": 0, "annoyed": 1, "wanted": 1, "unwanted": 1, "wrong_either": 0
    }  # fmt: skip
    printed = run(app, path).stdout
    assert "by its label: annoying: no popup is wanted" in printed
    assert "Of 1 visits that want a popup 1 get the right one (100%)" in printed


def test_rehearse_shows_what_a_changed_file_does(app: Flask, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.toml"
    first_rule = EXAMPLE_FILE.read_text("utf-8").index("[[rules]]")
    silent = EXAMPLE_FILE.read_text("utf-8")[:first_rule] + '[[rules]]\nwhen = { items = ">= 0" }\n'
    quiet.write_text(silent, "utf-8")

    found = json.loads(run(app, "--shop", quiet, "--json").stdout)
    assert all(one["drawn"] == [] for one in found["cases"])
    assert "In none of these visits: free-returns, shipping," in run(app, "--shop", quiet).stdout


def test_rehearse_stores_nothing(app: Flask, tmp_path: Path) -> None:
    run(app)

    assert app.test_cli_runner().invoke(args=["sessions", "list", "--json"]).stdout == ""


def test_rehearse_refuses_files_that_it_cannot_play_in_one_line(app: Flask, tmp_path: Path) -> None:
    path = file_of(tmp_path, {**VISIT, "timeline": [["view", "/"], ["dance", 1]]})
    assert 'cases.json: Visit "reads-shipping", step 2: there is no step "dance".' in run(app, path, expect=1).stderr
    assert "cannot be read" in run(app, tmp_path / "none.json", expect=1).stderr
    assert "does not exist" in run(app, "--shop", tmp_path / "none.toml", expect=1).stderr
    faulty = tmp_path / "shop.toml"
    faulty.write_text("name = ", "utf-8")
    assert "has faults, which `flask shop check" in run(app, "--shop", faulty, expect=1).stderr


def test_rehearse_without_an_owners_file_plays_with_the_built_in_help(make_app: MakeApp, tmp_path: Path) -> None:
    result = run(make_app(shop_file=tmp_path / "none.toml"), "--json")

    assert "popups only lead back to the cart" in result.stderr
    drawn = {popup["message_id"] for one in json.loads(result.stdout)["cases"] for popup in one["drawn"]}
    assert drawn <= {"help"}
