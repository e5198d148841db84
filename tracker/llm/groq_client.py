"""Groq as a language model: a bounded number of calls at once, each ended by its deadline and logged in one line."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tracker.llm.port import (
    ModelAnswer,
    ModelBusyError,
    ModelError,
    ModelRateLimitedError,
    ModelTimeoutError,
    ModelUnreachableError,
    PromptPart,
)

if TYPE_CHECKING:
    from tracker.llm.groq_transport import Reply

_log = logging.getLogger(__name__)


class GroqClient:
    """A ModelClient that speaks to Groq, or to any server with the same protocol.

    Each call runs in a thread of its own while the caller waits for it, because no timeout of the SDK bounds a whole
    exchange: a server that sends one byte a second stays within every one of them. At the deadline the caller stops
    waiting and shuts the call's connection, which ends the thread. A thread costs 0.1 ms beside the model's 300; since
    threads are started when needed and never pooled, they are safe with any fork.
    """

    def __init__(self, api_key: str, base_url: str, model: str, *, max_calls: int = 16) -> None:
        """`max_calls`: calls at once in this process.

        Raises ValueError for an empty key, which the SDK would send.
        """
        if not api_key:
            raise ValueError("Groq needs a key")
        self._api_key = api_key
        self._base_url = base_url
        self._model = model
        self._slots = threading.BoundedSemaphore(max_calls)

    def complete(self, prompt: Sequence[PromptPart], schema: Mapping[str, Any], deadline_s: float) -> ModelAnswer:
        """Make one request and return within `deadline_s` seconds. Raises a ModelError and nothing else."""
        started = time.monotonic()
        try:
            reply = self._reply(prompt, schema, deadline_s)
        except ModelError as error:
            retry_after = error.retry_after if isinstance(error, ModelRateLimitedError) else None
            fields = {"outcome": error.code, "ms": _ms_since(started), "retry_after": retry_after}
            _log.warning("the model gave no answer: %s", error, extra={"model": self._model, **fields})
            raise
        answer = ModelAnswer(
            text=reply.text,
            model=self._model,
            latency_ms=_ms_since(started),
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
        )
        tokens = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens}
        fields = {"outcome": "answered", "ms": answer.latency_ms, **tokens}
        _log.info("the model answered", extra={"model": self._model, **fields})
        return answer

    def _reply(self, prompt: Sequence[PromptPart], schema: Mapping[str, Any], deadline_s: float) -> Reply:
        if not self._slots.acquire(blocking=False):
            raise ModelBusyError("as many calls as allowed are under way")
        connection = _Connection()
        future: Future[Reply] = Future()

        def run() -> None:
            try:
                # Imported here so that the time for importing the SDK counts against the deadline as well.
                from tracker.llm import groq_transport  # noqa: PLC0415

                reply = groq_transport.ask(
                    self._api_key, self._base_url, self._model, prompt, schema, deadline_s, connection.opened
                )
            except ModelError as error:
                outcome: Reply | ModelError = error
            except BaseException:  # noqa: BLE001  the caller waits for an outcome, whatever happened
                outcome = ModelUnreachableError("the model cannot be asked")
            else:
                outcome = reply
            # The slot before the outcome: a caller that has its answer may make the next call at once.
            self._slots.release()
            if isinstance(outcome, ModelError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        try:
            threading.Thread(target=run, name="groq-call", daemon=True).start()
        except RuntimeError:
            self._slots.release()
            raise ModelBusyError("the system cannot start another thread") from None
        try:
            return future.result(timeout=deadline_s)
        except TimeoutError:
            connection.cut()
        raise ModelTimeoutError("no complete answer came before the deadline")


class _Connection:
    """A call's connection, which another thread may cut at any moment, even before it is opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False

    def opened(self, connected: socket.socket) -> None:
        with self._lock:
            self._socket = connected
            if self._cut:
                raise ConnectionAbortedError

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            if self._socket is not None:
                with suppress(OSError):
                    # Not SSLSocket.shutdown, which would drop the TLS state while the other thread still reads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
