"""What all pages of the owner share: their headers, their frame, their files, and how a failure looks in a browser."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from tracker import __version__
from tracker.decisions.shop.live_file import ShopSource
from tracker.owner import words
from tracker.sessions.store import StoreError
from tracker.web.errors import ApiError
from tracker.web.routes import Callers
from tracker.web.served_file import ServedFile

log = logging.getLogger(__name__)

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Nothing of another site is loaded, nothing inside a page runs, and no text can become a script."""

PAGES: Final = (
    ("/today", "Today"),
    ("/pays", "Does it pay?"),
    ("/visits", "Visits"),
    ("/messages", "What popups say"),
    ("/setup", "Set up"),
    ("/settings", "Settings"),
)
"""The pages in the menu: address and name."""

_FOLDER: Final = Path(__file__).parent
_FILES: Final = {
    "owner.css": "text/css; charset=utf-8",
    "owner.js": "text/javascript; charset=utf-8",
    "owner.svg": "image/svg+xml",
}


class Shell:
    """The frame around every page of the owner."""

    def __init__(
        self,
        shop: ShopSource,
        is_signed_in: Callable[[], bool],
        is_waiting: Callable[[], bool],
        *,
        popup_style: bytes = b"",
        demo: bool = False,
    ) -> None:
        """`is_waiting`: nothing was heard of a shop yet, so the owner begins with Set up.

        `popup_style`: the popup's own style, for previews. `demo`: the demo shop is open, and the pages link to it.
        """
        self._shop = shop
        self._is_signed_in = is_signed_in
        self._is_waiting = is_waiting
        self._demo = demo
        self._files = {
            name: ServedFile.of((_FOLDER / "assets" / name).read_bytes(), kind) for name, kind in _FILES.items()
        }
        self._files["popup.css"] = ServedFile.of(popup_style, _FILES["owner.css"])

    def first_page(self) -> str:
        """Return the address of the page that an owner sees first."""
        return f"{request.script_root}{'/setup' if self._is_waiting() else '/today'}"

    def blueprint(self, name: str, module: str) -> Blueprint:
        """Make a blueprint whose views are pages of the owner."""
        blueprint = Blueprint(name, module, template_folder=str(_FOLDER / "templates"))
        blueprint.after_request(_with_page_headers)
        blueprint.context_processor(self._context)
        blueprint.register_error_handler(HTTPException, _refused)
        blueprint.register_error_handler(StoreError, _store_refused)
        blueprint.register_error_handler(Exception, _unexpected)
        return blueprint

    def files_blueprint(self) -> Blueprint:
        """Make the blueprint of the pages' own files, which hold nothing of the shop."""
        blueprint = Blueprint("owner_files", __name__)

        def serve(name: str) -> Callable[[], Response]:
            def view() -> Response:
                status, headers, body = self._files[name].answer(request.environ)
                return Response(body, status, headers)

            return view

        for name in self._files:
            blueprint.add_url_rule(f"/assets/{name}", name.replace(".", "_"), serve(name), callers=Callers.ANYONE)
        return blueprint

    def _context(self) -> dict[str, Any]:
        return {
            "shop_name": self._shop.current().name or "Shopify Tracker",
            "pages": PAGES if self._is_signed_in() else (),
            "here": f"/{request.path.split('/')[1].partition('-')[0]}",
            "root": request.script_root,
            "asset": lambda name: f"{request.script_root}/assets/{name}?v={self._files[name].version}",
            "demo": self._demo,
            "version": __version__,
            "words": words,
        }


def unchanged(parts: Iterable[object]) -> tuple[str, AnyResponse | None]:
    """Return the ETag of a page made from these parts, and the answer if the browser has that page already.

    Call it before anything is rendered: a page that nobody changed costs no more than its parts' versions.
    """
    etag = words.digest(parts)
    if etag in request.if_none_match:
        answer = make_response("", 304)
        answer.set_etag(etag)
        return etag, answer
    return etag, None


def _with_page_headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    # With `no-referrer` a browser sends `Origin: null` with a form of the page itself, and the owner would be refused.
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


def _refused(error: HTTPException) -> AnyResponse:
    status = error.code or 500
    if error.response is not None and status < 400:
        return error.response  # type: ignore[return-value]  # a redirect of the router's
    code = error.stable_code if isinstance(error, ApiError) else ""
    if code == "signed_out":
        wanted = request.full_path.rstrip("?") if request.method == "GET" else None
        return redirect(url_for("login.form", next=wanted), 303)
    message = error.description if isinstance(error, ApiError) else _PLAIN.get(status, error.description)
    return make_response(render_template("owner/frame/error.html", status=status, message=message, code=code), status)


def _store_refused(error: StoreError) -> AnyResponse:
    text = render_template("owner/frame/error.html", status=503, message=str(error), code=error.code)
    answer = make_response(text, 503)
    answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _unexpected(error: Exception) -> AnyResponse:
    log.error("unexpected failure", exc_info=error)
    message = "Something failed here that should not. The service's log has it under the X-Request-Id of this answer."
    return make_response(
        render_template("owner/frame/error.html", status=500, message=message, code="internal_error"), 500
    )


_PLAIN: Final = {
    404: "There is nothing at this address.",
    413: "This is more than the service takes at once.",
}
