"""The owner's pages: settings, set up, visits and messages, by what stands on them."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from testing.advice import ROOT
from tests.integration.conftest import FROM_OWN_PAGE, MakeApp, signed_in
from tracker.app import create_app
from tracker.config import Config
from tracker.owner.setup.sightings import MOST, Sightings, origin_of

VISIT = "af4bac4d-077a-4756-91d0-fa2570fd206f"
SHOP = "https://www.linden.example"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
EXAMPLE = (ROOT / "shop.example.toml").read_text("utf-8")


def text_of(reply: Any) -> str:
    """Return a page as a reader sees its characters."""
    return html.unescape(reply.get_data(as_text=True))


def report(client: FlaskClient, events: dict[str, Any], *, session: str = VISIT, origin: str = SHOP) -> int:
    body = {"session": session, "itemsInCart": 2, "timeOnPage": dict.fromkeys(events, 40000), "events": events}
    return client.post("/ingest", data=json.dumps(body), headers={"Origin": origin}).status_code


@pytest.fixture
def shop_file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text(EXAMPLE, "utf-8")
    return path


@pytest.fixture
def app(make_app: MakeApp, shop_file: Path) -> Flask:
    return make_app(shop_file=shop_file, allowed_origins=(SHOP,))


@pytest.fixture
def owner(app: Flask) -> FlaskClient:
    return signed_in(app)


# --- settings ---------------------------------------------------------------------------------------------------------


def test_settings_say_what_is_set_and_from_where_and_no_secret(tmp_path: Path) -> None:
    token, key = "a-token-that-nobody-may-see", "gsk_canary"
    (tmp_path / ".env").write_text(f"ADMIN_TOKEN={token}\nALLOWED_ORIGIN={SHOP}\nWHATEVER=1\nPORT=9000\n")
    config = Config(storage_file=tmp_path / "s.json", admin_token=token, groq_api_key=key, max_pages=7)
    client = create_app(config, env_file=tmp_path / ".env").test_client()
    client.post("/login", data={"token": token}, headers=FROM_OWN_PAGE)
    text = text_of(client.get("/settings"))

    assert "Do you mean <code>ALLOWED_ORIGINS</code>?" in text
    assert "<code>WHATEVER</code> in <code>.env</code> is no setting" in text
    assert "PORT</code> in" not in text
    assert "· from .env" in text
    assert "· from the environment" in text
    assert token not in text
    assert key not in text


def test_settings_name_what_is_wrong_with_the_file_of_messages(owner: FlaskClient, shop_file: Path) -> None:
    assert "The service is well." in text_of(owner.get("/settings"))
    shop_file.write_text(EXAMPLE.replace("\nname =", "\nnmae ="), "utf-8")

    assert 'did you mean "name"' in text_of(owner.get("/settings"))


# --- set up -----------------------------------------------------------------------------------------------------------


def test_set_up_says_what_was_seen_of_the_shop(app: Flask, owner: FlaskClient) -> None:
    shopper = app.test_client()
    assert "Nothing was heard of your shop yet." in text_of(owner.get("/setup"))
    assert owner.get("/").headers["Location"] == "/setup"
    shopper.get("/storefront.js", headers={"Referer": f"{SHOP}/"})
    assert f"The script is loaded by <b>{SHOP}</b>" in text_of(owner.get("/setup"))
    for _ in range(14):
        assert report(shopper, {"/": []}, origin="https://linden.myshopify.com") == 403
    text = text_of(owner.get("/setup"))
    assert "A page of <b>https://linden.myshopify.com</b> was refused 14 times" in text
    assert f"ALLOWED_ORIGINS={SHOP},https://linden.myshopify.com" in text
    assert report(shopper, {"/": [{"type": "view", "ts": 1}]}) == 200
    text = text_of(owner.get("/setup"))

    assert "Your shop is connected." in text
    assert re.search(rf"First heard from <b>{SHOP}</b> (just now|\d+ seconds? ago|1 minute ago)\.", text)
    assert owner.get("/").headers["Location"] != "/setup"
    report(shopper, {"/": []}, origin="null")
    assert "A checkout was reported by the pixel" in text_of(owner.get("/setup"))


def test_the_line_for_the_theme_has_the_address_of_this_service(make_app: MakeApp) -> None:
    base = "https://tracker.linden.example"
    app = make_app(storefront_script="shop.js")
    client = app.test_client()
    headers = {"Origin": base, "Sec-Fetch-Site": "same-origin"}
    client.post("/login", data={"token": "the-owner's-token-of-the-tests"}, headers=headers, base_url=base)

    assert f'<script defer src="{base}/shop.js"></script>' in text_of(client.get("/setup", base_url=base))


def test_pages_of_the_demo_shop_are_no_shop(app: Flask, owner: FlaskClient) -> None:
    report(app.test_client(), {"/": [{"type": "view", "ts": 1}]}, origin="http://localhost")

    assert "Nothing was heard of your shop yet." in text_of(owner.get("/setup"))


def test_a_page_that_did_not_change_is_not_sent_again(owner: FlaskClient) -> None:
    first = owner.get("/setup")
    again = owner.get("/setup", headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_code in {200, 304}  # 200 only where a minute passed in between
    assert again.status_code == 200 or again.data == b""


class CountingCell:
    """A cell in memory that counts its updates."""

    def __init__(self) -> None:
        self.value: bytes | None = None
        self.updates = 0

    def get(self) -> bytes | None:
        return self.value

    def update(self, change: Any) -> bytes:
        self.updates += 1
        self.value = change(self.value)
        return self.value or b""

    def close(self) -> None:
        pass


def test_sightings_are_shared_and_written_seldom() -> None:
    now, cell = 1_000_000, CountingCell()
    one, other = Sightings(cell, lambda: now), Sightings(cell, lambda: now)
    for step in range(600):
        now = 1_000_000 + step * 100
        one.note("heard", SHOP)

    assert cell.updates <= 3
    (found,) = one.all().of("heard")
    assert found[1].count == 600
    assert other.all().of("heard")[0][0] == SHOP


def test_origins_that_strangers_send_take_no_room_and_no_writes() -> None:
    now, cell = 1_000_000, CountingCell()
    sightings = Sightings(cell, lambda: now)
    for number in range(1000):
        now += 1
        sightings.note("refused", f"https://{number}.evil.example")

    assert cell.updates <= 2
    assert len(sightings.all().of("refused")) == MOST


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"x", b'{"heard":3}', b'{"heard":{"a":[1]}}', b'{"heard":{"a":["x",1,1]}}']
)
def test_a_damaged_cell_counts_as_nothing(value: bytes) -> None:
    cell = CountingCell()
    cell.value = value
    sightings = Sightings(cell, lambda: 5)
    assert sightings.all().of("heard") == []
    sightings.note("heard", SHOP)

    assert [origin for origin, _one in sightings.all().of("heard")] == [SHOP]


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://Shop.example/a?b", "https://shop.example"),
        ("http://shop.example:8080", "http://shop.example:8080"),
        ("null", ""),
        ("file:///x", ""),
        ("https://<b>", ""),
        ("https://sh op", ""),
        ("https://" + "a" * 200, ""),
        ("https://[::1", ""),
        ("https://a:99999", ""),
    ],
)
def test_only_a_plain_origin_is_noted(address: str, origin: str) -> None:
    assert origin_of(address) == origin


# --- visits -----------------------------------------------------------------------------------------------------------


def test_a_visit_is_told_as_a_story_and_can_be_saved_and_deleted(app: Flask, owner: FlaskClient) -> None:
    report(
        app.test_client(),
        {
            "/": [{"type": "view", "ts": 1_790_000_000_000}],
            "/products/linen-shirt": [
                {"type": "view", "ts": 1_790_000_060_000},
                {"type": "click", "ts": 1_790_000_070_000, "target": "#more"},
                {"type": "scroll", "ts": 1_790_000_071_000, "depth": 75},
                {"type": "add_to_cart", "ts": 1_790_000_080_000, "items": 2},
            ],
            "/checkout": [
                {"type": "checkout_completed", "ts": 1_790_000_090_000, "items": 2, "total": 84.9, "currency": "EUR"}
            ],
        },
    )
    assert f"/visits/{VISIT}" in text_of(owner.get("/visits"))
    text = text_of(owner.get(f"/visits/{VISIT}"))
    for told in (
        "Opened the first page",
        "Opened the product “linen-shirt”",
        "1 click, read to 75 %",
        "Put something into the cart: 2 items now",
        "Bought for 84.90 EUR",
        "Monday, 21 September",
    ):
        assert told in text
    saved = owner.get(f"/visits/{VISIT}/record.json")
    assert saved.get_json()["session"] == VISIT
    assert saved.headers["Content-Disposition"].startswith("attachment")

    assert owner.post(f"/visits/{VISIT}/delete", headers=FROM_OWN_PAGE).headers["Location"] == "/visits"
    gone = owner.get(f"/visits/{VISIT}")
    assert gone.status_code == 404
    assert "This visit is not stored" in text_of(gone)


def test_what_a_shopper_sent_never_becomes_markup(app: Flask, owner: FlaskClient) -> None:
    report(
        app.test_client(),
        {
            f"/{HOSTILE}": [{"type": "view", "ts": 1_790_000_000_000, "locale": HOSTILE}],
            f"/products/{HOSTILE}": [
                {"type": HOSTILE, "ts": 1_790_000_001_000},
                {"type": "checkout_completed", "ts": 1_790_000_002_000, "total": 1, "currency": HOSTILE},
                {"type": "popup_shown", "ts": 1_790_000_003_000, "message_id": HOSTILE},
            ],
        },
    )
    for path in ("/visits", f"/visits/{VISIT}", f"/visits/{HOSTILE}", f"/visits?before={HOSTILE}"):
        page = owner.get(path).get_data(as_text=True)
        assert "<script>alert" not in page, path
        assert "<img" not in page, path
        assert ">49" not in page, path


@pytest.mark.parametrize("more", [{"items": "x"}, {"items": -1}, {"total": "1", "currency": 5}, {"depth": None}, {}])
def test_a_visit_with_odd_values_is_told(app: Flask, owner: FlaskClient, more: dict[str, Any]) -> None:
    kinds = ("add_to_cart", "remove_from_cart", "checkout_completed", "scroll", "popup_dropped", "search")
    report(app.test_client(), {"": [{"type": kind, "ts": number, **more} for number, kind in enumerate(kinds)]})

    assert owner.get(f"/visits/{VISIT}").status_code == 200


def test_the_list_of_visits_goes_on(app: Flask, owner: FlaskClient) -> None:
    shopper = app.test_client()
    for number in range(45):
        report(shopper, {"/": [{"type": "view", "ts": 1}]}, session=f"visit-{number:06}")
    first = owner.get("/visits").get_data(as_text=True)
    (more,) = [part.partition('"')[0] for part in first.split('href="/visits?')[1:]]
    rest = owner.get(f"/visits?{html.unescape(more)}").get_data(as_text=True)

    assert first.count("/visits/visit-") == 40
    assert rest.count("/visits/visit-") == 5


# --- messages ---------------------------------------------------------------------------------------------------------


def save(owner: FlaskClient, text: str, was: str) -> Any:
    data = {"text": text.replace("\n", "\r\n"), "was": was}
    return owner.post("/messages-file/save", data=data, headers=FROM_OWN_PAGE, content_type="multipart/form-data")


def version_in(page: str) -> str:
    return page.partition('name="was" value="')[2].partition('"')[0]


def test_messages_say_where_they_can_appear(owner: FlaskClient) -> None:
    text = text_of(owner.get("/messages"))

    for told in (
        "Popups say 5 things",
        "Free returns within 30 days.",
        "It ends on 31 Dec 2027",
        "Only with 2 items or more in the cart, before the first order.",
        "It is chosen when a shopper seems to wonder about shipping or when your rule in line 75 holds.",
    ):
        assert told in text


def test_a_message_is_previewed_in_its_languages_with_its_button(owner: FlaskClient) -> None:
    text = text_of(owner.get("/messages/welcome-10"))

    for told in ("English", "German", "Use the code", "Code einlösen", "Schließen"):
        assert told in text
    assert owner.get("/messages/nothing").status_code == 404


def test_words_are_changed_in_the_file_and_the_version_of_before_is_kept(owner: FlaskClient, shop_file: Path) -> None:
    data = {"text.en": "Free  returns within 60 days.", "text.de": "Kostenlose Rückgabe innerhalb von 60 Tagen."}
    checked = text_of(owner.post("/messages/free-returns", data=data, headers=FROM_OWN_PAGE))
    assert "This is sound. Shall it be saved?" in checked
    assert '+ text = { en = "Free returns within 60 days."' in checked
    assert shop_file.read_text("utf-8") == EXAMPLE, "nothing is saved yet"
    changed = EXAMPLE.replace("within 30 days", "within 60 days").replace("von 30 Tagen", "von 60 Tagen")

    assert save(owner, changed, version_in(checked)).status_code == 303
    assert shop_file.read_text("utf-8") == changed
    assert (shop_file.parent / "shop.toml.1").read_text("utf-8") == EXAMPLE
    assert "within 60 days" in text_of(owner.get("/messages"))
    assert "within 30 days" in text_of(owner.get("/messages-file/1"))


def test_numbers_that_differ_between_languages_are_warned_of(owner: FlaskClient) -> None:
    data = {"text.en": "Free returns within 60 days."}
    checked = text_of(owner.post("/messages/free-returns", data=data, headers=FROM_OWN_PAGE))

    assert "the numbers differ: 60 in en, 30 in de" in checked


def test_a_file_with_mistakes_is_not_saved_and_each_is_named_with_its_line(owner: FlaskClient, shop_file: Path) -> None:
    was = version_in(owner.get("/messages-file").get_data(as_text=True))
    reply = save(
        owner, EXAMPLE.replace("[[offers]]", "[offers]").replace("popups_per_session", "popup_per_session"), was
    )

    assert reply.status_code == 422
    assert "Not yet: 2 mistakes to correct." in text_of(reply)
    assert "[[offers]]" in text_of(reply)
    assert shop_file.read_text("utf-8") == EXAMPLE


def test_a_file_that_somebody_else_changed_meanwhile_is_not_overwritten(owner: FlaskClient, shop_file: Path) -> None:
    was = version_in(owner.get("/messages-file").get_data(as_text=True))
    theirs = EXAMPLE.replace("Linden", "Birch")
    shop_file.write_text(theirs, "utf-8")
    reply = save(owner, EXAMPLE.replace("Linden", "Oak"), was)

    assert reply.status_code == 409
    assert "Somebody else changed the file meanwhile" in text_of(reply)
    assert shop_file.read_text("utf-8") == theirs


def test_five_versions_are_kept(owner: FlaskClient, shop_file: Path) -> None:
    for number in range(8):
        was = version_in(owner.get("/messages-file").get_data(as_text=True))
        assert save(owner, EXAMPLE.replace("Linden", f"Shop {number}"), was).status_code == 303
    kept = [path.name for path in sorted(shop_file.parent.glob("shop.toml*"))]

    assert kept == ["shop.toml", *(f"shop.toml.{number}" for number in range(1, 6))]
    assert "Shop 6" in (shop_file.parent / "shop.toml.1").read_text("utf-8")
    assert "Shop 2" in (shop_file.parent / "shop.toml.5").read_text("utf-8")
    assert text_of(owner.get("/messages")).count("Saved on") == 5
    assert owner.get("/messages-file/6").status_code == 404


def test_without_a_file_the_owner_begins_with_a_sound_one(make_app: MakeApp, tmp_path: Path) -> None:
    owner = signed_in(make_app(shop_file=tmp_path / "new.toml"))
    assert "Popups only lead back to the cart so far." in text_of(owner.get("/messages"))
    page = owner.get("/messages-file").get_data(as_text=True)
    text = html.unescape(page.partition('wrap="off">\n')[2].partition("</textarea>")[0])

    assert save(owner, text, version_in(page)).status_code == 303
    assert "Popups say 2 things" in text_of(owner.get("/messages"))


def test_a_file_that_the_service_may_not_write_can_be_looked_at(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    owner = signed_in(make_app(shop_file=tmp_path / "target"))  # a folder: nobody can write it as a file
    assert "may read but not write here" in text_of(owner.get("/messages"))

    assert save(owner, EXAMPLE, "").status_code == 409


def test_a_changed_file_is_tried_on_the_visits_of_the_last_week(app: Flask, owner: FlaskClient) -> None:
    visit = {
        "/": [{"type": "view", "ts": 1, "visit": 1, "locale": "en-GB"}],
        "/policies/shipping-policy": [{"type": "view", "ts": 30_000}],
        "/cart": [{"type": "view", "ts": 60_000}, {"type": "exit_intent", "ts": 100_000}],
    }
    shopper = app.test_client()
    report(shopper, visit)
    asked = shopper.post("/askai", json={"session": VISIT, "why": "exit"}, headers={"Origin": SHOP}).get_json()
    assert asked["show_popup"], asked["reason"]
    was = version_in(owner.get("/messages-file").get_data(as_text=True))
    silent = EXAMPLE.replace("popups_per_session = 2", "popups_per_session = 0")
    data = {"text": silent, "was": was}
    text = text_of(owner.post("/messages-file/check", data=data, headers=FROM_OWN_PAGE))

    assert "1 of 1 decision in 1 visit would have been different:" in text
    assert f"nothing instead of “{asked['message']}”" in text
