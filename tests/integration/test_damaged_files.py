"""Whatever the session file holds, no byte of it is destroyed, and what is whole can be had again (D3)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from testing.shoppers import NOON, adds, beside, names, session
from tracker.sessions.store import StoreDamagedError
from tracker.storage.json_file import JsonFileStore

EVERYONE = [f"shopper-{number}" for number in range(6)]


def our_file(path: Path) -> bytes:
    """Make a file as the service leaves it, with sessions that stand on several lines."""
    store = JsonFileStore(path)
    for number, who in enumerate([*EVERYONE, *EVERYONE[:3]]):
        store.update(who, adds(who, f"event-{number}", NOON + number))
    store.close()
    return path.read_bytes()


def original_file() -> str:
    """Return a file as the original system writes it."""
    return json.dumps(
        {
            who: {
                "session": who,
                "itemsoncart": number,
                "timeonpage": {"/": 1500 * number, "/cart": 20.5},
                "events": {
                    "Product:/products/x": [
                        {"type": "click", "ts": 1_700_000_000.25 + number, "name": f"event-{number}", "tag": "BUTTON"},
                        {"type": "click", "ts": 1_700_000_000_250 + number, "text": "Größe 🧦"},
                    ]
                },
            }
            for number, who in enumerate(EVERYONE)
        },
        indent=2,
    )


def is_kept(original: bytes, path: Path) -> bool:
    """Return whether every byte still stands in the file or in quarantine (a cut tail stands apart from its file)."""
    files = [other.read_bytes() for other in path.parent.iterdir() if other.is_file()]
    if any(original in content for content in files):
        return True
    now = path.read_bytes().removesuffix(b"\n}")
    # What is no more than the foot, or a part of it, holds nothing.
    tails = [b"", *(content for content in files)]
    return any(
        now.startswith(original.removesuffix(tail)) for tail in tails if original.endswith(tail)
    ) or now.startswith(original.rstrip(b"\n}, "))


def stored(path: Path) -> dict[str, dict[str, int]]:
    store = JsonFileStore(path)
    try:
        return {one.session: dict(names(one)) for one in store.iterate()}
    finally:
        store.close()


def refuses(path: Path, line: int | None = None) -> None:
    """Hold that the store says no, says where, and touches nothing, however often it is asked."""
    before = path.read_bytes()
    store = JsonFileStore(path)
    for _ in range(2):
        with pytest.raises(StoreDamagedError, match=f"line {line}\\." if line else None):
            store.update("someone-1", adds("someone-1", "new"))
        with pytest.raises(StoreDamagedError):
            store.delete(EVERYONE[0])
        with pytest.raises(StoreDamagedError):
            store.prune(NOON * 2)
        with pytest.raises(StoreDamagedError):
            store.compact()
        problem = store.check().problem
        assert problem is not None
        assert "flask sessions repair" in problem
        assert str(path.parent) not in problem
    store.close()
    assert path.read_bytes() == before
    assert beside(path) == set()


def repair(path: Path) -> dict[str, dict[str, int]]:
    """Repair, hold that all bytes are kept and that the store works again; give what was saved."""
    before = path.read_bytes()
    store = JsonFileStore(path)
    repaired = store.repair()
    assert repaired.kept_as is not None
    assert (path.parent / repaired.kept_as).read_bytes() == before
    saved = stored(path)
    assert len(saved) == repaired.sessions
    assert store.repair().kept_as is None
    store.update("someone-1", adds("someone-1", "new"))
    store.close()
    assert json.loads(path.read_bytes()).keys() == saved.keys() | {"someone-1"}
    return saved


# --- cut ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(64))
def test_a_file_cut_anywhere_keeps_its_whole_lines(tmp_path: Path, place: int) -> None:
    path = tmp_path / "sessions.json"
    whole = our_file(path)
    cut = whole[: Random(place).randrange(len(whole)) if place > 6 else len(whole) - place]
    path.write_bytes(cut)
    expected = {}
    for line in cut.split(b"\n"):
        try:
            for who, record in json.loads(b"{" + line.removesuffix(b",") + b"}").items():
                expected[who] = {event["name"]: 1 for page in record["events"].values() for event in page}
        except ValueError:
            continue
    assert stored(path) == expected
    assert is_kept(cut, path)
    store = JsonFileStore(path)
    store.update("someone-1", adds("someone-1", "new"))
    store.close()
    assert json.loads(path.read_bytes()).keys() == expected.keys() | {"someone-1"}
    assert is_kept(cut, path)
    assert len(beside(path)) <= 1


@pytest.mark.parametrize("place", range(16))
def test_a_cut_file_of_the_original_system_is_kept_and_its_whole_sessions_can_be_saved(
    tmp_path: Path, place: int
) -> None:
    path = tmp_path / "sessions.json"
    whole = original_file().encode()
    cut = whole[: 20 + Random(place).randrange(len(whole) - 21)]
    path.write_bytes(cut)
    refuses(path)
    saved = repair(path)
    begun = sum(f'"session": "{who}"'.encode() in cut for who in EVERYONE)
    assert begun - 1 <= len(saved) <= begun
    assert all(saved[who] == {f"event-{number}": 1} for number, who in enumerate(EVERYONE) if who in saved)


# --- nothing that can be read -----------------------------------------------------------------------------------------


NOTHING = [b"", b"{", b"{}", b"{ }\n", b"{\n", b"{\n}", b"{\n}\n", b"{\r\n}\r\n", b" ", b"\n\n", b" \t\r\n" * 50]


@pytest.mark.parametrize("content", NOTHING)
def test_a_file_that_is_empty_or_white_space_is_an_empty_store(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sessions.json"
    path.write_bytes(content)
    assert stored(path) == {}
    store = JsonFileStore(path)
    store.update("someone-1", adds("someone-1", "new"))
    store.close()
    assert json.loads(path.read_bytes()).keys() == {"someone-1"}
    assert beside(path) == set()


NO_SESSION_FILES: dict[str, bytes] = {
    "NUL bytes": b"\0" * 5000,
    "a list": b"[]",
    "a list of sessions": b'[{"session":"shopper-1","events":{}}]',
    "a number": b"1",
    "null": b"null",
    "text": b"Dear diary, today a shopper came.\n",
    "a page": b"<!doctype html>\n<title>502 Bad Gateway</title>\n",
    "settings": b'{"name": "shop", "version": 3}',
    "settings on lines": b'{\n  "name": "shop",\n  "limits": {"a": 1}\n}\n',
    "objects on lines": b'{\n"left-pad":{"version":"1.0.0"}\n}\n',
    "not UTF-8": b'{\n"shopper-1":{"session":"shopper-1","events":{"\xff\xfe":[]}}\n}',
    "950 levels": b'{"shopper-1":' + b'{"events":' * 950 + b"{}" + b"}" * 951,
    "950 levels in a session": b'{"shopper-1":{"session":"shopper-1","deep":' + b"[" * 950 + b"]" * 950 + b"}}",
    "950 levels in an event": b'{"shopper-1":{"events":{"/":[{"type":"x","ts":1,"deep":'
    + b"[" * 950
    + b"]" * 950
    + b"}]}}}",
    "20,000 levels": b"{" + b'"a":{' * 20_000,
    "a key twice and torn": b'{"a": 1, "a',
    "one line, torn": b'{"shopper-1":{"session":"shopper-1","events":{}},"shopper-2":{"sess',
}


@pytest.mark.parametrize("content", NO_SESSION_FILES.values(), ids=NO_SESSION_FILES)
def test_a_file_that_is_no_session_file_is_never_written_to(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sessions.json"
    path.write_bytes(content)
    if b"left-pad" in content:
        # One object a line is the service's own layout: it opens, and nothing of it goes.
        assert stored(path) == {"left-pad": {}}
        assert is_kept(content, path)
        return
    refuses(path)
    repair(path)


def test_a_folder_at_the_path_of_the_file_is_a_store_error_and_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    (path / "inside").mkdir(parents=True)
    assert JsonFileStore(path).check().problem is not None
    assert (path / "inside").is_dir()


# --- damage in the middle ---------------------------------------------------------------------------------------------


def test_two_documents_in_one_file_are_refused_and_repair_saves_both(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    one = our_file(path)
    other = one.replace(b"shopper-", b"visitor-")
    for content in (one + b"\n" + other, one + other, one + b"\n\n" + other + b"\n"):
        path.write_bytes(content)
        refuses(path, line=len(one.splitlines()))
        assert repair(path).keys() == {*EVERYONE, *(who.replace("shopper", "visitor") for who in EVERYONE)}
        for name in beside(path):
            (tmp_path / name).unlink()


@pytest.mark.parametrize("number", range(64))
def test_a_flipped_bit_is_not_taken_for_a_torn_line_and_harms_no_other_session(tmp_path: Path, number: int) -> None:
    path = tmp_path / "sessions.json"
    whole = our_file(path)
    chance = Random(number)
    last_line = whole.rindex(b",\n")
    place = 0 if number == 0 else chance.randrange(last_line)
    hit = bytearray(whole)
    hit[place] ^= 1 << chance.randrange(8)
    path.write_bytes(hit)
    before = {
        who: {event["name"] for page in record["events"].values() for event in page}
        for who, record in json.loads(whole).items()
    }
    hit_line = whole.count(b"\n", 0, place) + 1
    try:
        found = stored(path)
    except StoreDamagedError:
        refuses(path)
        found = repair(path)
    assert is_kept(bytes(hit), path)
    line_of = {line.partition(b'"')[2].partition(b'"')[0].decode(): at for at, line in enumerate(whole.split(b"\n"), 1)}
    for who, at in line_of.items():
        # A break of line that is hit takes the line before or behind it along.
        if who and not at - 1 <= hit_line <= at:
            assert found[who].keys() == before[who]


def overwrite(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        file.write(content)


def test_a_running_store_notices_that_a_line_changed_under_it(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    whole = our_file(path)
    store = JsonFileStore(path)
    assert names(store.get(EVERYONE[5])) == {"event-5": 1}
    overwrite(path, whole.replace(b'"shopper-5":{', b'"shopper-5":x'))
    with pytest.raises(StoreDamagedError):
        store.get(EVERYONE[5])
    with pytest.raises(StoreDamagedError):
        store.update(EVERYONE[5], adds(EVERYONE[5], "new"))
    overwrite(path, whole)
    assert names(store.get(EVERYONE[5])) == {"event-5": 1}
    store.close()


def test_a_running_store_reads_a_file_anew_that_another_put_in_its_place(tmp_path: Path) -> None:
    path, restored = tmp_path / "sessions.json", tmp_path / "elsewhere" / "sessions.json"
    our_file(path)
    store = JsonFileStore(path)
    assert len(list(store.iterate())) == 6
    restored.parent.mkdir()
    backup = JsonFileStore(restored)
    backup.update("restored-1", adds("restored-1", "kept"))
    backup.close()
    restored.rename(path)
    assert [one.session for one in store.iterate()] == ["restored-1"]
    path.unlink()
    assert list(store.iterate()) == []
    store.update("someone-1", adds("someone-1", "new"))
    store.close()
    assert stored(path) == {"someone-1": {"new": 1}}


# --- any bytes --------------------------------------------------------------------------------------------------------

pieces = st.sampled_from(
    [
        b"{", b"}", b"\n}", b",\n", b"\n", b"\0" * 7, b" ", b'"', b":", b"null", b"[]", b"\xef\xbb\xbf", b"\xff",
        b'"shopper-1":{"session":"shopper-1","updatedAt":5,"itemsInCart":1,"timeOnPage":{},"events":{},"merge":{}}',
        b'"shopper-2":{"session":"shopper-2","updatedAt":6,"events":{"/":[{"type":"x","ts":1}]}}',
        b'":x":{"session":":x","events":{}}', b'"shopper-1":null', b'  "shopper-3": {\n    "events": {}\n  }',
        b'"":{"events":{}}', b'"a\\"b":{"events":{}}', b'"\\ud800":{"events":{}}', b'"n":{"updatedAt":1e400}',
    ]
)  # fmt: skip
any_bytes = (
    st.binary(max_size=60)
    | st.lists(pieces, max_size=9).map(b"".join)
    | st.lists(pieces, max_size=5).map(lambda some: b"{\n" + b",\n".join(some) + b"\n}")
    | st.lists(pieces, max_size=5).map(lambda some: b"{\n" + b",\n".join(some) + b"\n}" + b"\0" * 512)
    | st.lists(pieces, max_size=5).map(
        lambda some: (b"{" + b",".join(some) + b"}").decode("latin-1").encode("utf-16-le")
    )
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_bytes)
@example(b'{\n"anna-0001":{"session":"anna-0001","events":{}},\n":x":{"session":":x","events":{}}\n}')
@example(b'{\n  "shopper-1": {\n    "session": "shopper-1",\n    "events": {}\n  }\n}' + b"\0" * 512)
@example('{"shopper-1": {"events": {}}}'.encode("utf-16-le"))
@example(b" \n\t\r\n ")
@example(b'{\n"shopper-1": {\n"sess' + b"\0" * 512)
def test_any_bytes_placed_as_the_file_are_served_converted_or_refused_and_none_is_lost(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "sessions.json"
    path.write_bytes(content)
    store = JsonFileStore(path)
    try:
        found = {one.session for one in store.iterate()}
        store.update("someone-1", adds("someone-1", "new"))
    except StoreDamagedError:
        assert path.read_bytes() == content, "what is refused is not touched"
        assert beside(path) == set()
        kept = store.repair().kept_as
        assert kept is not None
        assert path.with_name(kept).read_bytes() == content
        found = {one.session for one in store.iterate()}
        store.update("someone-1", adds("someone-1", "new"))
    assert json.loads(path.read_bytes()).keys() >= {"someone-1"}
    files = [other.read_bytes() for other in path.parent.iterdir()]
    nothing = b"\0\t\r\n ,}{"
    kept_whole = any(content in one for one in files)
    lost = (
        [] if kept_whole else [one for one in content.split(b"\n") if not any(one.strip(nothing) in f for f in files)]
    )
    assert lost == [], "every byte that says something is kept"
    assert store.problem() is None
    store.close()
    fresh = JsonFileStore(path)
    assert {one.session for one in fresh.iterate()} == found | {"someone-1"}
    assert fresh.repair().kept_as is None
    fresh.close()
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("session_id", [":x", '":', "a:b", "::", "", "\n", 'he said ":{}"'])
def test_an_unusual_session_id_never_makes_the_file_unreadable(tmp_path: Path, session_id: str) -> None:
    """S1: `":x"` on one line made the store unreadable for everybody, and repair wrote the same line again."""
    path = tmp_path / "sessions.json"
    our_file(path)
    store = JsonFileStore(path)
    store.update(session_id, adds(session_id, "odd"))
    store.compact()
    for reader in (store, JsonFileStore(path)):
        assert names(reader.get(session_id)) == {"odd": 1}
        assert len(list(reader.iterate())) == 7
    assert store.repair().kept_as is None
    path.write_bytes(path.read_bytes().replace(b'"shopper-2":{', b'"shopper-2":x'))
    assert JsonFileStore(path).repair().sessions == 6
    assert names(JsonFileStore(path).get(session_id)) == {"odd": 1}
    store.close()


@pytest.mark.parametrize("behind", [b"\0" * 512, b"\0", b"\n\0\0\n", b""])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-8-sig"])
def test_a_whole_file_of_another_layout_is_converted_whatever_stands_behind_it(
    tmp_path: Path, behind: bytes, encoding: str
) -> None:
    """S2: it was taken for a torn line, cut off, and the service was healthy with 0 sessions."""
    path = tmp_path / "sessions.json"
    content = original_file().encode(encoding) + (behind if encoding == "utf-8" else b"")
    path.write_bytes(content)
    assert stored(path).keys() == set(EVERYONE)
    (kept,) = beside(path)
    assert ".original-" in kept
    assert (tmp_path / kept).read_bytes() == content


# --- other hands ------------------------------------------------------------------------------------------------------


def pretty(content: bytes, *options: str) -> bytes:
    indent = {"": None, "tab": "\t", "four": 4, "none": 0}[options[0]] if options else 2
    return json.dumps(json.loads(content), indent=indent, ensure_ascii=False).encode() + b"\n"


LAYOUTS: dict[str, Callable[[bytes], bytes]] = {
    "jq": pretty,
    "jq --tab": lambda content: pretty(content, "tab"),
    "four spaces": lambda content: pretty(content, "four"),
    "json.dump": lambda content: pretty(content, "").rstrip(),
    "jq -c": lambda content: json.dumps(json.loads(content), separators=(",", ":")).encode() + b"\n",
    "indent 0": lambda content: pretty(content, "none"),
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "a line break at the end": lambda content: content + b"\n",
    "blank lines at the end": lambda content: content + b"\n\n \n",
    "blanks before": lambda content: b"\n  " + content,
    "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "UTF-16": lambda content: content.decode().encode("utf-16"),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_file_laid_out_by_a_person_opens_with_all_its_sessions(
    tmp_path: Path, layout: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "sessions.json"
    before = our_file(path)
    expected = stored(path)
    path.write_bytes(layout(before))
    assert stored(path) == expected
    assert is_kept(layout(before), path)
    store = JsonFileStore(path)
    assert names(store.update(EVERYONE[0], adds(EVERYONE[0], "new"))) == {**expected[EVERYONE[0]], "new": 1}
    store.close()
    assert json.loads(path.read_bytes()).keys() == expected.keys()


def test_a_blank_line_put_between_two_lines_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    edited = our_file(path).replace(b',\n"shopper-3"', b',\n\n"shopper-3"')
    path.write_bytes(edited)
    try:
        found = stored(path)
    except StoreDamagedError:
        refuses(path)
        found = repair(path)
    assert found.keys() == set(EVERYONE)
    assert is_kept(edited, path)


def test_a_file_of_the_original_system_is_converted_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    original = original_file()
    path.write_text(original)
    store = JsonFileStore(path)
    found = {one.session: one for one in store.iterate()}
    assert found.keys() == set(EVERYONE)
    third = found["shopper-3"]
    assert third.items_in_cart == 3
    assert third.time_on_page == {"/": 4500, "/cart": 20}
    assert [event["ts"] for _page, event in third.all_events()] == [1_700_000_000_253, 1_700_000_003_250]
    assert third.updated_at == 1_700_000_003_250
    assert {event.get("tag") for _page, event in third.all_events()} == {"BUTTON", None}
    store.update("shopper-3", adds("shopper-3", "new"))
    store.close()
    (kept,) = beside(path)
    assert ".original-" in kept
    assert (tmp_path / kept).read_text() == original
    assert stored(path).keys() == set(EVERYONE)
    assert beside(path) == {kept}


@pytest.mark.parametrize(
    "odd", [r'"\ud83d"', "NaN", "-Infinity", "123456789012345678901234567890", "1e999", r'"\u0000"']
)
def test_values_that_only_pythons_json_module_writes_are_converted_too(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "sessions.json"
    original = original_file().replace('"BUTTON"', odd).replace("4500", odd)
    path.write_text(original)
    assert stored(path).keys() == set(EVERYONE)
    assert is_kept(original.encode(), path)
    told = json.loads(path.read_bytes(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert told.keys() == set(EVERYONE)


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    path, target = tmp_path / "sessions.json", tmp_path / "volume" / "kept.json"
    path.symlink_to(target)
    store = JsonFileStore(path)
    store.update("someone-1", adds("someone-1", "new"))
    store.compact()
    store.close()
    assert path.is_symlink()
    assert json.loads(target.read_bytes()).keys() == {"someone-1"}


def test_pruning_removes_quarantined_files_older_than_the_cutoff_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    path.write_text(original_file())
    (tmp_path / "sessions.json.notes").write_text("mine")
    store = JsonFileStore(path)
    store.update("someone-1", lambda _: session("someone-1", at=NOON * 2))
    assert store.prune(NOON) == len(EVERYONE)
    assert len(beside(path)) == 2
    store.prune(NOON * 2)
    assert beside(path) == {"sessions.json.notes"}
    assert stored(path).keys() == {"someone-1"}
    store.close()
