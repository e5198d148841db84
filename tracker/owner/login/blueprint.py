"""GET and POST /login, POST /logout and /token: signing in, signing out, and choosing the password on the first day."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from tracker.owner.login.cookie import LoginCookie
from tracker.owner.login.env_file import EnvFileError
from tracker.owner.login.token import OwnerToken, TokenRefusedError
from tracker.owner.login.tries import WrongTries
from tracker.owner.shell import Shell
from tracker.web.callers.access import is_this_machine
from tracker.web.routes import Callers


def login_blueprint(
    shell: Shell, token: OwnerToken, cookie: LoginCookie, clock: Callable[[], int], *, is_direct: bool
) -> Blueprint:
    """Make the blueprint. `is_direct`: no proxy stands in front, so a request's own address is its sender's."""
    blueprint = shell.blueprint("login", __name__)
    wrong_tries = WrongTries(clock)

    @blueprint.get("/", callers=Callers.OWN_PAGES)
    def door() -> AnyResponse:
        return redirect(shell.first_page() if cookie.is_there() else url_for("login.form"), 303)

    @blueprint.get("/login", callers=Callers.OWN_PAGES)
    def form() -> AnyResponse:
        if cookie.is_there():
            return redirect(_next(), 303)
        return _page()

    @blueprint.post("/login", callers=Callers.OWN_PAGES, body_limit="MAX_BODY_BYTES")
    def sign_in() -> AnyResponse:
        sent, expected = request.form.get("token", "").strip().encode(), token.current().encode()
        if expected and hmac.compare_digest(sent, expected):
            return _signed_in(_next())
        if not expected:
            return _page(status=403)
        wait_s = wrong_tries.count()
        answer = _page("This is not the password.", wait_s=wait_s, status=429 if wait_s else 401)
        if wait_s:
            answer.headers["Retry-After"] = str(wait_s)
        return answer

    @blueprint.post("/logout", callers=Callers.OWN_PAGES)
    def sign_out() -> AnyResponse:
        answer = make_response(redirect(url_for("login.form"), 303))
        cookie.take_back(answer)
        return answer

    @blueprint.post("/token", callers=Callers.OWN_PAGES, body_limit="MAX_BODY_BYTES")
    def choose() -> AnyResponse:
        if not _may_choose():
            return _page(status=403)
        try:
            token.choose(request.form.get("token", "").strip())
        except (TokenRefusedError, EnvFileError) as error:
            return _page(str(error), status=409 if isinstance(error, EnvFileError) else 422)
        return _signed_in(url_for("login.door"))

    def _may_choose() -> bool:
        return token.can_be_chosen and is_direct and _is_from_this_machine()

    def _page(fault: str = "", *, wait_s: int = 0, status: int = 200) -> Response:
        if token.current():
            text = render_template("owner/login/login.html", fault=fault, wait_s=wait_s, next=_wanted())
        elif _may_choose():
            suggestion = (request.form.get("token") if fault else "") or secrets.token_urlsafe(18)
            text = render_template("owner/login/choose.html", fault=fault, suggestion=suggestion)
        else:
            text = render_template("owner/login/closed.html")
        return make_response(text, status)

    def _signed_in(target: str) -> AnyResponse:
        answer = make_response(redirect(target, 303))
        cookie.give(answer)
        return answer

    return blueprint


def _wanted() -> str:
    """Return what a form or an address says of the page that was asked for before the login."""
    return (request.form if request.method == "POST" else request.args).get("next", "")


def _next() -> str:
    """Return the address of the page that was asked for; never one of another site."""
    wanted = _wanted()
    if re.fullmatch(r"/(?![/\\])[\w./?=&~-]*", wanted, re.ASCII):
        return f"{request.script_root}{wanted}"
    return url_for("login.door")


def _is_from_this_machine() -> bool:
    """Whether sender and service are on one machine, which nobody else can reach, and no proxy stands between them.

    The name in the Host header is looked at as well: a page of another site can have a name that leads here.
    """
    if any(name in request.headers for name in ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host")):
        return False
    names = (request.host, request.remote_addr or "", request.environ.get("SERVER_NAME", ""))
    return all(map(is_this_machine, names))
