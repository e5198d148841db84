"""Signing in: the password, its cookie, wrong tries, and choosing the password in the browser on the first day."""

from __future__ import annotations

import stat
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.integration.conftest import ADMIN_TOKEN, FROM_OWN_PAGE, MakeApp, signed_in
from tracker.app import create_app
from tracker.config import Config
from tracker.owner.login.env_file import with_setting

ANOTHER = "another-token-of-the-owner"
CHOSEN = "chosen-on-the-first-day"
EXAMPLE = Path(__file__).parents[2] / ".env.example"


def sign_in(client: FlaskClient, token: str, **more: str) -> TestResponse:
    return client.post("/login", data={"token": token, **more}, headers=FROM_OWN_PAGE)


# --- the cookie -------------------------------------------------------------------------------------------------------


def test_the_right_password_opens_the_pages_for_seven_days(make_app: MakeApp) -> None:
    with time_machine.travel("2026-11-26 08:00", tick=False) as clock:
        client = signed_in(make_app())
        assert client.get("/settings").status_code == 200
        clock.shift(7 * 86_400 - 1)
        assert client.get("/settings").status_code == 200
        value = client.get_cookie("owner")
        assert value is not None
        clock.shift(2)
        client.set_cookie("owner", value.value)  # a browser that keeps it too long

        assert client.get("/settings").status_code == 303


@pytest.mark.parametrize(("scheme", "name"), [("http", "owner"), ("https", "__Host-owner")])
def test_the_cookie_is_for_this_service_alone(make_app: MakeApp, scheme: str, name: str) -> None:
    base = f"{scheme}://tracker.example"
    headers = {"Origin": base, "Sec-Fetch-Site": "same-origin"}
    reply = make_app().test_client().post("/login", data={"token": ADMIN_TOKEN}, headers=headers, base_url=base)
    (cookie,) = SimpleCookie(reply.headers["Set-Cookie"]).values()

    assert cookie.key == name
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Strict", "/", "")
    assert cookie["max-age"] == str(7 * 86_400)
    assert bool(cookie["secure"]) == (scheme == "https")
    assert ADMIN_TOKEN not in reply.headers["Set-Cookie"]


def test_a_new_token_ends_all_logins(make_app: MakeApp) -> None:
    cookie = signed_in(make_app()).get_cookie("owner")
    assert cookie is not None
    client = make_app(admin_token=ANOTHER).test_client()
    client.set_cookie("owner", cookie.value)

    assert client.get("/settings").status_code == 303


@pytest.mark.parametrize(
    "value", ["", "owner", "owner.x.y", "owner.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb", "é", "." * 4000]
)
def test_a_cookie_that_was_made_up_opens_nothing(client: FlaskClient, value: str) -> None:
    client.set_cookie("owner", value)

    assert client.get("/settings").status_code == 303


def test_the_cookie_does_not_open_the_api_and_the_token_does_not_open_the_pages(make_app: MakeApp) -> None:
    owner = signed_in(make_app())

    assert owner.get("/sessions").status_code == 401
    bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert make_app().test_client().get("/settings", headers=bearer).status_code == 303


def test_signing_out_removes_the_cookie(make_app: MakeApp) -> None:
    owner = signed_in(make_app())
    owner.post("/logout", headers=FROM_OWN_PAGE)

    assert owner.get_cookie("owner") is None
    assert owner.get("/settings").status_code == 303


# --- where it leads ---------------------------------------------------------------------------------------------------


def test_the_bare_address_leads_to_the_login_and_then_to_the_first_page(make_app: MakeApp) -> None:
    app = make_app()
    assert app.test_client().get("/").headers["Location"] == "/login"
    assert signed_in(app).get("/").headers["Location"] == "/setup"


def test_after_the_login_the_page_opens_that_was_asked_for(make_app: MakeApp) -> None:
    client = make_app().test_client()
    asked = client.get("/settings?a=1").headers["Location"]

    assert asked == "/login?next=/settings?a%3D1"
    assert 'value="/settings?a=1"' in client.get(asked).text
    assert sign_in(client, ADMIN_TOKEN, next="/settings?a=1").headers["Location"] == "/settings?a=1"


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nb", "", "/%0d"],
)
def test_the_login_leads_to_no_other_site(client: FlaskClient, wanted: str) -> None:
    assert sign_in(client, ADMIN_TOKEN, next=wanted).headers["Location"] == "/"


# --- wrong tries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", ["", "x", ADMIN_TOKEN[:-1], ADMIN_TOKEN.upper(), "clé", "\ud83d\ude00" * 9, "x" * 9000]
)
def test_a_wrong_password_is_refused_and_shown_nowhere(client: FlaskClient, wrong: str) -> None:
    reply = client.post("/login", data={"token": wrong.encode("utf-8", "surrogatepass")}, headers=FROM_OWN_PAGE)

    assert reply.status_code == 401
    assert "Set-Cookie" not in reply.headers
    assert "This is not the password." in reply.text
    assert len(wrong) < 10 or wrong not in reply.text


def test_many_wrong_tries_are_told_to_wait_and_the_right_password_is_not(client: FlaskClient) -> None:
    replies = [sign_in(client, f"wrong {number}") for number in range(30)]

    assert [reply.status_code for reply in replies] == [401] * 10 + [429] * 20
    assert 1 <= int(replies[-1].headers["Retry-After"]) <= 61
    assert sign_in(client, ADMIN_TOKEN).status_code == 303


def test_wrong_tries_are_forgotten_after_a_minute(client: FlaskClient) -> None:
    with time_machine.travel("2026-11-26 08:00", tick=False) as clock:
        for number in range(11):
            sign_in(client, f"wrong {number}")
        clock.shift(61)

        assert sign_in(client, "wrong again").status_code == 401


# --- choosing it on the first day -------------------------------------------------------------------------------------


def fresh(folder: Path, **settings: Any) -> Flask:
    """Return an application without a token that may take one from `.env` in this folder."""
    config = Config(storage_file=folder / "sessions.json", **settings)
    return create_app(config, env_file=folder / ".env", may_choose_token=True)


def choose(client: FlaskClient, token: str = CHOSEN, **more: Any) -> TestResponse:
    return client.post("/token", data={"token": token}, headers=FROM_OWN_PAGE, **more)


def test_on_the_first_day_the_owner_chooses_the_password_and_is_signed_in(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(EXAMPLE.read_bytes())
    workers = [fresh(tmp_path), fresh(tmp_path)]
    client = workers[0].test_client()
    assert "Choose your password" in client.get("/login").text
    assert choose(client).headers["Location"] == "/"

    assert client.get("/settings").status_code == 200
    for app in workers:  # every process knows it at once
        assert sign_in(app.test_client(), CHOSEN).status_code == 303
        bearer = {"Authorization": f"Bearer {CHOSEN}"}
        assert app.test_client().get("/sessions", headers=bearer).status_code == 200
        assert "Choose your password" not in app.test_client().get("/login").text
    before, after = EXAMPLE.read_text("utf-8").splitlines(), (tmp_path / ".env").read_text("utf-8").splitlines()
    assert [line for line in zip(before, after, strict=True) if line[0] != line[1]] == [
        ("# ADMIN_TOKEN=", f"ADMIN_TOKEN={CHOSEN}")
    ]
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob(".env*")] == [".env"]


def test_a_password_is_chosen_once(tmp_path: Path) -> None:
    app = fresh(tmp_path)
    choose(app.test_client())

    assert choose(app.test_client(), "the-choice-of-a-second-one").status_code == 403
    assert (tmp_path / ".env").read_text() == f"ADMIN_TOKEN={CHOSEN}\n"


@pytest.mark.parametrize(
    "token",
    ["", "short", "with spaces in it all over", "quote'quote'quote'", "new\nline-new-line-new", "ключ-ключ-ключ-ключ"],
)
def test_a_password_that_env_could_not_hold_is_refused(tmp_path: Path, token: str) -> None:
    reply = choose(fresh(tmp_path).test_client(), token)

    assert reply.status_code == 422
    assert "at least 16 characters" in reply.text
    assert not (tmp_path / ".env").exists()


ELSEWHERE: dict[str, dict[str, Any]] = {
    "another machine": {"environ_overrides": {"REMOTE_ADDR": "192.168.1.7"}},
    "a service that all machines can reach": {"environ_overrides": {"SERVER_NAME": "0.0.0.0"}},
    "a name of another site that leads here": {"base_url": "http://evil.example:8000"},
    "a proxy": {"headers": {**FROM_OWN_PAGE, "X-Forwarded-For": "203.0.113.7"}},
    "a tunnel": {"headers": {**FROM_OWN_PAGE, "Forwarded": "for=203.0.113.7"}},
}


@pytest.mark.parametrize("how", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_nobody_else_can_choose_the_password(tmp_path: Path, how: dict[str, Any]) -> None:
    client = fresh(tmp_path).test_client()
    base = str(how.get("base_url", "http://localhost"))
    headers = {**FROM_OWN_PAGE, "Origin": base}
    arguments: dict[str, Any] = {"data": {"token": CHOSEN}, "headers": headers, **how}

    assert client.post("/token", **arguments).status_code == 403
    assert "has no password yet" in client.get("/login", **how).text
    assert not (tmp_path / ".env").exists()


def test_behind_a_proxy_nobody_chooses_the_password_in_a_browser(tmp_path: Path) -> None:
    assert choose(fresh(tmp_path, trusted_proxies=1).test_client()).status_code == 403


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    reply = choose(fresh(tmp_path).test_client())

    assert reply.status_code == 409
    assert "write the line ADMIN_TOKEN=... there by hand" in reply.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "NAME=v\n"),
        ("A=1", "A=1\nNAME=v\n"),
        ("# NAME=\nB=2\n", "NAME=v\nB=2\n"),
        ("# NAME=\nNAME=\n", "# NAME=\nNAME=v\n"),
        ("export NAME = \n", "NAME=v\n"),
        ("NAME=\r\nB=2\r\n", "NAME=v\r\nB=2\r\n"),
        ("# NAME= is for you\n", "# NAME= is for you\nNAME=v\n"),
        ("OTHER_NAME=\nNAME_TOO=\n", "OTHER_NAME=\nNAME_TOO=\nNAME=v\n"),
    ],
)
def test_one_line_of_env_is_written_and_no_other(before: str, after: str) -> None:
    assert with_setting(before, "NAME", "v") == after
