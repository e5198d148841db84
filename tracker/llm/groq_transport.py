"""One exchange with Groq: the SDK on its own connection, the answer's size bounded, every failure a ModelError.

Importing this module imports the SDK, which takes some 400 ms: import it late.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final, cast

import groq
import httpx
import orjson

from tracker.llm.port import (
    ModelAnswerError,
    ModelError,
    ModelRateLimitedError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnreachableError,
    PromptPart,
)

_DURATION: Final = re.compile(r"(?=[0-9])(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s?)?")

MAX_ANSWER_BYTES: Final = 64 * 1024
"""A decision with everything around it has about 1 KB."""

MAX_COMPLETION_TOKENS: Final = 800
"""A decision takes about 120; the reasoning before it counts as well."""

for _name in ("groq", "httpx", "httpcore"):
    # At DEBUG they would log the prompt, and at INFO a second line for each call.
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Reply:
    """The model's text and the tokens that it took."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


def ask(
    api_key: str,
    base_url: str,
    model: str,
    prompt: Sequence[PromptPart],
    schema: Mapping[str, Any],
    timeout_s: float,
    opened: Callable[[socket.socket], None],
) -> Reply:
    """Make one request. `timeout_s` bounds each step, not the whole exchange.

    `opened` receives the socket, so that the caller can shut it at the deadline. Raises a ModelError and nothing else.
    """
    try:
        transport = _BoundedTransport(opened)
        # A new client for each call costs 0.1 ms, shares nothing between threads or across a fork, follows no redirect.
        with groq.Groq(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            default_headers={"Accept-Encoding": "identity", "Connection": "close"},
            http_client=httpx.Client(transport=transport, timeout=timeout_s),
        ) as client:
            answer = client.chat.completions.with_raw_response.create(
                model=model, messages=cast(Any, prompt), timeout=timeout_s, **_answer_options(model, schema)
            )
            return _read(answer.read())
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001  the SDK also lets errors of headers, addresses and codecs through
        text = _failed_generation(error)
        failure = _failure(error)
    if text:
        return Reply(text)
    # Raised outside the handler, so that no __context__ carries the request with its key and prompt.
    raise failure


def _answer_options(model: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    if "gpt-oss" not in model:
        return {"response_format": {"type": "json_object"}, "max_completion_tokens": MAX_COMPLETION_TOKENS}
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "popup_decision", "strict": True, "schema": schema},
        },
        "reasoning_effort": "low",
        "include_reasoning": False,
        "max_completion_tokens": MAX_COMPLETION_TOKENS,
    }


def _read(body: bytes) -> Reply:
    try:
        completion = orjson.loads(body)
        choice = completion["choices"][0]
        text, cut = choice["message"]["content"], choice.get("finish_reason") == "length"
        usage = completion.get("usage")
    except (ValueError, LookupError, TypeError, AttributeError):
        text, cut, usage = None, False, None
    if not isinstance(text, str) or not text.strip() or cut:
        raise ModelAnswerError("the answer was cut at its length" if cut else "the answer holds no text")
    return Reply(text, _tokens(usage, "prompt_tokens"), _tokens(usage, "completion_tokens"))


def _tokens(usage: object, key: str) -> int:
    count = usage.get(key) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and count > 0 else 0


def _failed_generation(error: Exception) -> str | None:
    # Where only json_object is supported, Groq answers 400 for JSON that it finds faulty; the text may still be usable.
    text = _fault_of(error).get("failed_generation") if isinstance(error, groq.BadRequestError) else None
    return text if isinstance(text, str) else None


def _fault_of(error: groq.APIStatusError) -> Mapping[str, Any]:
    """Return the object `error` of an answer's body; empty if there is none."""
    fault = error.body.get("error") if isinstance(error.body, dict) else None
    return fault if isinstance(fault, dict) else {}


def _failure(error: Exception) -> ModelError:
    if isinstance(error, groq.APITimeoutError):
        return ModelTimeoutError("the model's server did not answer in time")
    if isinstance(error, groq.APIStatusError):
        return _status_failure(error, error.status_code, _fault_of(error).get("code"))
    if isinstance(error.__cause__, httpx.DecodingError):
        return ModelAnswerError("the answer is larger than any decision")
    return ModelUnreachableError("the model's server cannot be reached")


def _status_failure(error: groq.APIStatusError, status: int, code: object) -> ModelError:
    """Return what an error of the server means. Only what a person has to mend is called refused."""
    # Groq answers 413 for too many tokens a minute, and 498 where it has no capacity.
    if status in {429, 498} or (status == 413 and code == "rate_limit_exceeded"):
        return ModelRateLimitedError("the model's server takes no more questions now", retry_after(error.response))
    if status == 408:
        return ModelTimeoutError("the model's server did not answer in time")
    if status == 400 and code == "json_validate_failed":
        return ModelAnswerError("the answer holds no text")
    kind = ModelUnreachableError if status >= 500 else ModelRefusedError
    return kind(f"the model's server answered {status}")


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of `retry-after`: a number, a duration as Groq writes it (`1m7.66s`), or a date."""
    text = response.headers.get("retry-after", "").strip()
    if duration := _DURATION.fullmatch(text):
        hours, minutes, seconds = (float(part or 0) for part in duration.groups())
        return hours * 3600 + minutes * 60 + seconds
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (date - datetime.now(date.tzinfo)).total_seconds())


class _BoundedTransport(httpx.HTTPTransport):
    """A transport that also bounds the bodies of errors, which the SDK reads to their end before it returns."""

    def __init__(self, opened: Callable[[socket.socket], None]) -> None:
        super().__init__(verify=_tls())
        self._opened = opened

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["trace"] = self._trace
        response = super().handle_request(request)
        stream = cast(httpx.SyncByteStream, response.stream)
        if response.headers.get("content-encoding", "identity") != "identity":
            stream.close()
            raise httpx.DecodingError("an answer that was compressed unasked has no bounded size")
        response.stream = _BoundedStream(stream)
        return response

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        # TLS replaces the first socket with a new one.
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._opened(info["return_value"].get_extra_info("socket"))


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise httpx.DecodingError("the answer is too large")
            yield chunk

    def close(self) -> None:
        self._stream.close()


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # takes 25 ms
