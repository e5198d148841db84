"""The port to whichever language model is asked: what it promises, and how it fails.

ModelError                  no usable answer came; the rules answer instead
├── ModelBusyError          as many questions as allowed are under way; the model was not asked
├── ModelTimeoutError       no whole answer before the deadline
├── ModelRateLimitedError   the model's server says: not now
├── ModelRefusedError       the model's server rejects the question, the key or the model's name
├── ModelAnswerError        an answer came that holds no text to use
└── ModelUnreachableError   no connection, a broken one, or a server in trouble
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypedDict


class ModelError(Exception):
    """The model gave no usable answer. Its text names neither the key nor anything of the question or the answer."""

    code = "failed"


class ModelBusyError(ModelError):
    code = "busy"


class ModelTimeoutError(ModelError):
    code = "timeout"


class ModelRateLimitedError(ModelError):
    code = "rate_limited"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Take the seconds to stay away, None where the server did not say."""
        super().__init__(message)
        self.retry_after = retry_after


class ModelRefusedError(ModelError):
    code = "refused"


class ModelAnswerError(ModelError):
    code = "unusable"


class ModelUnreachableError(ModelError):
    code = "unreachable"


class Message(TypedDict):
    """One part of a prompt: who speaks, and what."""

    role: Literal["system", "user"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """The model's text as it came, not yet to be trusted, and what it cost."""

    text: str
    model: str
    latency_ms: int
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ModelClient(Protocol):
    """A language model behind one question and one answer."""

    def complete(self, messages: Sequence[Message], schema: Mapping[str, Any], deadline_s: float) -> ModelAnswer:
        """Ask once, without a second try, and return within `deadline_s` seconds whatever the server does.

        `schema` is the JSON schema that the answer is asked to follow; whether it does is for the caller to check.
        Raises a ModelError, and nothing else. May be called from several threads at once.
        """
