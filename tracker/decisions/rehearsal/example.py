"""Example visits: the format of a visit's timeline and label, and reading files of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from typing import Any, Final, Literal, TypeAlias

Step: TypeAlias = tuple[Any, ...]
"""One step of a timeline: its name and, for most of them, one value."""

Show: TypeAlias = Literal[True, False, "either"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleVisit:
    """What one shopper does. This is all that the player and the engine get to see of an example."""

    id: str
    locale: str
    timeline: tuple[Step, ...]
    visit: int = 1
    """The number of this browser's visit."""
    device: str = "desktop"
    orders: int = 0
    """How many orders this browser has placed before."""
    price: int = 2500
    """What one item costs, in cents."""
    currency: str = "EUR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a person thinks that this shopper should see."""

    show: Show
    """True: a popup; False: none; `either`: both are fine, as long as the message is one of `picks`."""
    picks: tuple[str, ...] = ()
    """The ids of the messages that would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A visit with what people say about it."""

    visit: ExampleVisit
    why: str = ""
    """What the shopper is doing, in words."""
    label: Label | None = None
    sure: int = 4
    """How sure the label's writer is, from 1 to 5."""


class ExampleError(Exception):
    """A file of examples cannot be played. The message names the visit and the step."""


def read_examples(content: bytes) -> list[Example]:
    """Return the examples of a file's content. Raises ExampleError."""
    try:
        listed = json.loads(content)
    except UnicodeDecodeError:
        raise ExampleError("The file is not UTF-8: save it as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise ExampleError(f"The file is not JSON: {error.msg} in line {error.lineno}.") from None
    except RecursionError:
        raise ExampleError("The file is nested too deeply.") from None
    if isinstance(listed, dict) and isinstance(listed.get("cases"), list):
        listed = listed["cases"]
    if not isinstance(listed, list) or not listed:
        raise ExampleError("The file must hold a list of visits, each an object with id, locale and timeline.")
    found: list[Example] = []
    seen: set[str] = set()
    for number, raw in enumerate(listed, 1):
        example = _example(raw, number)
        if example.visit.id in seen:
            raise ExampleError(f'Visit {number}: the id "{example.visit.id}" is taken by a visit before it.')
        seen.add(example.visit.id)
        found.append(example)
    return found


def shipped_examples() -> list[Example]:
    """Return the example visits that come with the service."""
    return read_examples(files(__package__).joinpath("examples.json").read_bytes())


# --- A visit ----------------------------------------------------------------------------------------------------------

_DEVICES: Final = ("phone", "tablet", "desktop")


def _example(raw: object, number: int) -> Example:
    if not isinstance(raw, dict):
        raise ExampleError(f"Visit {number} is not an object with id, locale and timeline.")
    visit_id = raw.get("id")
    if not isinstance(visit_id, str) or not visit_id:
        raise ExampleError(f'Visit {number} has no id: give it one, such as "reads-shipping".')
    where = f'Visit "{visit_id}"'
    timeline = raw.get("timeline")
    if not isinstance(timeline, list) or not timeline:
        raise ExampleError(f'{where} has no timeline: a list of steps such as ["view", "/cart"].')
    visit = ExampleVisit(
        id=visit_id,
        locale=_value(
            raw, "locale", where, lambda value: isinstance(value, str) and bool(value), "a text such as en-GB"
        ),
        timeline=tuple(_step(step, f"{where}, step {place}") for place, step in enumerate(timeline, 1)),
        visit=_value(raw, "visit", where, lambda value: _is_count(value) and value > 0, "a whole number from 1", 1),
        device=_value(
            raw, "device", where, lambda value: value in _DEVICES, f"one of {', '.join(_DEVICES)}", "desktop"
        ),
        orders=_value(raw, "orders", where, _is_count, "a whole number", 0),
        price=_value(raw, "price", where, _is_count, "a whole number of cents", 2500),
        currency=_value(raw, "currency", where, lambda value: isinstance(value, str), "a text such as EUR", "EUR"),
    )
    if visit.timeline[0][0] not in {"view", "setcart"}:
        raise ExampleError(f'{where}, step 1: a visit begins with a page, ["view", PATH], or yesterday\'s cart.')
    return Example(
        visit=visit,
        why=_value(raw, "why", where, lambda value: isinstance(value, str), "a text", ""),
        label=None if raw.get("label") is None else _label(raw["label"], where),
        sure=_value(raw, "sure", where, lambda value: _is_count(value) and 1 <= value <= 5, "a number from 1 to 5", 4),
    )


_REQUIRED: Final = object()


def _value(
    raw: Mapping[str, Any],
    key: str,
    where: str,
    is_valid: Callable[[Any], bool],
    expected: str,
    default: object = _REQUIRED,
) -> Any:
    if key not in raw and default is not _REQUIRED:
        return default
    if not is_valid(raw.get(key)):
        raise ExampleError(f'{where}: "{key}" must be {expected}.')
    return raw[key]


def _label(raw: object, where: str) -> Label:
    match raw:
        case {"show": True | False | "either" as show, **more}:
            picks = more.get("picks", [])
        case _:
            raise ExampleError(f'{where}: the label\'s "show" must be true, false or "either".')
    if not isinstance(picks, list) or not all(isinstance(one, str) for one in picks):
        raise ExampleError(f'{where}: the label\'s "picks" must be a list of message ids.')
    if show is True and not picks:
        raise ExampleError(f'{where}: the label wants a popup, so its "picks" must name the messages that are right.')
    return Label(show=show, picks=tuple(picks))


# --- A step -----------------------------------------------------------------------------------------------------------


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= 1_000_000


def _is_time(value: object) -> bool:
    return type(value) in {int, float} and 0 <= value <= 86_400  # type: ignore[operator]


_FATES: Final = ("shown", "dismissed", "clicked")
_PIXEL: Final = ("checkout_started", "checkout_completed")
_STEPS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "view": (lambda value: isinstance(value, str) and value.startswith("/"), "a path that begins with /"),
    "stay": (_is_time, "seconds"),
    "wait": (_is_time, "seconds"),
    "click": (
        lambda value: isinstance(value, str) and bool(value),
        "the name of what is clicked, such as #add-to-cart",
    ),
    "scroll": (lambda value: _is_time(value) and value <= 100, "a depth from 0 to 100"),
    "add": (lambda value: _is_count(value) and value > 0, "a number of items from 1"),
    "remove": (lambda value: _is_count(value) and value > 0, "a number of items from 1"),
    "setcart": (_is_count, "a number of items"),
    "hide": (_is_time, "seconds"),
    "pixel": (lambda value: value in _PIXEL, " or ".join(_PIXEL)),
    "popup": (lambda value: value in _FATES, ", ".join(_FATES)),
}
"""Step -> (whether its value is valid, what it should be). Beside them: `["exit"]`, which has no value."""


def _step(raw: object, where: str) -> Step:
    if not isinstance(raw, list) or not raw or not isinstance(raw[0], str):
        raise ExampleError(f'{where} is not a list that begins with the name of a step, such as ["stay", 20].')
    name = raw[0]
    if name == "exit":
        if len(raw) != 1:
            raise ExampleError(f'{where}: "exit" has no value.')
        return (name,)
    if name not in _STEPS:
        close = get_close_matches(name, [*_STEPS, "exit"], 1)
        hint = f'Do you mean "{close[0]}"?' if close else f"There are {', '.join(_STEPS)} and exit."
        raise ExampleError(f'{where}: there is no step "{name}". {hint}')
    is_valid, expected = _STEPS[name]
    if len(raw) != 2 or not is_valid(raw[1]):
        raise ExampleError(f'{where}: "{name}" takes {expected}.')
    return (name, raw[1])
