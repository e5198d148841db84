"""Hostile requests: a corpus by kind and name, and any number of generated ones, the same for the same seed."""

from __future__ import annotations

import copy
import gzip
import json
import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SESSION = "hostile-session-0001"
TS = 1712345678901


@dataclass(frozen=True)
class Post:
    """A body, and the path and headers that it is posted with."""

    body: bytes
    path: str = "/ingest"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """Bytes on the wire, which need not be a request; the client closes its side after them."""

    data: bytes


Hostile = Post | Raw


def named() -> dict[str, dict[str, Hostile]]:
    """Return the corpus: kind -> name -> request."""
    return {
        "framing": _framing(),
        "encodings": _encodings(),
        "gzip": _gzip(),
        "depth": _depth(),
        "numbers": _numbers(),
        "strings": _strings(),
        "shapes": _shapes(),
        "session ids": _session_ids(),
        "duplicates": _duplicates(),
        "volume": _volume(),
        "questions": _questions(),
    }


def _snapshot(**changes: Any) -> dict[str, Any]:
    event = {"type": "view", "ts": TS}
    good = {"session": SESSION, "itemsInCart": 1, "timeOnPage": {"/": 10}, "events": {"/": [event]}}
    return {**good, **changes}


def _envelope(**changes: Any) -> dict[str, Any]:
    event = {"type": "view", "ts": TS // 1000}
    state = {"session": SESSION, "events": {"/": [event]}, "timeonpage": {"/": 10}, "itemsInCart": 1}
    return {"reason": "test", "ts": TS // 1000, "session": SESSION, "state": {**state, **changes}}


def _json(value: Any) -> Post:
    # json writes NaN, Infinity, NUL and halves of surrogate pairs without a murmur.
    return Post(json.dumps(value).encode())


GOOD = json.dumps(_snapshot()).encode()

# --- framing ----------------------------------------------------------------------------------------------------------

_HEAD = b"POST /ingest HTTP/1.1\r\nHost: x\r\n"


def _sized(size: bytes, body: bytes = GOOD) -> Raw:
    return Raw(_HEAD + b"Content-Length: " + size + b"\r\n\r\n" + body)


def _in_chunks(chunks: bytes, more: bytes = b"") -> Raw:
    return Raw(_HEAD + b"Transfer-Encoding: chunked\r\n" + more + b"\r\n" + chunks)


def _framing() -> dict[str, Hostile]:
    n = len(GOOD)
    sizes = {
        "one less": str(n - 1),
        "one more": str(n + 1),
        "much more": str(n + 500_000),
        "nothing": "0",
        "empty": "",
        "negative": "-1",
        "plus": f"+{n}",
        "hexadecimal": "0x10",
        "fraction": "1.5",
        "word": "many",
        "with underscore": "1_0",
        "other digits": "١٢",
        "huge": "9" * 30,
        "4,300 digits": "9" * 4300,
        "list": f"{n}, {n}",
        "unequal list": f"{n}, 3",
        "leading zeros": f"000{n}",
        "trailing NUL": f"{n}\x00",
    }
    cases: dict[str, Hostile] = {f"length: {name}": _sized(size.encode()) for name, size in sizes.items()}
    whole = b"%x\r\n%b\r\n0\r\n\r\n" % (n, GOOD)
    chunks = {
        "no hexadecimal": b"zz\r\n" + GOOD,
        "negative": b"-5\r\n" + GOOD,
        "no size": b"\r\n" + GOOD,
        "0x": b"0x5\r\n{}   \r\n0\r\n\r\n",
        "underscore": b"1_0\r\n" + GOOD,
        "huge": b"f" * 17 + b"\r\n" + GOOD,
        "9,000 digits": b"f" * 9000 + b"\r\n" + GOOD,
        "too short": b"5\r\n{}\r\n0\r\n\r\n",
        "too long": b"1\r\n{}\r\n0\r\n\r\n",
        "no line end": b"2\r\n{}0\r\n\r\n",
        "bare LF": b"2\n{}\n0\n\n",
        "bare CR": b"2\r{}\r0\r\r",
        "never ends": whole[:-5],
        "no end after the last": whole[:-2],
        "cut in the size": b"f",
        "cut in the data": whole[: n // 2],
        "extension": b"2;a=b\r\n{}\r\n0\r\n\r\n",
        "bad extension": b"2;\x00\r\n{}\r\n0\r\n\r\n",
        "extension with CR": b"2;a\rb\r\n{}\r\n0\r\n\r\n",
        "long extension": b"2;" + b"a" * 10_000 + b"\r\n{}\r\n0\r\n\r\n",
        "space before": b" 2\r\n{}\r\n0\r\n\r\n",
        "trailers": whole[:-2] + b"X: y\r\n\r\n",
        "bad trailers": whole[:-2] + b"X y\r\n\r\n",
        "trailer that frames": whole[:-2] + b"Content-Length: 5\r\n\r\n",
        "many trailers": whole[:-2] + b"X: y\r\n" * 500 + b"\r\n",
        "one byte each": b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD) + b"0\r\n\r\n",
        "garbage behind": whole + b"\x00\xff garbage",
        "nothing at all": b"",
    }
    cases |= {f"chunks: {name}": _in_chunks(data) for name, data in chunks.items()}
    inner = b"GET /sessions HTTP/1.1\r\nHost: x\r\n\r\n"
    cases["smuggling: both lengths"] = _in_chunks(whole, b"Content-Length: 5\r\n")
    cases["smuggling: length first"] = Raw(
        _HEAD + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner
    )
    cases["smuggling: two lengths"] = Raw(
        _HEAD + b"Content-Length: 2\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner
    )
    for name, coding in {
        "twice": b"chunked, chunked",
        "not last": b"chunked, identity",
        "spaced": b" \t chunked",
        "vertical tab": b"\x0bchunked",
        "quoted": b'"chunked"',
        "NUL": b"chunked\x00",
    }.items():
        cases[f"smuggling: chunked {name}"] = Raw(
            _HEAD + b"Transfer-Encoding: " + coding + b"\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + inner
        )
    cases["smuggling: space before the colon"] = Raw(_HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + whole)
    cases["smuggling: folded"] = Raw(_HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + whole)
    cases["smuggling: underscore"] = Raw(_HEAD + b"Transfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}")
    cases["smuggling: HTTP/1.0 in chunks"] = Raw(_in_chunks(whole).data.replace(b"HTTP/1.1", b"HTTP/1.0"))
    cases["smuggling: a body with GET"] = Raw(_sized(b"%d" % n).data.replace(b"POST /ingest", b"GET /health"))
    cases["smuggling: a second request behind"] = Raw(_sized(b"%d" % n).data + inner)
    for name, coding in {"gzip": b"gzip", "a word": b"xchunked", "empty": b"", "identity": b"identity"}.items():
        cases[f"unknown transfer coding: {name}"] = Raw(_HEAD + b"Transfer-Encoding: " + coding + b"\r\n\r\n" + whole)
    requests = {
        "nothing": b"",
        "line ends only": b"\r\n" * 50,
        "garbage": b"\x00\x01\x02\xff" * 50,
        "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
        "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/0.9": b"GET /\r\n\r\n",
        "HTTP/9.9": b"POST /ingest HTTP/9.9\r\n\r\n",
        "no version": b"POST /ingest\r\nHost: x\r\n\r\n",
        "long method": b"A" * 3000 + b" /ingest HTTP/1.1\r\n\r\n",
        "strange method": b"P@ST /ingest HTTP/1.1\r\nHost: x\r\n\r\n",
        "long line": b"POST /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
        "absolute address": b"POST http://evil.example/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        "broken address": b"POST http://[::1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        "star": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "connect": b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "raw path": b"POST /\xff\xfe HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        "percent path": b"POST /%ff%00%zz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        "double slash": b"POST //ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        "no host": b"POST /ingest HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        "two hosts": b"POST /ingest HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 2\r\n\r\n{}",
        "strange host": b"POST /ingest HTTP/1.1\r\nHost: \xff<>;:99999999\r\nOrigin: x\r\nContent-Length: 2\r\n\r\n{}",
        "broken host": b"POST /ingest HTTP/1.1\r\nHost: [::1\r\nOrigin: http://x\r\nContent-Length: 2\r\n\r\n{}",
        "many headers": _HEAD + b"X: y\r\n" * 200 + b"\r\n",
        "large header": _HEAD + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
        "header without colon": _HEAD + b"nonsense\r\n\r\n",
        "header without name": _HEAD + b": x\r\n\r\n",
        "header with NUL": _HEAD + b"X: a\x00b\r\n\r\n",
        "header in Latin-1": _HEAD + b"X-Request-Id: \xe9\r\nContent-Length: 2\r\n\r\n{}",
        "unknown expectation": _HEAD + b"Expect: the-unexpected\r\nContent-Length: 2\r\n\r\n{}",
        "expect continue and no body": _HEAD + b"Expect: 100-continue\r\nContent-Length: 50\r\n\r\n",
        "upgrade": _HEAD
        + b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\nContent-Length: 2\r\n\r\n{}",
        "early close after the headers": _HEAD + b"Content-Length: 100\r\n\r\n",
        "early close in the headers": _HEAD + b"Content-Le",
        "early close in the line": b"POST /in",
    }
    return cases | {f"request: {name}": Raw(data) for name, data in requests.items()}


# --- bytes ------------------------------------------------------------------------------------------------------------


def _encodings() -> dict[str, Hostile]:
    text = GOOD.decode()
    wide = json.dumps(_snapshot(events={"/": [{"type": "é🛒", "ts": TS}]}), ensure_ascii=False)
    bodies: dict[str, bytes] = {
        codec: wide.encode(codec, "replace")
        for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "latin-1", "cp1252", "cp037", "shift_jis")
    }
    bodies |= {
        "BOM": b"\xef\xbb\xbf" + GOOD,
        "two BOMs": b"\xef\xbb\xbf" * 2 + GOOD,
        "BOM in the middle": GOOD[:5] + b"\xef\xbb\xbf" + GOOD[5:],
        "BOM alone": b"\xef\xbb\xbf",
        "half a BOM": b"\xef\xbb" + GOOD,
    }
    broken = {
        "lone continuation": b"\x80",
        "cut sequence": b"\xe2\x82",
        "overlong slash": b"\xc0\xaf",
        "overlong NUL": b"\xc0\x80",
        "surrogate in UTF-8": b"\xed\xa0\x80",
        "pair in CESU-8": b"\xed\xa0\xbd\xed\xb2\xa9",
        "beyond Unicode": b"\xf4\x90\x80\x80",
        "five bytes": b"\xf8\x88\x80\x80\x80",
        "FF": b"\xff",
        "FE FF": b"\xfe\xff",
    }
    for name, data in broken.items():
        bodies[f"{name} in a value"] = GOOD.replace(b"view", b"vi" + data)
        bodies[f"{name} in a page"] = GOOD.replace(b'"/"', b'"/' + data + b'"')
    escapes = {
        "high half": "\\ud83d",
        "low half": "\\ude00",
        "halves the wrong way": "\\ude00\\ud83d",
        "two high halves": "\\ud83d\\ud83d",
        "half and letter": "\\ud83dx",
        "half in capitals": "\\uDBFF",
        "noncharacter": "\\uffff",
        "half an escape": "\\u12",
        "unknown escape": "\\x41",
        "escape at the end": "\\",
    }
    for name, escape in escapes.items():
        bodies[f"escape: {name} in a value"] = text.replace("view", f"a{escape}b").encode()
        bodies[f"escape: {name} in a page"] = text.replace('"/"', f'"/{escape}"').encode()
        bodies[f"escape: {name} in a key"] = text.replace('"type"', f'"k{escape}": 1, "type"').encode()
    bodies["escape: half and deep"] = b'{"a":"\\ud800","b":' + b"[" * 50_000
    bodies["escape: half and a number of 5,000 digits"] = b'{"session":"\\ud800","n":' + b"9" * 5000 + b"}"
    bodies["escape: half and NaN"] = b'{"session":"\\ud800","n":NaN}'
    bodies["escape: half and bad UTF-8"] = b'{"session":"\\ud800\xff"}'
    cases: dict[str, Hostile] = {name: Post(body) for name, body in bodies.items()}
    for encoding in ("br", "deflate", "zstd", "compress", "gzip, gzip", "gzip;q=1", "x" * 1000, "identity, gzip"):
        cases[f"Content-Encoding: {encoding[:20]}"] = Post(GOOD, headers={"Content-Encoding": encoding})
    for kind in (
        "application/json; charset=utf-16",
        "application/json; charset=\x7f",
        "multipart/form-data",
        "a" * 3000,
    ):
        cases[f"Content-Type: {kind[:34]}"] = Post(GOOD, headers={"Content-Type": kind})
    return cases


def _gzip() -> dict[str, Hostile]:
    packed = gzip.compress(GOOD, mtime=0)
    flipped = bytes([packed[20] ^ 0xFF])
    bodies = {
        "not gzip": GOOD,
        "nothing": b"",
        "one byte": b"\x1f",
        "magic alone": b"\x1f\x8b",
        "header alone": packed[:10],
        "cut in the data": packed[:30],
        "cut before the checksum": packed[:-8],
        "cut in the checksum": packed[:-3],
        "wrong checksum": packed[:-8] + b"\x00" * 4 + packed[-4:],
        "wrong length": packed[:-4] + b"\xff" * 4,
        "wrong method": packed[:2] + b"\x07" + packed[3:],
        "reserved flags": packed[:3] + b"\xe0" + packed[4:],
        "header checksum missing": packed[:3] + b"\x02" + packed[4:],
        "endless name": packed[:3] + b"\x08" + packed[4:10] + b"n" * 5000,
        "extra field too long": packed[:3] + b"\x04" + packed[4:10] + b"\xff\xff" + packed[10:],
        "flipped": packed[:20] + flipped + packed[21:],
        "trailing zeros": packed + bytes(100),
        "trailing garbage": packed + b"garbage",
        "trailing half member": packed + packed[:10],
        "zlib": zlib.compress(GOOD),
        "bare deflate": zlib.compress(GOOD)[2:-4],
        "nested": gzip.compress(packed),
        "nested ten times": _nested(10),
        "empty": gzip.compress(b""),
        "1,000 empty members": gzip.compress(b"") * 1000,
        "one member a byte": b"".join(gzip.compress(bytes([byte])) for byte in GOOD),
        "bomb of zeros": gzip.compress(bytes(10 << 20)),
        "bomb of white space": gzip.compress(GOOD + b" " * (10 << 20)),
        "bomb of brackets": gzip.compress(b"[" * (10 << 20)),
        "bomb of keys": gzip.compress(b'{"a":' * (2 << 20)),
        "bomb in a bomb": gzip.compress(gzip.compress(bytes(100 << 20))),
        "bomb behind a good member": packed + gzip.compress(b" " * (10 << 20)),
    }
    return {name: Post(body, headers={"Content-Encoding": "gzip"}) for name, body in bodies.items()}


def _nested(times: int) -> bytes:
    data = GOOD
    for _ in range(times):
        data = gzip.compress(data)
    return data


# --- JSON -------------------------------------------------------------------------------------------------------------


def _depth() -> dict[str, Hostile]:
    cases: dict[str, Hostile] = {}
    for levels in (17, 100, 500, 950, 1_000, 1_023, 1_024, 1_025, 5_000, 100_000):
        lists, objects = "[" * levels + "]" * levels, '{"a":' * levels + "1" + "}" * levels
        cases[f"{levels} lists"] = Post(lists.encode())
        cases[f"{levels} objects"] = Post(objects.encode())
        for where in ("events", "itemsInCart", "session", "unknown"):
            cases[f"{levels} lists in {where}"] = Post(f'{{"session":"{SESSION}","{where}":{lists}}}'.encode())
        event = f'{{"type":"view","ts":1,"x":{objects}}}'
        cases[f"{levels} objects in an event"] = Post(f'{{"session":"{SESSION}","events":{{"/":[{event}]}}}}'.encode())
    cases["never closed"] = Post(b"[" * 1_000_000)
    cases["never opened"] = Post(b"]" * 1000)
    return cases


_NUMBERS = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "1e400": "1e400",
    "-1e400": "-1e400",
    "1e308": "1e308",
    "1e-400": "1e-400",
    "2^53+1": str(2**53 + 1),
    "2^63": str(2**63),
    "2^64": str(2**64),
    "-2^63-1": str(-(2**63) - 1),
    "400 digits": "9" * 400,
    "5,000 digits": "9" * 5000,
    "5,000 decimals": "0." + "3" * 5000,
    "-0": "-0",
    "-0.0": "-0.0",
    "1.5": "1.5",
    "a text": '"12"',
    "a text of other digits": '"١٢"',
    "1_000": '"1_000"',
    "true": "true",
    "null": "null",
    "leading zero": "01",
    "plus": "+1",
    "hexadecimal": "0x1",
    "bare point": ".5",
}
_PLACES = {
    "itemsInCart": '{{"session":"{s}","itemsInCart":{n}}}',
    "sentAt": '{{"session":"{s}","sentAt":{n}}}',
    "a time": '{{"session":"{s}","timeOnPage":{{"/":{n}}}}}',
    "ts": '{{"session":"{s}","events":{{"/":[{{"type":"view","ts":{n}}}]}}}}',
    "an event": '{{"session":"{s}","events":{{"/":[{{"type":"view","ts":1,"x":[{n}]}}]}}}}',
    "an envelope's ts": '{{"session":"{s}","ts":{n},"state":{{"events":{{"/":[{{"type":"view","ts":{n}}}]}}}}}}',
    "an envelope's time": '{{"session":"{s}","ts":1,"state":{{"timeonpage":{{"/":{n}}},"itemsInCart":{n}}}}}',
}


def _numbers() -> dict[str, Hostile]:
    return {
        f"{name} as {place}": Post(form.format(s=SESSION, n=number).encode())
        for name, number in _NUMBERS.items()
        for place, form in _PLACES.items()
    }


_TEXTS = {
    "NUL": "a\x00b",
    "all control characters": "".join(map(chr, range(32))),
    "DEL and C1": "\x7f\x80\x9f",
    "line separators": "a\u2028b\u2029c",
    "bidi": "\u202egnp.exe\u202c \u2066x\u2069",
    "zero width": "a\u200b\u200d\ufeffb",
    "combining": "e" + "\u0301" * 500,
    "half a pair": "a\ud83d",
    "the other half": "\udc00b",
    "noncharacters": "\ufffe\uffff",
    "beyond the plane": "\U0010ffff",
    "markup": "<script>alert(1)</script>",
    "SQL": "'; drop table sessions; --",
    "a shell": "$(reboot) `reboot` | reboot",
    "a format": "%s%n {0} {session} ${x}",
    "a log line": 'x"}\n{"level":"INFO","message":"forged"}',
    "the file's own grammar": '"}\n}\n{\n"victim-session":{}',
    "prototype": "__proto__",
    "a path": "../../../../etc/passwd",
    "empty": "",
    "white space": " \t ",
    "8,000 letters": "x" * 8000,
    "100,000 letters": "x" * 100_000,
}


def _strings() -> dict[str, Hostile]:
    cases: dict[str, Hostile] = {}
    for name, text in _TEXTS.items():
        event = {"type": "view", "ts": TS}
        cases[f"{name} as a value"] = _json(_snapshot(events={"/": [{**event, "x": [text, {"y": text}]}]}))
        cases[f"{name} as a key"] = _json(_snapshot(events={"/": [{**event, text: 1, "x": {text: text}}]}))
        cases[f"{name} as a type"] = _json(_snapshot(events={"/": [{**event, "type": text}]}))
        cases[f"{name} as a page"] = _json(_snapshot(events={text: [event]}, timeOnPage={text: 1}))
        cases[f"{name} as a page of an envelope"] = _json(_envelope(events={text: [event]}, timeonpage={text: 1}))
    return cases


_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "0": 0,
    "-1": -1,
    "1.5": 1.5,
    "a text": "x",
    "an empty text": "",
    "a list": [1],
    "an empty list": [],
    "an object": {"x": 1},
    "an empty object": {},
    "a list of nulls": [None] * 3,
    "a list of lists": [[[]]],
    "an object of nulls": {"/": None},
    "prototypes": {"__proto__": {"x": 1}, "constructor": {"prototype": {}}, "hasOwnProperty": 1},
}


def _shapes() -> dict[str, Hostile]:
    cases: dict[str, Hostile] = {f"the body is {name}": _json(value) for name, value in _VALUES.items()}
    for name, value in _VALUES.items():
        for key in ("session", "itemsInCart", "timeOnPage", "events", "sentAt", "state"):
            cases[f"{key} is {name}"] = _json(_snapshot(**{key: value}))
        for key in ("session", "itemsInCart", "timeonpage", "events", "state"):
            cases[f"state.{key} is {name}"] = _json(_envelope(**{key: value}))
        for key in ("reason", "ts", "session"):
            cases[f"an envelope's {key} is {name}"] = _json({**_envelope(), key: value})
        cases[f"events./ is {name}"] = _json(_snapshot(events={"/": value}))
        cases[f"an event is {name}"] = _json(_snapshot(events={"/": [value]}))
        cases[f"an event's type is {name}"] = _json(_snapshot(events={"/": [{"type": value, "ts": 1}]}))
        cases[f"an event's ts is {name}"] = _json(_snapshot(events={"/": [{"type": "view", "ts": value}]}))
        cases[f"a time is {name}"] = _json(_snapshot(timeOnPage={"/": value}))
    syntax = {
        "empty": "",
        "white space": " \n",
        "a word": "undefined",
        "single quotes": "{'session': 1}",
        "a trailing comma": f'{{"session":"{SESSION}",}}',
        "a comment": f'{{"session":"{SESSION}"}} // x',
        "two documents": f'{{"session":"{SESSION}"}}{{}}',
        "NDJSON": f'{{"session":"{SESSION}"}}\n{{}}',
        "a form": "session=x&events=y",
        "XML": "<?xml version='1.0'?><a/>",
        "an entity bomb": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "a pickle": "cos\nsystem\n(S'true'\ntR.",
        "YAML": "session: !!python/object/apply:os.system [true]",
        "a JSON sequence": f'\x1e{{"session":"{SESSION}"}}\n',
        "half": GOOD.decode()[: len(GOOD) // 2],
        "NUL behind": GOOD.decode() + "\x00",
        "a raw line end in a text": GOOD.decode().replace("view", "vi\new"),
        "a raw tab in a text": GOOD.decode().replace("view", "vi\tew"),
    }
    return cases | {f"syntax: {name}": Post(text.encode()) for name, text in syntax.items()}


def _session_ids() -> dict[str, Hostile]:
    ids: dict[str, Any] = {
        **_TEXTS,
        **{f"value: {name}": value for name, value in _VALUES.items()},
        "seven": "a" * 7,
        "65": "a" * 65,
        "a line end behind": SESSION + "\n",
        "a NUL behind": SESSION + "\x00",
        "a quote": SESSION + '"',
        "a backslash": SESSION + "\\",
        "a slash": "aaaa/bbbb",
        "dots": "........",
        "dashes": "--------",
        "other letters": "sessionéé",
        "full width": "ｓｅｓｓｉｏｎｓ",
        "other digits": "١٢٣٤٥٦٧٨",
        "a number": 12345678,
        "__proto__": "__proto__",
        "null as a word": "null-null",
    }
    cases: dict[str, Hostile] = {}
    for name, value in ids.items():
        cases[f"{name} in a snapshot"] = _json(_snapshot(session=value))
        cases[f"{name} in an envelope"] = _json({**_envelope(), "session": value})
    return cases


def _duplicates() -> dict[str, Hostile]:
    s = SESSION
    bodies = {
        "session": f'{{"session":"{s}","session":7}}',
        "session, good last": f'{{"session":7,"session":"{s}"}}',
        "events": f'{{"session":"{s}","events":{{}},"events":[]}}',
        "state": f'{{"session":"{s}","state":{{}},"state":7}}',
        "page": f'{{"session":"{s}","events":{{"/":[],"/":7}}}}',
        "type": f'{{"session":"{s}","events":{{"/":[{{"type":"a","type":7,"ts":1}}]}}}}',
        "ts": f'{{"session":"{s}","events":{{"/":[{{"type":"a","ts":1,"ts":"x"}}]}}}}',
        "100,000 times": f'{{"session":"{s}"' + ',"events":{}' * 80_000 + "}",
        "pages that are one when cleaned": f'{{"session":"{s}","events":{{"/\\u0000":[],"/\\u0001":[]}}}}',
        "keys that are one when cleaned": f'{{"session":"{s}","events":{{"/":'
        '[{"type":"a","ts":1,"k\\u0000":1,"k\\u0001":2}]}}',
        "both shapes": json.dumps({**_snapshot(), **_envelope()}),
        "equal events": json.dumps(_snapshot(events={"/": [{"type": "a", "ts": 1}] * 5000})),
        "escaped and plain": f'{{"session":"{s}","\\u0073ession":7}}',
    }
    return {name: Post(body.encode()) for name, body in bodies.items()}


def _volume() -> dict[str, Hostile]:
    event = {"type": "view", "ts": TS}
    bodies: dict[str, Any] = {
        "5,001 events": _snapshot(events={"/": [event] * 5001}),
        "100,000 nulls as events": _snapshot(events={"/": [None] * 100_000}),
        "201 pages": _snapshot(events={f"/{n}": [] for n in range(201)}),
        "50,000 pages": _snapshot(timeOnPage={f"/{n}": 1 for n in range(50_000)}),
        "10,000 keys in an event": _snapshot(events={"/": [{**event, **{f"k{n}": n for n in range(10_000)}}]}),
        "an event of 100 KB": _snapshot(events={"/": [{**event, "x": "y" * 100_000}]}),
        "an event of 900 KB": _snapshot(events={"/": [{**event, "x": "y" * 900_000}]}),
        "a list of 300,000 numbers": _snapshot(events={"/": [{**event, "x": [0] * 300_000}]}),
        "a page's name of 500 KB": _snapshot(events={"/" * 500_000: [event]}),
        "a key of 500 KB": _snapshot(events={"/": [{**event, "k" * 500_000: 1}]}),
        "100,000 unknown keys": {**_snapshot(), **{f"u{n}": 1 for n in range(50_000)}},
        "5,000 events with one time": _snapshot(events={"/": [{**event, "n": n % 7} for n in range(5000)]}),
        "5,000 events backwards": _snapshot(events={"/": [{**event, "ts": TS - n} for n in range(5000)]}),
        "5,000 faulty events": _snapshot(events={"/": [{"type": n} for n in range(5000)]}),
        "events that fill the session": _snapshot(
            events={"/": [{**event, "n": n, "x": "y" * 150} for n in range(4500)]}
        ),
    }
    cases: dict[str, Hostile] = {name: _json(body) for name, body in bodies.items()}
    cases["more than 1 MiB of white space"] = Post(GOOD + b" " * (1 << 20))
    cases["1.5 MB of text"] = Post(json.dumps("x" * 1_500_000).encode())
    cases["1 MB of one number"] = Post(b"1" * 1_000_000)
    cases["1 MB of a decimal"] = Post(b'{"itemsInCart":1.' + b"1" * 1_000_000 + b"}")
    cases["1 MB of backslashes"] = Post(b'"' + b"\\" * 1_000_000 + b'"')
    cases["1 MB of NUL"] = Post(bytes(1_000_000))
    return cases


def _questions() -> dict[str, Hostile]:
    cases: dict[str, Hostile] = {
        f"asked: {name}": Post(text.encode("utf-8", "surrogatepass"), "/askai") for name, text in _TEXTS.items()
    }
    for name, value in _VALUES.items():
        cases[f"asked in JSON: {name}"] = Post(json.dumps(value).encode(), "/askai")
        cases[f"asked in an object: {name}"] = Post(json.dumps({"session": value}).encode(), "/askai")
    cases["asked: 1,000 lists"] = Post(b"[" * 1000, "/askai")
    cases["asked: broken UTF-8"] = Post(b"\xff" * 20, "/askai")
    cases["asked: a half quote"] = Post(b'"' + SESSION.encode(), "/askai")
    cases["asked: a bomb"] = Post(gzip.compress(bytes(10 << 20)), "/askai", {"Content-Encoding": "gzip"})
    return cases


# --- generated --------------------------------------------------------------------------------------------------------


def generated(count: int, seed: int) -> Iterator[Hostile]:
    """Yield requests made of hostile parts: shapes with wild leaves, and good bodies with some bytes changed."""
    chance = random.Random(seed)
    for _ in range(count):
        body = json.dumps(_wild_body(chance)).encode()
        if chance.random() < 0.4:
            body = _damaged(body, chance)
        headers = {}
        if chance.random() < 0.25:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
            if chance.random() < 0.5:
                body = _damaged(body, chance)
        yield Post(body, chance.choice(["/ingest", "/ingest", "/events", "/askai"]), headers)


def _wild_body(chance: random.Random) -> Any:
    body = chance.choice([_snapshot, _envelope])()
    for _ in range(chance.randint(1, 4)):
        _put_somewhere(body, _wild(chance, 4), chance)
    return body


def _put_somewhere(body: Any, value: Any, chance: random.Random) -> None:
    """Walk down a random path of the value, and replace or add something at its end."""
    place = body
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys) if keys else None
        below = place[key] if key is not None else None
        if isinstance(below, dict | list) and chance.random() < 0.8:
            place = below
            continue
        if isinstance(place, list):
            place.append(value)
        elif key is not None and chance.random() < 0.6:
            place[key] = value
        else:
            place[chance.choice(list(_TEXTS.values()))] = value
        return


def _wild(chance: random.Random, room: int) -> Any:
    kind = chance.randrange(8 if room else 6)
    if kind == 0:
        return chance.choice(list(_TEXTS.values()))
    if kind == 1:
        return chance.choice(
            [0, -1, 2**53, 2**53 + 1, 2**63, 2**64, 10**400, 1.5, -0.0, 1e308, float("nan"), float("inf")]
        )
    if kind == 2:
        return chance.choice([None, True, False])
    if kind == 3:
        return "".join(chr(chance.choice([chance.randrange(0x20), chance.randrange(0x11_0000)])) for _ in range(9))
    if kind == 4:
        return {"type": chance.choice(["view", "", 7]), "ts": chance.choice([TS, TS / 1000, -1, "x", 1e300])}
    if kind == 5:
        return copy.deepcopy(chance.choice(list(_VALUES.values())))
    if kind == 6:
        return [_wild(chance, room - 1) for _ in range(chance.randrange(4))]
    return {chance.choice(list(_TEXTS.values())): _wild(chance, room - 1) for _ in range(chance.randrange(4))}


def _damaged(body: bytes, chance: random.Random) -> bytes:
    data = bytearray(body)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data)) if data else 0
        match chance.randrange(5):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + chance.randint(1, 20)]
            case 2:
                data[at:at] = data[at : at + chance.randint(1, 50)]
            case 3:
                data[at:at] = chance.choice(
                    [b"\x00", b"\xff", b'"', b"\\", b"{", b"]", b"\\ud800", b"1e999", b"NaN", b"\n"]
                )
            case _:
                del data[at:]
    return bytes(data)
