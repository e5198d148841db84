"""flask shop rehearse: what the shoppers of example visits would be shown, played through the real engine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from flask.cli import AppGroup

from tracker.cli.terminal import RefusedError, as_json, counted, json_line, note, plain_failures, progress_bar, say
from tracker.decisions.decision import Shown
from tracker.decisions.engine import Engine
from tracker.decisions.rehearsal.example import Example, ExampleError, read_examples, shipped_examples
from tracker.decisions.rehearsal.judging import Judged, Score, Verdict, judge, score
from tracker.decisions.rehearsal.player import HandClock
from tracker.decisions.rehearsal.stage import FixedShop, Played, Stage
from tracker.decisions.shop.faults import ShopFileError
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.shop import Shop
from tracker.storage.memory import MemoryStore

_WHY: Final = {
    "idle": "nothing was touched for a while",
    "cart": "the cart had changed",
    "exit": "the mouse left the window",
    "turn_away": "the shopper turned away from a page",
    "again": "the same thing was clicked again and again",
    "back": "the shopper came back to the tab",
}
_VERDICTS: Final[dict[Verdict, str]] = {
    "right": "right",
    "wrong": "wrong: another message is wanted",
    "missed": "missed: a popup is wanted",
    "annoyed": "annoying: no popup is wanted",
    "quiet": "right: no popup is wanted",
    "fine": "fine either way",
}


def add_rehearse(group: AppGroup, path: Path, engine: Engine) -> None:
    """Add the command to `flask shop`; the owner's file stands at `path` unless the command line names another."""

    @group.command("rehearse")
    @click.argument("cases", type=click.Path(dir_okay=False, path_type=Path), required=False, metavar="[CASES.json]")
    @click.option("--shop", "file", type=click.Path(dir_okay=False, path_type=Path), help="Default: TRACKER_SHOP_FILE.")
    @click.option("--ask", is_flag=True, help="Ask the model as well, which costs calls and tokens.")
    @as_json
    @plain_failures()
    def rehearse(cases: Path | None, file: Path | None, ask: bool, for_machines: bool) -> None:
        """Play example visits and print what each shopper would see, when, and why.

        The visits of CASES.json, or those that come with the service, are played through the engine at the moments at
        which the storefront script asks, by a clock that is moved by hand. Nothing is stored and nobody is shown
        anything. Labels in the file, which say what a shopper should see, are compared with what the shopper saw.
        """
        shop = _shop(file or path, must_exist=file is not None)
        examples = shipped_examples() if cases is None else _examples(cases)
        clock = HandClock(_noon_ms())
        store = MemoryStore()
        stage = Stage(store, engine.on_stage(store, FixedShop(shop), clock, ask=ask), clock)
        played: list[Played] = []
        with progress_bar("playing", hidden=for_machines) as progress:
            for number, example in enumerate(examples, 1):
                played.append(stage.play(example.visit))
                progress(number, len(examples))
        judged = [judge(example, one, shop) for example, one in zip(examples, played, strict=True) if example.label]
        if for_machines:
            click.echo(json_line(_record(played, judged)))
            return
        verdicts = {one.example.visit.id: one.verdict for one in judged}
        for example, one in zip(examples, played, strict=True):
            _tell_visit(example, one, verdicts.get(example.visit.id))
        _tell_all(played, judged, shop)


def _shop(path: Path, *, must_exist: bool) -> Shop:
    try:
        return parse_shop(path.read_bytes())
    except FileNotFoundError:
        if must_exist:
            raise RefusedError(f"{path} does not exist.") from None
        note(f"{path} does not exist: popups only lead back to the cart. To try the example: --shop shop.example.toml")
        return Shop()
    except OSError as error:
        raise RefusedError(f"{path} cannot be read ({error.strerror}).") from None
    except ShopFileError as error:
        raise RefusedError(f"{path} has faults, which `flask shop check {path}` lists: {error}") from None


def _examples(path: Path) -> list[Example]:
    try:
        return read_examples(path.read_bytes())
    except OSError as error:
        raise RefusedError(f"{path} cannot be read ({error.strerror}).") from None
    except ExampleError as error:
        raise RefusedError(f"{path}: {error}") from None


def _noon_ms() -> int:
    """Return noon of today: offers are those of today, and no visit runs into another day."""
    return round(datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0).timestamp() * 1000)


def _record(played: Sequence[Played], judged: Sequence[Judged]) -> dict[str, object]:
    cases = [
        {
            "id": one.visit.id,
            "drawn": [
                {"at_s": round(popup.at_s, 1), "message_id": popup.message_id, "language": popup.language}
                for popup in one.drawn
            ],
            "asked": one.asked,
        }
        for one in played
    ]
    return {"cases": cases, "score": score(judged).to_record()} if judged else {"cases": cases}


def _tell_visit(example: Example, played: Played, verdict: Verdict | None) -> None:
    say(f"{example.visit.id}: {example.why}" if example.why else example.visit.id)
    shown = {one.decision.message.id: one for one in played.answers if isinstance(one.decision, Shown)}
    for popup in played.drawn:
        answer = shown[popup.message_id]
        text = answer.decision.fields()["message"]
        say(f'  after {_span(popup.at_s)}: {popup.message_id}, "{text}"')
        say(f"    asked because {_WHY[answer.why]}; {answer.decision.reason}")
    if not played.drawn:
        say(
            f"  no popup after {counted(played.asked, 'question')}"
            if played.asked
            else "  no popup: the script never asks"
        )
        if played.answers:
            say(f"    the last answer: {played.answers[-1].decision.reason}")
    if verdict is not None:
        say(f"  by its label: {_VERDICTS[verdict]}")


def _tell_all(played: Sequence[Played], judged: Sequence[Judged], shop: Shop) -> None:
    asked = sum(one.asked for one in played)
    seen = {popup.message_id for one in played for popup in one.drawn}
    with_popup = sum(bool(one.drawn) for one in played)
    say("")
    say(f"{counted(len(played), 'visit')}, {with_popup} with a popup; {asked / len(played):.1f} questions a visit.")
    unseen = [message.id for message in shop.messages if message.id not in seen]
    if unseen:
        say(f"In none of these visits: {', '.join(unseen)}.")
    if judged:
        say(_told_score(score(judged)))


def _told_score(found: Score) -> str:
    wanted, unwanted = max(1, found.wanted), max(1, found.unwanted)
    return (
        f"Of {found.wanted} visits that want a popup {found.right} get the right one ({found.right / wanted:.0%}), "
        f"{found.wrong} a wrong one ({found.wrong / wanted:.0%}) and {found.missed} none; "
        f"of {found.unwanted} that want none {found.annoyed} get one ({found.annoyed / unwanted:.0%})."
    )


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
