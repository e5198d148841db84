"""What is sent to the model: no personal data, a small prompt, and always the same beginning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from testing.advice import NOON, ROOT, MemoryStore, ScriptedModel, desk
from testing.fake_groq import FakeGroq, Received
from tracker.app import create_app
from tracker.config import Config
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.shop import FrequencyCaps
from tracker.decisions.visit.acts import STEMS
from tracker.sessions.model import ShopperSession

CANARIES = {
    "e-mail": """
        jane.roe@mail.example | J.Roe+shop@sub.mail.example | roe_jane@post.example.org | "odd one"@mail.example
        | jane(at)mail(dot)example | JANE.ROE@MAIL.EXAMPLE | мария@почта.example""",
    "phone": """
        +49 170 1234567 | 0170/1234567 | (415) 555-0132 | +1-415-555-0132 | 0041791234567 | 555.0132.415
        | ٠١٧٠١٢٣٤٥٦٧""",
    "card": """
        4111 1111 1111 1111 | 5500-0000-0000-0004 | 340000000000009 | 4111111111111111 exp 09/29 cvc 737
        | ４１１１ １１１１ １１１１ １１１１""",
    "account": """
        DE89 3704 0044 0532 0130 00 | GB29NWBK60161331926819 | FR1420041010050500013M02606 | de89370400440532013000""",
    "token": """
        sk_live_4eC39HqLyjWDarjtT1zdp7dc | ghp_16C7e42F292c6912E7710c838347Ae178B4a | gsk_9XfQzTbVnMkPlOiUyTrEwQ
        | AKIAIOSFODNN7EXAMPLE | xoxb-123456789012-abcdefABCDEF | 3f2504e0-4f89-11d3-9a0c-0305e82c3301
        | shpat_0123456789abcdef0123456789abcdef | Bearer 9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d
        | d41d8cd98f00b204e9800998ecf8427e | Tr0ub4dor&3-hunter2""",
    "jwt": """
        eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U
        | eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJlbWFpbCI6ImphbmVAeC55In0.
        | eyJraWQiOiJqYW5lIn0.eyJuYW1lIjoiSmFuZSBSb2UifQ.c2lnbmF0dXJl""",
    "address": """
        12 Elderberry Lane, Springfield 62704 | Lindenstraße 44b, 10969 Berlin | 8 rue des Acacias, 75017 Paris
        | Via Garibaldi 7, 20121 Milano | P.O. Box 1187, Wellington | Flat 3, 221B Marlow Street | 51.5237,-0.1586""",
    "name": """
        Jane Roe-Winterbottom | My name is Maximilian Mustermann | for Siobhan O'Flaherty please | Frau Dr. Krause
        | gift for aunt Philippa | Ὀδυσσεύς Παπαδόπουλος | 山田太郎 | Müller-Lüdenscheidt""",
    "query": """
        ?email=jane@x.example&token=abc123def | ?reset_key=Zm9vYmFyYmF6 | ?phone=01701234567 | #access_token=ya29.A0AfH6
        | ?q=pregnancy+test+for+Jane | ?customer_id=7788990011 | ?dob=1984-07-23 | ?sig=9f86d081884c7d65""",
    "other": """
        born 23.07.1984 | passport C01X00T47 | 192.168.17.23 | 2001:db8::8a2e:370:7334 | SSN 078-05-1120
        | insured A123456780 | I have diabetes type two | BIC COBADEFFXXX""",
}
PLANTED = [canary.strip() for text in CANARIES.values() for canary in text.split(" | ") if canary.strip()]


FIXED_WORDS = {"click", "moves to leave", "search", *(act.replace("_", " ") for act in STEMS)}
"""What a step may say of acts in a visit that puts nothing into the cart."""

FIELDS = (
    *("target", "text", "url", "href", "id", "classes", "name", "tag"),
    *("value", "label", "placeholder", "title", "referrer", "page", "locale"),
)


def body_with(canary: str, number: int) -> dict[str, Any]:
    """Return the body of an ingest with the canary in every place where a browser can put text."""
    event = {
        "type": "click",
        "ts": NOON - 4000,
        **dict.fromkeys(FIELDS, canary),
        canary[:200]: canary,
        "detail": {"typed": [canary, {canary: canary}]},
    }
    pages = [
        canary,
        f"/{canary}",
        f"/search?q={canary}",
        f"/products/{canary}",
        f"/collections/{canary}/products/{canary}",
    ]
    pages += [f"/products/linen-shirt?{canary}#{canary}", f"Product:/products/{canary}", f"https://x.example/{canary}"]
    events = {page: [event, {**event, "type": canary[:64], "ts": NOON - 3000}] for page in pages}
    return {
        "session": f"{re.sub(r'[^A-Za-z0-9._-]', '-', canary)[:50]}-{number:06}",
        "itemsInCart": 7,
        "timeOnPage": {"/products/xyz": 90_000, **dict.fromkeys(pages, 100_000)},
        "events": {"/": [{"type": "view", "ts": NOON - 9000}], **events},
    }


Ask: TypeAlias = Callable[[list[dict[str, Any]], str], list[Received]]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return a function that asks a fake Groq about sessions, given as bodies, and returns what it received."""

    def ask(bodies: list[dict[str, Any]], shop_text: str) -> list[Received]:
        folder = tmp_path_factory.mktemp("prompts")
        (folder / "shop.toml").write_text(shop_text, "utf-8")
        with FakeGroq() as groq:
            config = Config(
                storage_file=folder / "sessions.json",
                shop_file=folder / "shop.toml",
                groq_api_key="gsk_test",
                groq_base_url=groq.base_url,
                holdout_percent=0.0,
                rate_limits=False,
            )
            # In memory, because hundreds of sessions would wait for a disk's flushes.
            client = create_app(config, store=MemoryStore()).test_client()
            for body in bodies:
                saved = client.post("/ingest", json=body)
                assert saved.status_code == 200, saved.get_json()
                assert client.post("/askai", data=body["session"]).status_code == 200
            assert client.get("/health").get_json().get("notices") is None, "the shop's file is a good one"
            return groq.requests

    return ask


def example(wording: str) -> str:
    return (ROOT / "shop.example.toml").read_text("utf-8").replace('wording = "own"', f'wording = "{wording}"')


def pieces(canary: str) -> set[str]:
    """Return the parts of a canary that would identify a person: its words and numbers."""
    return {piece.lower() for piece in re.findall(r"[^\W_]{4,}", canary)} | {canary.lower()}


def test_there_are_at_least_sixty_different_canaries() -> None:
    assert len(PLANTED) == len(set(PLANTED)) >= 60


@pytest.mark.parametrize("wording", ["own", "model"])
def test_no_planted_personal_data_is_in_any_prompt(asked: Ask, wording: str) -> None:
    bodies = [body_with(canary, number) for number, canary in enumerate(PLANTED)]
    requests = asked(bodies, example(wording))
    assert len(requests) == len(PLANTED)
    for canary, body, request in zip(PLANTED, bodies, requests, strict=True):
        sent = json.dumps(request.json, ensure_ascii=False).lower() + str(sorted(request.headers.items())).lower()
        data = json.dumps(request.data, ensure_ascii=False).lower()
        assert canary.lower() not in sent
        assert [piece for piece in pieces(canary) if piece in data] == [], (canary, data)
        assert body["session"].lower() not in sent
        acts = [part for step in request.data["steps"] for part in step.partition(": ")[2].split(", ") if part]
        assert {re.sub(r" [0-9]+x$", "", act) for act in acts} <= FIXED_WORDS


def test_the_data_of_a_session_has_a_fixed_list_of_keys(asked: Ask) -> None:
    [request] = asked([body_with("x", 1)], example("model"))
    assert request.data.keys() <= {
        *("steps", "signs", "now", "page", "items_in_cart", "cart_total", "visit", "seconds", "on_pages_s", "still_s"),
        *("device", "popups_shown", "popups_dismissed", "may_say", "language"),
    }


# --- bounds -----------------------------------------------------------------------------------------------------------

BYTES_A_TOKEN = 3.5
"""A cautious estimate for texts like these.

With the tokens of OpenAI's o200k_base, the vocabulary of gpt-oss, the prompts below were measured at 3.55 to 3.75 bytes
a token, the largest at 932 tokens (bpe-openai 0.1.4).
"""

TEXTS = {
    "en": "Free returns within 30 days on every order of our linen and wool range, with a label in each parcel",
    "de": "Kostenlose Rückgabe innerhalb von 30 Tagen für alle Leinen- und Wollartikel, mit Etikett in jedem Päckchen",
    "fr": "Retours gratuits sous 30 jours sur toute la gamme de lin et de laine, étiquette fournie dans chaque colis",
}


def full_shop(language: str, wording: str, count: int, id_length: int, size: int) -> str:
    """Return a shop's file that is as large as a file may be."""
    parts = [
        f'name = "{"Linden & Loom, weavers of fine household linen and of woollen blankets since 1897"[:80]}"',
        f'tone = "{"warm, plain, never pushy, a little old-fashioned, with a smile between the lines"[:80]}"',
        f'languages = ["{language}"]\nwording = "{wording}"',
    ]
    for number in range(count):
        name = f"{chr(97 + number)}-returns-and-exchanges-within"[:id_length].strip("-")
        text = (TEXTS[language] * 2)[number : number + size].strip()
        parts.append(f'[[{["facts", "offers", "help"][number % 3]}]]\nid = "{name}"\ntext = "{text}"')
    return "\n".join(parts)


def largest_session(session: str, cart: int) -> dict[str, Any]:
    """Return a body of 5,000 events on 200 pages of all kinds, with the longest handles and the largest numbers."""
    kinds = ["/products/hand-woven-cashmere-scarf-midnight-{}", "/collections/winter-home-and-living-sale-edit-{}"]
    kinds += ["/en-de/pages/about-us-{}", "/cart?x={}", "/search?q={}", "/gift_cards/{}", "/blogs/{}", "/other/{}"]
    pages = ["/", *(kinds[number % 8].format(number) for number in range(199))]
    types = ["popup_dismissed", "popup_shown", "page_view", "add_to_cart_drawer_open"]
    return {
        "session": session,
        "itemsInCart": cart,
        "timeOnPage": dict.fromkeys(pages, 2**53),
        "events": {
            page: [
                {
                    "type": types[event % 2 + 2 if place else event % 4],
                    "ts": 10**12 * (event + 1) + place * 10_000,
                    "locale": "en-US",
                }
                for event in range(25)
            ]
            for place, page in enumerate(pages)
        },
    }


@pytest.mark.parametrize("wording", ["own", "model"])
@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize(
    ("count", "id_length", "size"), [(16, 24, 8), (16, 10, 36), (12, 10, 52), (7, 4, 110), (9, 24, 50)]
)
def test_the_prompt_for_the_largest_session_in_the_largest_shop_stays_small(
    language: str, wording: str, count: int, id_length: int, size: int
) -> None:
    shop = parse_shop(full_shop(language, wording, count, id_length, size).encode())
    shop = replace(shop, caps=FrequencyCaps(popups_per_session=100, minutes_between=0), other_languages="first")
    raw = largest_session("shopper-1", 2**53)
    session = ShopperSession(
        session="shopper-1", items_in_cart=2**53, time_on_page=raw["timeOnPage"], events=raw["events"]
    )
    assert (session.event_count(), len(session.events)) == (5000, 200)
    model = ScriptedModel()
    desk(session, shop=shop, model=model).ask("shopper-1")
    [prompt] = model.prompts
    size_in_bytes = sum(len(part["content"].encode()) for part in prompt)
    assert size_in_bytes < 5000
    assert size_in_bytes / BYTES_A_TOKEN < 1000


def test_the_first_part_of_the_prompt_is_the_same_bytes_for_every_session(asked: Ask) -> None:
    bodies = [largest_session("largest-1", 3), body_with(PLANTED[0], 2), body_with("x", 3)]
    bodies[0]["events"]["/"] = [{"type": "view", "ts": NOON}]
    requests = asked(bodies, example("model"))
    assert len(requests) >= 2
    first = [request.json["messages"][0] for request in requests]
    assert {message["role"] for message in first} == {"system"}
    assert len({message["content"] for message in first}) == 1
    for request in requests:
        assert len(request.json["messages"]) == 2
        assert request.json["response_format"] == requests[0].json["response_format"]
        assert len(request.prompt.encode()) < 5000
