"""GET /messages and what belongs to it: looking at messages, changing them, and going back to an earlier version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Final

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from tracker.decisions.engine import Engine
from tracker.decisions.shop.live_file import ShopFile
from tracker.decisions.shop.messages import BUILT_IN_HELP, Message
from tracker.insights.port import Insights
from tracker.insights.report import MessageFigures, report
from tracker.owner import words
from tracker.owner.messages.checking import checked, difference
from tracker.owner.messages.owner_file import EditedFile, SaveError
from tracker.owner.messages.preview import previews
from tracker.owner.messages.reach import is_stopped, where
from tracker.owner.messages.trial import try_file
from tracker.owner.messages.wording import WordingError, reworded
from tracker.owner.shell import Shell
from tracker.sessions.store import SessionStore, StoreError
from tracker.web.errors import ApiError
from tracker.web.routes import Callers

_DAYS: Final = 28
"""What became of a message is told of so many days."""
_STARTER: Final = Path(__file__).with_name("starter.toml")


def messages_blueprint(
    shell: Shell,
    shop: ShopFile,
    path: Path,
    store: SessionStore,
    engine: Engine,
    clock: Callable[[], int],
    insights: Insights,
) -> Blueprint:
    """Make the blueprint. The owner's file stands at `path`."""
    blueprint = shell.blueprint("messages", __name__)
    file, zone = EditedFile(path, shop), insights.zone

    def today() -> date:
        return words.moment(clock(), zone).date()

    def outcomes() -> dict[str, MessageFigures]:
        """Return what became of each message lately; nothing where the visits cannot be read, which hides no file."""
        try:
            return {one.message_id: one for one in report(insights, shop.current(), today(), _DAYS).messages}
        except StoreError:
            return {}

    def found(message_id: str) -> Message:
        message = shop.current().find(message_id)
        if message is None:
            raise ApiError(404, "unknown_message", "The file holds no message of this name any more.")
        return message

    @blueprint.get("/messages", callers=Callers.OWNERS_BROWSER)
    def overview() -> str:
        current = shop.current()
        became = outcomes()
        rows = [
            (one, where(current, one, today()), is_stopped(current, one, today()), became.get(one.id))
            for one in current.messages
        ]
        return render_template(
            "owner/messages/messages.html",
            rows=rows,
            problem=shop.problem,
            file=file,
            versions=[(one.number, words.moment(one.modified_ms, zone)) for one in file.versions()],
        )

    @blueprint.get("/messages/<message_id>", callers=Callers.OWNERS_BROWSER)
    def message(message_id: str) -> str:
        return _message_page(found(message_id))

    @blueprint.post("/messages/<message_id>", callers=Callers.OWNERS_BROWSER, body_limit="MAX_BODY_BYTES")
    def reword(message_id: str) -> AnyResponse:
        one = found(message_id)
        changes = {
            (key, language): " ".join(sent.split())
            for key in ("text", "button")
            for language in one.texts
            if (sent := request.form.get(f"{key}.{language}")) is not None
        }
        try:
            text = reworded(file.text() or "", message_id, changes)
        except WordingError as error:
            return make_response(_message_page(one, str(error)), 409)
        return _check_page(text, file.version(), back=url_for("messages.message", message_id=message_id))

    @blueprint.get("/messages-file", callers=Callers.OWNERS_BROWSER)
    def editor() -> str:
        text = file.text()
        return render_template(
            "owner/messages/editor.html",
            text=_STARTER.read_text("utf-8") if text is None else text,
            is_new=text is None,
            was=file.version(),
            file=file,
            checked=None if text is None else checked(text, today()),
        )

    @blueprint.post("/messages-file/check", callers=Callers.OWNERS_BROWSER, body_limit="MAX_BODY_BYTES")
    def check() -> AnyResponse:
        return _check_page(_sent_text(), request.form.get("was", ""), back=url_for("messages.editor"))

    @blueprint.post("/messages-file/save", callers=Callers.OWNERS_BROWSER, body_limit="MAX_BODY_BYTES")
    def save() -> AnyResponse:
        text, was = _sent_text(), request.form.get("was", "")
        result = checked(text, today())
        if result.shop is None:
            return _check_page(text, was, back=url_for("messages.editor"))
        try:
            file.save(text, was)
        except SaveError as error:
            return _check_page(text, was, back=url_for("messages.editor"), fault=str(error))
        return redirect(url_for("messages.overview"), 303)

    @blueprint.get("/messages-file/<int:number>", callers=Callers.OWNERS_BROWSER)
    def version(number: int) -> str:
        text = file.earlier(number)
        if text is None:
            raise ApiError(404, "unknown_version", "There is no earlier version of this number.")
        return render_template(
            "owner/messages/editor.html",
            text=text,
            number=number,
            was=file.version(),
            file=file,
            checked=checked(text, today()),
        )

    def _message_page(one: Message, fault: str = "") -> str:
        current = shop.current()
        return render_template(
            "owner/messages/message.html",
            message=one,
            outcome=outcomes().get(one.id),
            where=where(current, one, today()),
            previews=list(previews(one)),
            can_change=file.can_be_written() and one is not BUILT_IN_HELP,
            is_built_in=one is BUILT_IN_HELP,
            fault=fault,
        )

    def _check_page(text: str, was: str, *, back: str, fault: str = "") -> AnyResponse:
        result, before = checked(text, today()), file.text()
        lines = difference(before or "", text)
        trial = None
        if result.shop is not None and lines:
            trial = try_file(store, engine, clock, before=shop.current(), now=result.shop)
        page = render_template(
            "owner/messages/check.html",
            checked=result,
            lines=lines,
            trial=trial,
            was=was,
            back=back,
            fault=fault,
            file=file,
            can_save=result.shop is not None and bool(lines) and file.can_be_written() and not fault,
            names=_names(shop.current().messages, result.shop.messages if result.shop else ()),
        )
        return make_response(page, 409 if fault else 200 if result.shop is not None else 422)

    return blueprint


def _names(*several: tuple[Message, ...]) -> Mapping[str, str]:
    """Return the texts of messages by their ids."""
    return {one.id: next(iter(one.texts.values())) for messages in several for one in messages}


def _sent_text() -> str:
    """Return the text of the form, with the ends of lines as a file has them."""
    return request.form.get("text", "").replace("\r\n", "\n").replace("\r", "\n")
