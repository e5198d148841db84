"""The file of messages, and the model that picks one of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from tracker.cli.doctor.finding import Finding
from tracker.cli.terminal import counted
from tracker.config import Config
from tracker.decisions.shop.faults import FileFault, ShopFileError
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.warnings import warnings_of
from tracker.llm.groq_client import GroqClient
from tracker.llm.port import ModelError

_DEADLINE_S = 30.0
_QUESTION = 'Answer with the json object {"ok": true} and nothing else.'
_SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


def look_at_shop(config: Config, published: bytes | None = None) -> Iterator[Finding]:
    """Yield what `flask shop check` says of the file of messages; a published one counts before the one on the disk."""
    file = "the published file" if published else str(config.shop_file)
    try:
        content = published or config.shop_file.read_bytes()
    except FileNotFoundError:
        told = f"There is no {file}: popups only lead back to the cart. Begin with shop.example.toml."
        yield Finding("messages", "ok", told)
        return
    except OSError as error:
        yield Finding("messages", "fault", f"{file} cannot be read ({error.strerror}): let this user read it.")
        return
    try:
        shop = parse_shop(content)
    except ShopFileError as error:
        for fault in error.faults:
            yield Finding("messages", "fault", f"{file}, line {fault.line}: {fault.message}", _instead(fault))
        return
    for warning in warnings_of(shop, content.decode("utf-8-sig"), datetime.now(UTC).date()):
        yield Finding("messages", "warning", f"{file}, line {warning.line}: {warning.message}", _instead(warning))
    held = f"{counted(len(shop.messages), 'message')} and {counted(len(shop.rules), 'rule')}"
    yield Finding("messages", "ok", f"{file} is sound: {shop.name} has {held}.")


def _instead(fault: FileFault) -> tuple[str, ...]:
    return (f"write: {fault.instead}",) if fault.instead else ()


def look_at_model(config: Config, ask: bool) -> Iterator[Finding]:
    """Yield whether there is a key, and, where it is to be tried, what the model answered."""
    if not config.groq_api_key:
        yield Finding("model", "ok", "GROQ_API_KEY is not set: the built-in rules decide, without a model.")
    elif not ask:
        yield Finding("model", "ok", "GROQ_API_KEY is set; `--ask` tries it with one small question.")
    else:
        yield _answer(config)


def _answer(config: Config) -> Finding:
    client = GroqClient(config.groq_api_key, config.groq_base_url, config.groq_model)
    try:
        answer = client.complete([{"role": "user", "content": _QUESTION}], _SCHEMA, _DEADLINE_S)
    except ModelError as error:
        return Finding("model", "fault", f"{config.groq_model} gave no answer: {error}. {_what_to_do(error)}")
    tokens = answer.prompt_tokens + answer.completion_tokens
    return Finding("model", "ok", f"{answer.model} answered in {answer.latency_ms} ms, for {counted(tokens, 'token')}.")


def _what_to_do(error: ModelError) -> str:
    return {
        "refused": "Check GROQ_API_KEY and GROQ_MODEL.",
        "rate_limited": "Your plan allows no more now: try again later.",
        "unreachable": "Check GROQ_BASE_URL, and that this machine may open connections to it.",
        "timeout": "Try again; if it stays so, another GROQ_MODEL.",
    }.get(error.code, "Try another GROQ_MODEL.")
