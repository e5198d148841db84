"""The port to a language model: what every client promises, and the errors it may raise.

ModelError                  no usable answer came; the rules answer instead
├── ModelBusyError          as many calls as allowed are under way; no request was made
├── ModelTimeoutError       no complete answer before the deadline
├── ModelRateLimitedError   the model's server takes no more requests now
├── ModelRefusedError       the model's server rejects the request, the key or the model's name
├── ModelAnswerError        an answer came that holds no usable text
└── ModelUnreachableError   no connection, a broken one, or a server in trouble
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypedDict

from tracker.llm.faults import Fault


class ModelError(Exception):
    """The model gave no usable answer. The text holds neither the key nor anything of the prompt or the answer."""

    code: ClassVar[Fault] = Fault.FAILED


class ModelBusyError(ModelError):
    code = Fault.BUSY


class ModelTimeoutError(ModelError):
    code = Fault.TIMEOUT


class ModelRateLimitedError(ModelError):
    code = Fault.RATE_LIMITED

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """`retry_after`: the seconds that the server asks to wait, None if it names none."""
        super().__init__(message)
        self.retry_after = retry_after


class ModelRefusedError(ModelError):
    code = Fault.REFUSED


class ModelAnswerError(ModelError):
    code = Fault.UNUSABLE


class ModelUnreachableError(ModelError):
    code = Fault.UNREACHABLE


class PromptPart(TypedDict):
    """One part of a prompt, with the role that it speaks in."""

    role: Literal["system", "user"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """The model's text as it came, not to be trusted before it is checked, and what it cost."""

    text: str
    model: str
    latency_ms: int
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ModelClient(Protocol):
    """A language model that answers one prompt with one text."""

    def complete(self, prompt: Sequence[PromptPart], schema: Mapping[str, Any], deadline_s: float) -> ModelAnswer:
        """Make one request, without a retry, and return within `deadline_s` seconds whatever the server does.

        `schema` is the JSON schema that the answer should follow; the caller has to check that it does. Raises a
        ModelError and nothing else. May be called from several threads at once.
        """
