"""flask sessions and flask ask: the real command line on a real session file."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st

from testing.fake_groq import FakeGroq
from testing.gunicorn_server import ROOT, strict_json
from tests.integration.conftest import ADMIN_TOKEN, MakeApp
from tracker.app import create_app
from tracker.config import Config
from tracker.sessions.model import ANY_SESSION_ID, is_session_id

ANNA, BERT, CORA = "anna-0001", "bert-0002", "cora-0003"
NOON = 1_790_000_000_000
DAY = 86_400_000

ORIGINAL = {
    ANNA: {
        "session": ANNA,
        "itemsoncart": 2,
        "timeonpage": {"Product:/products/brass-lamp": 95_000, "Cart:/cart": 1_500},
        "events": {
            "Product:/products/brass-lamp": [
                {"type": "click", "ts": 1_712_345_680.25, "tag": "BUTTON", "id": "buy", "page": "/products/brass-lamp"},
                {"type": "view", "ts": 1_712_345_678.901},
            ],
            "Cart:/cart": [{"type": "view", "ts": 1_712_345_690}],
        },
    },
    BERT: {"session": BERT, "itemsoncart": 0, "timeonpage": {}, "events": {}},
}
"""As the original system left it: other names, times of events in seconds, no updatedAt, not in order."""


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "sessions.json"


def run(app: Flask, *arguments: str | Path, expect: int = 0, **more: Any) -> Result:
    result = app.test_cli_runner().invoke(args=list(map(str, arguments)), **more)
    assert result.exit_code == expect, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def facts(app: Flask, *arguments: str | Path, **more: Any) -> list[dict[str, Any]]:
    """Run with --json and give what every line of the output holds."""
    return [strict_json(line.encode()) for line in run(app, *arguments, "--json", **more).stdout.splitlines()]


def post(app: Flask, session: str, **more: Any) -> None:
    report = {"session": session, "itemsInCart": 2, "timeOnPage": {"/cart": 95_000}, **more}
    assert app.test_client().post("/ingest", json=report).status_code == 200


def shell(storage: Path, *arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run `flask ...` as the owner does, in a process of its own."""
    return subprocess.run(command(*arguments), env=environment(storage), cwd=ROOT, text=True, timeout=60, **more)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "flask", *map(str, arguments)]


def environment(storage: Path) -> dict[str, str]:
    return {**os.environ, "TRACKER_STORAGE_FILE": str(storage), "ALLOWED_ORIGINS": "https://shop.example"}


# --- Looking ---


def test_list_shows_the_session_updated_last_first(app: Flask) -> None:
    for name in (ANNA, BERT, CORA):
        post(app, name)
    post(app, ANNA, itemsInCart=3)

    lines = run(app, "sessions", "list").stdout.splitlines()

    assert lines[0].split() == ["session", "updated", "(UTC)", "cart", "pages", "events", "time"]
    assert [line.split()[0] for line in lines[1:]] == [ANNA, CORA, BERT]
    assert lines[1].split()[3:] == ["3", "1", "0", "95.0", "s"]
    assert [line["session"] for line in facts(app, "sessions", "list", "--limit", "2")] == [ANNA, CORA]


def test_list_says_how_many_sessions_it_leaves_out(app: Flask) -> None:
    for number in range(22):
        post(app, f"many-{number:04}")

    assert len(run(app, "sessions", "list").stdout.splitlines()) == 1 + 20 + 1
    assert run(app, "sessions", "list").stdout.endswith("\n2 more; --limit 22 shows all\n")
    for_machines = run(app, "sessions", "list", "--limit", "21", "--json")
    assert len(for_machines.stdout.splitlines()) == 21
    assert for_machines.stderr == "Note: 1 more; --limit 22 shows all\n"
    assert "more" not in run(app, "sessions", "list", "--limit", "22").stdout


def test_list_of_nothing_is_a_header_for_people_and_nothing_for_machines(app: Flask) -> None:
    assert len(run(app, "sessions", "list").stdout.splitlines()) == 1
    assert facts(app, "sessions", "list") == []


def test_show_tells_event_by_event(app: Flask) -> None:
    event = {"type": "click", "ts": NOON, "target": "#buy"}
    post(app, ANNA, events={"/cart": [event], "/": [{"type": "view", "ts": NOON - 1000}]})

    lines = run(app, "sessions", "show", ANNA).stdout.splitlines()
    (record,) = facts(app, "sessions", "show", ANNA)

    assert lines[0].startswith(f"session {ANNA}, updated ")
    assert lines[1:3] == ["items in cart: 2", "time on /cart: 95.0 s"]
    assert [line.split()[2:] for line in lines[3:]] == [["view", "/"], ["click", "/cart", '{"target":', '"#buy"}']]
    assert record["events"]["/cart"] == [event]


def test_ask_says_what_why_and_who_decided(app: Flask) -> None:
    post(app, ANNA)

    lines = run(app, "ask", ANNA).stdout.splitlines()
    (answer,) = facts(app, "ask", ANNA)

    assert lines[0] == "show: Would you like to see your cart again?"
    assert lines[1].startswith("because: 2 items in the cart and 95 s")
    assert lines[2] == "decided by: rules, confidence 0.70"
    assert answer["source"] == "rules"
    assert answer["fault"] is None
    assert answer == {**answer, **app.test_client().post("/askai", data=ANNA).json["decision"]}  # type: ignore[index]


def test_ask_shows_nothing_where_nothing_helps(app: Flask) -> None:
    post(app, ANNA, itemsInCart=0)

    assert run(app, "ask", ANNA).stdout.startswith("show nothing\nbecause: ")


def test_ask_says_how_the_model_failed(make_app: MakeApp) -> None:
    with FakeGroq("500") as groq:
        app = make_app(groq_api_key="gsk_not-to-be-shown", groq_base_url=groq.base_url)
        post(app, ANNA)

        result = run(app, "ask", ANNA)
        (answer,) = facts(app, "ask", ANNA)

    assert "decided by: rules, without the model (unreachable), confidence 0.70" in result.stdout
    assert answer["fault"] == "unreachable"
    assert "gsk_" not in result.output


def test_ask_takes_the_models_word(make_app: MakeApp) -> None:
    with FakeGroq("good") as groq:
        app = make_app(groq_api_key="gsk_key", groq_base_url=groq.base_url)
        post(app, ANNA)

        assert "decided by: groq, confidence 0.92" in run(app, "ask", ANNA).stdout


@pytest.mark.parametrize("arguments", [("sessions", "show"), ("sessions", "delete"), ("ask",)])
@pytest.mark.parametrize("machines", [(), ("--json",)])
def test_an_unknown_id_is_one_clear_line(app: Flask, arguments: tuple[str, ...], machines: tuple[str, ...]) -> None:
    result = run(app, *arguments, "nobody-0000", *machines, expect=1)

    assert result.stderr == "Error: No session nobody-0000 is stored; `flask sessions list` shows those that are.\n"
    assert result.stdout == ""


COMMANDS = ["list", "show", "export", "import", "delete", "prune", "repair", "compact"]


@pytest.mark.parametrize("arguments", [[], ["sessions"], ["ask"], *(["sessions", name] for name in COMMANDS)])
def test_every_command_has_help(app: Flask, arguments: list[str]) -> None:
    result = run(app, *arguments, "--help")

    assert result.stdout.startswith("Usage: ")
    # Its own words stand between the usage and the options.
    assert len(result.stdout.split("\n\n")[1].strip()) > 20
    assert "..." not in result.stdout.split("\n\n")[1]


# --- Moving ---


def outcome(new: int = 0, merged: int = 0, unchanged: int = 0) -> dict[str, Any]:
    """Return what an import of a faultless file prints with --json."""
    counts = {"new": new, "merged": merged, "unchanged": unchanged}
    return {"ok": True, "imported": new + merged, **counts, "leftOut": 0, "unread": 0}


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "tracker_storage.json"
    path.write_text(json.dumps(ORIGINAL, indent=2), "utf-8")
    return path


def test_a_file_of_the_original_system_is_taken_in(app: Flask, original: Path) -> None:
    assert run(app, "sessions", "import", original).stdout == "imported 2 sessions (2 new)\n"

    (anna,) = facts(app, "sessions", "show", ANNA)
    assert anna["itemsInCart"] == 2
    assert anna["timeOnPage"] == ORIGINAL[ANNA]["timeonpage"]
    assert anna["updatedAt"] == 1_712_345_690_000
    lamp = anna["events"]["Product:/products/brass-lamp"]
    assert [(event["type"], event["ts"]) for event in lamp] == [
        ("view", 1_712_345_678_901),
        ("click", 1_712_345_680_250),
    ]
    assert lamp[1] == {**lamp[1], "tag": "BUTTON", "id": "buy", "page": "/products/brass-lamp"}
    (bert,) = facts(app, "sessions", "show", BERT)
    assert bert["updatedAt"] == original.stat().st_mtime_ns // 1_000_000


@pytest.mark.parametrize("indent", [2, None])
def test_the_same_import_twice_adds_nothing(app: Flask, storage: Path, original: Path, indent: int | None) -> None:
    original.write_text(json.dumps(ORIGINAL, indent=indent), "utf-8")
    run(app, "sessions", "import", original)
    before = storage.read_bytes()

    assert run(app, "sessions", "import", original).stdout == "imported 0 sessions (2 unchanged)\n"
    assert facts(app, "sessions", "import", original) == [outcome(unchanged=2)]
    assert storage.read_bytes() == before


def test_an_imported_session_is_merged_with_the_stored_one(app: Flask, original: Path) -> None:
    post(app, ANNA, events={"Cart:/cart": [{"type": "click", "ts": NOON}]}, sentAt=NOON, itemsInCart=5)

    assert facts(app, "sessions", "import", original) == [outcome(new=1, merged=1)]

    (anna,) = facts(app, "sessions", "show", ANNA)
    assert anna["itemsInCart"] == 5, "the newer clock knows the cart best"
    assert [event["ts"] for event in anna["events"]["Cart:/cart"]] == [1_712_345_690_000, NOON]
    assert anna["timeOnPage"] == {**ORIGINAL[ANNA]["timeonpage"], "/cart": 95_000}  # type: ignore[dict-item]


def fill(app: Flask) -> None:
    """Store sessions that hold all that a record can: a note of envelopes, a horizon, odd texts."""
    post(
        app, ANNA, events={"/": [{"type": "view", "ts": NOON + n, "text": "Grüße \U0001f600 \u202e"} for n in range(9)]}
    )
    envelope = {"events": {"/": [{"type": "click", "ts": NOON / 1000}]}, "timeonpage": {"/": 700}, "itemsInCart": 1}
    for ts in (1, 2):
        body = {"reason": "interval", "ts": NOON / 1000 + ts, "session": BERT, "state": envelope}
        assert app.test_client().post("/events", json=body).status_code == 200
    post(app, CORA)


def test_what_is_exported_and_imported_is_the_same(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(max_session_events=5)
    fill(app)
    backup = tmp_path / "backup.ndjson"

    assert run(app, "sessions", "export", backup).stdout == "exported 3 sessions\n"
    other = make_app(storage_file=tmp_path / "other.json", max_session_events=5)
    run(other, "sessions", "import", backup)

    assert run(other, "sessions", "export").stdout == backup.read_text("utf-8")
    assert strict_json((tmp_path / "other.json").read_bytes()) == strict_json((tmp_path / "sessions.json").read_bytes())
    assert {"droppedEvents", "horizon"} <= facts(other, "sessions", "show", ANNA)[0]["merge"].keys()
    assert backup.stat().st_mode & 0o077 == 0, "it holds what shoppers did"


def test_a_session_file_of_ours_is_taken_in_with_its_deleted_lines(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app()
    fill(app)
    copy = tmp_path / "copy.json"
    whole = (tmp_path / "sessions.json").read_text("utf-8").removesuffix("\n}")
    copy.write_text(f'{whole},\n"{CORA}":null\n}}', "utf-8")

    other = make_app(storage_file=tmp_path / "other.json")

    assert facts(other, "sessions", "import", copy) == [outcome(new=2)]


def test_standard_input_is_a_file_too(app: Flask) -> None:
    line = '{"session":"anna-0001","itemsInCart":1,"timeOnPage":{},"events":{}}\n'

    assert facts(app, "sessions", "import", "-", input="\ufeff\n" + line) == [outcome(new=1)]


GOOD = '{"session":"good-0001","events":{}}'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"{GOOD}\n\n{{broken\n", "line 3: not JSON"),
        (f"{GOOD}\n[1, 2]\n", "line 2: no session"),
        (f'{GOOD}\n{{"events":{{}}}}\n', "line 2: `session` is no text"),
        (f'{GOOD}\n{{"session":17}}\n', "line 2: `session` is no text"),
        (f'{GOOD}\n{{"session":"deep-0001","x":{"[" * 200}{"]" * 200}}}\n', "line 2: it nests too deep"),
        (f'{GOOD}\n{{"session":"deep-0001","x":{"[" * 5000}{"]" * 5000}}}\n', "line 2: not JSON"),
        (f'{GOOD}\n{{"session":"nan-00001","itemsInCart":NaN}}\n', "line 2: not JSON"),
        ('{\n  "good-0001": {"session": "good-0001"},\n  "torn-0001": {"sess', "line 3: not JSON"),
        ('{"good-0001": {"session": "good-0001"}, "odd-00001": [1]}', "session odd-00001: no session"),
        ("this is a letter", "line 1: not JSON"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(app: Flask, tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / "mixed.ndjson"
    file.write_text(text, "utf-8")

    result = run(app, "sessions", "import", file, expect=1)

    assert result.stderr.startswith(f"Error: mixed.ndjson, {place}")
    assert result.stderr.endswith("; nothing was imported.\n")
    assert result.stderr.count("\n") == 1
    assert facts(app, "sessions", "list") == []


def test_bytes_that_are_no_text_are_named_as_well(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(GOOD.encode() + b'\n{"session":"\xff\xfe"}\n')

    assert "bytes, line 2: not JSON" in run(app, "sessions", "import", file, expect=1).stderr


UNUSABLE_IDS = [
    ":x",
    "",
    "short",
    "a" * 65,
    "a\u001b[31m-0001",
    'quo"te-0001',
    "back\\slash-01",
    "line\nbreak-01",
    "ünïcode-0001",
]


@pytest.mark.parametrize("session_id", UNUSABLE_IDS)
@pytest.mark.parametrize("is_one_object", [False, True])
def test_a_session_with_an_unusable_id_is_left_out_and_named_and_the_rest_imported(
    app: Flask, tmp_path: Path, session_id: str, is_one_object: bool
) -> None:
    file = tmp_path / "mixed.ndjson"
    records = [{"session": session_id, "events": {}}, {"session": "good-0001", "events": {}}]
    whole = [{one["session"]: one for one in records}] if is_one_object else records
    file.write_text("\n".join(map(json.dumps, whole)), "utf-8")

    result = run(app, "sessions", "import", file, expect=1)

    assert result.stderr.startswith("Note: mixed.ndjson, ")
    assert result.stderr.endswith(" is left out, for an id is 8 to 64 letters, digits, dots, dashes or underscores\n")
    assert result.stderr.count("\n") == 1
    assert json.dumps(session_id, ensure_ascii=False) in result.stderr
    assert result.stdout == "imported 1 session (1 new, 1 left out)\n"
    again = json.loads(run(app, "sessions", "import", file, "--json", expect=1).stdout)
    assert again == {**outcome(unchanged=1), "ok": False, "leftOut": 1}
    assert [line["session"] for line in facts(app, "sessions", "list")] == ["good-0001"]
    assert app.test_client().get("/health").status_code == 200


@given(st.dictionaries(st.text(max_size=70) | st.from_regex(ANY_SESSION_ID, fullmatch=True), st.just({}), max_size=5))
@example({":x": {}, "anna-0001": {}})
@settings(max_examples=25)
def test_every_imported_id_is_accepted_by_every_other_part(records: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Config(storage_file=Path(folder, "sessions.json"), admin_token=ADMIN_TOKEN))
        lines = "\n".join(json.dumps({"session": session_id}) for session_id in records)
        result = app.test_cli_runner().invoke(args=["sessions", "import", "-", "--json"], input=lines)
        (answer,) = map(json.loads, result.stdout.splitlines())
        kept = [line["session"] for line in facts(app, "sessions", "list")]

        assert answer["imported"] + answer["leftOut"] == len(records)
        assert len(kept) == answer["imported"]
        assert result.exit_code == (1 if answer["leftOut"] else 0)
        assert {one for one in records if is_session_id(one)} == set(kept)
        for session_id in kept:
            post(app, session_id)
            assert app.test_client().post("/askai", data=session_id).status_code == 200
            owner = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
            assert app.test_client().get(f"/sessions/{session_id}", headers=owner).status_code == 200
        whole = strict_json(Path(folder, "sessions.json").read_bytes()) if kept else {}
        assert set(whole) == set(kept)


def test_a_value_that_cannot_be_read_is_named(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    record = {"itemsoncart": "2", "timeonpage": {"/": "long"}, "events": {"/": [{"type": "view", "ts": "2026-09-21"}]}}
    file.write_text(json.dumps({ANNA: record}), "utf-8")

    result = run(app, "sessions", "import", file)

    assert result.stderr == f"Note: old.json, session {ANNA}: timeonpage./ cannot be read and counts as 0 or empty\n"
    assert result.stdout == "imported 1 session (1 new)\n"
    (anna,) = facts(app, "sessions", "show", ANNA)
    assert (anna["itemsInCart"], anna["events"]["/"][0]["ts"]) == (2, 1_789_948_800_000)


def test_only_the_first_notes_of_many_are_printed(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "odd.ndjson"
    file.write_text("\n".join(json.dumps({"session": f":{n}"}) for n in range(25)), "utf-8")

    lines = run(app, "sessions", "import", file, expect=1).stderr.splitlines()

    assert len(lines) == 11
    assert lines[-1] == "Note: and 15 more like the last one"


def test_an_imported_time_of_update_in_the_future_becomes_the_time_of_the_newest_event(
    app: Flask, tmp_path: Path
) -> None:
    file = tmp_path / "ahead.ndjson"
    record = {"session": ANNA, "updatedAt": 2_090_000_000_000, "events": {"/": [{"type": "view", "ts": NOON}]}}
    file.write_text(json.dumps(record), "utf-8")

    run(app, "sessions", "import", file)

    assert facts(app, "sessions", "list")[0]["updatedAt"] == NOON


ODD_RECORDS: list[dict[str, Any]] = [
    {"events": {"/": [{"ts": NOON}, {"type": 5, "ts": NOON}, {"type": ["x"], "ts": "y"}]}},
    {"events": {"/": [{"type": "view", "ts": NOON}]}, "merge": {}},
    {"itemsInCart": "2", "timeOnPage": [], "events": {"/": 1}, "updatedAt": "x", "merge": {"horizon": [1]}},
    {
        "itemsInCart": 1,
        "timeOnPage": {"/": 5},
        "events": {"/": [{"type": "b", "ts": 2}, {"type": "a", "ts": 1}]},
        "updatedAt": 5,
        "merge": {"cartClock": -1, "eventBytes": 10**9, "envelopes": [[1, "x"]]},
    },
    {"itemsInCart": -3, "timeOnPage": {"/": 1e300}, "events": {}, "updatedAt": 2**60},
    {"itemsInCart": 1, "timeOnPage": {}, "events": {}, "updatedAt": 1, "merge": {"envelopes": [1], "horizon": 5}},
    {"itemsInCart": True, "timeOnPage": {"/": None}, "events": {"/": [None, 1]}, "merge": []},
]


@pytest.mark.parametrize("record", ODD_RECORDS)
def test_an_odd_record_harms_nothing_that_comes_after_it(app: Flask, tmp_path: Path, record: dict[str, Any]) -> None:
    file = tmp_path / "odd.ndjson"
    file.write_text(json.dumps({"session": ANNA, **record}), "utf-8")

    run(app, "sessions", "import", file)
    run(app, "sessions", "import", file)

    run(app, "sessions", "list")
    run(app, "sessions", "show", ANNA)
    run(app, "ask", ANNA)
    post(app, ANNA, events={"/": [{"type": "view", "ts": NOON + 1}]})
    (after,) = facts(app, "sessions", "show", ANNA)
    stamps = [event["ts"] for event in after["events"]["/"]]
    assert stamps == sorted(stamps)
    assert stamps[-1] == NOON + 1
    assert len(stamps) == sum(isinstance(one, dict) for one in _events(record)) + 1, "no event is lost"


def _events(record: dict[str, Any]) -> list[Any]:
    return [one for listed in record["events"].values() if isinstance(listed, list) for one in listed]


def test_what_is_there_of_an_import_that_a_full_disk_ends_is_said(
    make_app: MakeApp, tmp_path: Path, original: Path
) -> None:
    app = make_app(storage_file=Path("/proc/nowhere/sessions.json"))

    result = run(app, "sessions", "import", original, expect=1)

    note, error = result.stderr.splitlines()
    assert note == "Note: 0 of 2 imported; import again to go on."
    assert error.startswith("Error: The sessions cannot be written")


@pytest.mark.parametrize("is_link", [False, True])
def test_an_export_writes_neither_into_a_part_file_nor_through_a_link_that_is_already_there(
    app: Flask, tmp_path: Path, is_link: bool
) -> None:
    post(app, ANNA)
    other = tmp_path / "other.txt"
    other.write_text("of another program", "utf-8")
    part = tmp_path / "backup.ndjson.part"
    part.symlink_to(other) if is_link else part.write_text("of another program", "utf-8")

    run(app, "sessions", "export", tmp_path / "backup.ndjson")

    assert other.read_text("utf-8") == part.read_text("utf-8") == "of another program"
    assert json.loads((tmp_path / "backup.ndjson").read_text("utf-8"))["session"] == ANNA
    assert len(list(tmp_path.glob("backup*"))) == 2


# --- Cleaning up ---


def test_delete_leaves_no_trace_in_the_file(app: Flask, storage: Path) -> None:
    post(app, ANNA)
    post(app, BERT)

    assert run(app, "sessions", "delete", ANNA).stdout == f"deleted {ANNA}\n"
    assert facts(app, "sessions", "delete", BERT) == [{"ok": True, "deleted": BERT}]
    assert ANNA.encode() not in storage.read_bytes()
    assert strict_json(storage.read_bytes()) == {}


def aged(app: Flask, tmp_path: Path, **ages_ms: int) -> None:
    now = time.time_ns() // 1_000_000
    lines = [json.dumps({"session": f"{name}-0001", "updatedAt": now - age}) for name, age in ages_ms.items()]
    (tmp_path / "aged.ndjson").write_text("\n".join(lines), "utf-8")
    run(app, "sessions", "import", tmp_path / "aged.ndjson")


@pytest.mark.parametrize(
    ("age", "left"),
    [
        ("30d", {"days-0001", "hours-0001", "fresh-0001"}),
        ("2d", {"hours-0001", "fresh-0001"}),
        ("48h", {"hours-0001", "fresh-0001"}),
        ("90m", {"fresh-0001"}),
        ("999999d", {"months-0001", "days-0001", "hours-0001", "fresh-0001"}),
    ],
)
def test_prune_deletes_what_is_older(app: Flask, tmp_path: Path, age: str, left: set[str]) -> None:
    aged(app, tmp_path, months=90 * DAY, days=3 * DAY, hours=3 * 3_600_000, fresh=0)

    gone = 4 - len(left)

    assert run(app, "sessions", "prune", "--older-than", age).stdout == (
        "deleted 1 session\n" if gone == 1 else f"deleted {gone} sessions\n"
    )
    assert {line["session"] for line in facts(app, "sessions", "list")} == left
    assert facts(app, "sessions", "prune", "--older-than", age) == [{"ok": True, "pruned": 0}]


def test_prune_reaches_a_session_whose_time_of_update_lies_in_the_future(app: Flask, storage: Path) -> None:
    in_2036, now = 2_090_000_000_000, time.time_ns() // 1_000_000
    long_ago, fresh = ({"/": [{"type": "view", "ts": now - age}]} for age in (40 * DAY, 60_000))
    lines = [
        f'"{name}":' + json.dumps({"session": name, "updatedAt": in_2036, "events": events})
        for name, events in ((ANNA, long_ago), (BERT, fresh), (CORA, {}))
    ]
    storage.write_text("{\n" + ",\n".join(lines) + "\n}", "utf-8")

    result = run(app, "sessions", "prune", "--older-than", "30d")

    assert result.stderr == "Note: corrected the time of update of 3 sessions: it was in the future\n"
    assert result.stdout == "deleted 1 session\n"
    left = {line["session"]: line["updatedAt"] for line in facts(app, "sessions", "list")}
    assert left.keys() == {BERT, CORA}
    assert left[BERT] == now - 60_000
    assert left[CORA] < now + DAY


@pytest.mark.parametrize("age", ["", "0d", "30", "d", "-3d", "3 d", "3w", "1.5d", "9999999d", "٣d"])
def test_prune_takes_no_age_that_could_mean_something_else(app: Flask, age: str) -> None:
    post(app, ANNA)

    result = run(app, "sessions", "prune", "--older-than", age, expect=2)

    assert "give a number and d, h or m, such as 30d" in result.stderr
    assert len(facts(app, "sessions", "list")) == 1


def test_prune_wants_an_age(app: Flask) -> None:
    assert "--older-than" in run(app, "sessions", "prune", expect=2).stderr


def test_repair_of_a_sound_file_changes_nothing(app: Flask, storage: Path) -> None:
    post(app, ANNA)
    before = storage.read_bytes()

    assert run(app, "sessions", "repair").stdout == "the file is sound: 1 session\n"
    assert facts(app, "sessions", "repair") == [{"ok": True, "sessions": 1, "kept": None}]
    assert storage.read_bytes() == before


@pytest.mark.parametrize("machines", [False, True])
def test_repair_saves_every_whole_session_and_keeps_the_damaged_file(
    make_app: MakeApp, storage: Path, machines: bool
) -> None:
    fill(make_app())
    damaged = storage.read_bytes().replace(b'\n"bert-0002":{', b'\n"bert-0002"{', 1)
    storage.write_bytes(damaged)
    app = make_app()

    refused = run(app, "sessions", "list", expect=1)
    assert "flask sessions repair" in refused.stderr
    assert refused.stderr.count("\n") == 1

    if machines:
        (repaired,) = facts(app, "sessions", "repair")
        kept = repaired["kept"]
        assert repaired["sessions"] == 3
    else:
        text = run(app, "sessions", "repair").stdout
        assert text.startswith("saved 3 sessions; the damaged file is kept as sessions.json.damaged-")
        kept = text.split()[-1]
    assert storage.with_name(kept).read_bytes() == damaged
    assert {line["session"] for line in facts(app, "sessions", "list")} == {ANNA, BERT, CORA}


def test_compact_shrinks_the_file_and_keeps_what_counts(app: Flask, storage: Path) -> None:
    for items in range(50):
        post(app, ANNA, itemsInCart=items, sentAt=items)
    large = storage.stat().st_size

    (done,) = facts(app, "sessions", "compact")

    assert done == {"ok": True, "before": large, "after": storage.stat().st_size}
    assert done["after"] < large / 10
    assert facts(app, "sessions", "show", ANNA)[0]["itemsInCart"] == 49
    assert run(app, "sessions", "compact").stdout == f"{done['after']:,} bytes before, {done['after']:,} after\n"


# --- Pipes, terminals and failures, in a process of its own ---


@pytest.fixture
def many(app: Flask, storage: Path, tmp_path: Path) -> Path:
    """A session file whose export is larger than any pipe holds."""
    event = {"type": "view", "ts": NOON, "text": "x" * 1000}
    lines = [json.dumps({"session": f"many-{n:04}", "events": {"/": [event]}}) for n in range(300)]
    (tmp_path / "many.ndjson").write_text("\n".join(lines), "utf-8")
    run(app, "sessions", "import", tmp_path / "many.ndjson")
    return storage


@pytest.mark.parametrize("arguments", [["list", "--limit", "300"], ["list", "--limit", "300", "--json"], ["export"]])
def test_a_reader_that_has_seen_enough_is_no_error(many: Path, arguments: list[str]) -> None:
    with subprocess.Popen(
        command("sessions", *arguments), env=environment(many), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (0, b"")


@pytest.mark.parametrize(
    "arguments",
    [["export"], ["import", "-"], ["import", "-", "--json"], ["prune", "--older-than", "9d"], ["compact"], ["list"]],
)
def test_nothing_but_the_answer_goes_into_a_pipe(many: Path, arguments: list[str]) -> None:
    done = shell(many, "sessions", *arguments, input=GOOD, capture_output=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert "\r" not in done.stdout
    assert "\x1b" not in done.stdout
    assert "%" not in done.stdout


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)


@pytest.mark.parametrize("machines", [[], ["--json"]])
def test_a_person_who_waits_sees_progress_on_standard_error(many: Path, machines: list[str]) -> None:
    with terminal() as (ours, theirs):
        done = subprocess.run(
            command("sessions", "compact", *machines),
            env=environment(many) | {"TERM": "xterm"},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=60,
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 4096):
                shown += piece

    assert done.returncode == 0
    assert (b"compacting" in shown and b"100%" in shown) == (not machines)
    assert b"compacting" not in done.stdout


def test_a_file_that_cannot_be_written_is_one_line_and_no_trace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    done = shell(tmp_path / "file" / "sessions.json", "sessions", "list", capture_output=True)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: The sessions cannot be written")
    assert "(Not a directory)" in done.stderr or "(File exists)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_export_that_cannot_be_written_leaves_nothing(app: Flask, tmp_path: Path) -> None:
    post(app, ANNA)

    result = run(app, "sessions", "export", tmp_path / "nowhere" / "x.ndjson", expect=1)

    assert result.stderr.endswith("cannot be written (No such file or directory).\n")
    assert result.stderr.count("\n") == 1


def test_an_export_that_is_interrupted_leaves_the_old_one(many: Path, tmp_path: Path) -> None:
    # The damaged last line makes the reading fail in the middle of the writing.
    backup = tmp_path / "backup.ndjson"
    backup.write_text("the old one", "utf-8")
    whole = many.read_bytes()
    many.write_bytes(whole.replace(b'"many-0005":{"session":"many-0005"', b'"many-0005":{"session":"many-0005', 1))

    done = shell(many, "sessions", "export", backup, capture_output=True)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert backup.read_text("utf-8") == "the old one"
    assert not list(tmp_path.glob("*.part"))


def test_what_the_service_did_with_the_file_is_said_in_plain_words(storage: Path) -> None:
    storage.write_text(json.dumps(ORIGINAL, indent=2), "utf-8")

    done = shell(storage, "sessions", "list", "--json", capture_output=True)

    assert len(done.stdout.splitlines()) == 2
    assert done.stderr.startswith("Note: converted the session file (2 sessions); the original is kept as ")
    assert done.stderr.count("\n") == 1


def test_a_stopped_writer_makes_a_command_wait_two_seconds_and_no_longer(app: Flask, storage: Path) -> None:
    post(app, ANNA)
    holding = "import fcntl,sys,time; f=open(sys.argv[1]); fcntl.flock(f, 2); print('held', flush=True); time.sleep(60)"
    lock = storage.with_name(storage.name + ".lock")
    with subprocess.Popen([sys.executable, "-c", holding, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        began = time.monotonic()
        result = run(app, "sessions", "delete", ANNA, expect=1)
        took = time.monotonic() - began
        holder.send_signal(signal.SIGKILL)

    assert result.stderr == "Error: Another process holds the sessions; try again in a moment.\n"
    assert took < 20, "2 s are promised, the rest is room for a busy machine; the writer holds on for 60 s"


HOSTILE = "\x1b]0;title\x07\x1b[31m\x9b2J\r\x08\x7f\u202e\u2028\u2066\ud83d"


def test_no_stored_text_steers_the_terminal(app: Flask, tmp_path: Path) -> None:
    record = {
        "session": ANNA,
        "timeOnPage": {f"/{HOSTILE}": 5},
        "events": {f"/{HOSTILE}": [{"type": HOSTILE, "ts": NOON, HOSTILE: HOSTILE}]},
        "further": HOSTILE,
    }
    text = json.dumps(record).replace("\\ud83d", "")
    (tmp_path / "hostile.ndjson").write_text(text, "utf-8")
    # Twice: through the import, and as another's hand could have put it into the file itself.
    by_hand = f'{{\n"by-hand-01":{json.dumps({**record, "session": "by-hand-01"}).replace(chr(92) + "ud83d", "")}\n}}'
    (tmp_path / "sessions.json").write_text(by_hand, "utf-8")
    run(app, "sessions", "import", tmp_path / "hostile.ndjson")

    for session in (ANNA, "by-hand-01"):
        for arguments in (
            ["sessions", "show", session],
            ["sessions", "list"],
            ["ask", session],
            ["sessions", "export"],
        ):
            for machines in [[], ["--json"]] if arguments[1] != "export" else [[]]:
                shown = run(app, *arguments, *machines).stdout
                assert [character for character in shown if not character.isprintable() and character != "\n"] == []
    assert HOSTILE[0] not in run(app, "ask", "\x1b[31mx", expect=1).stderr
    (by_hand_record,) = facts(app, "sessions", "show", "by-hand-01")
    assert by_hand_record["further"] == " ]0;title [31m 2J \u202e \u2066", "read clean, and nothing else taken out"
