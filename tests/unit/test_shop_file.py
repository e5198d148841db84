"""The owner's file: every fault with its line, languages, frequency caps, and changes without a restart."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.advice import ROOT, example_shop
from tracker.app import create_app
from tracker.config import Config
from tracker.decisions.shop.conditions import parse_when
from tracker.decisions.shop.faults import FileFault, ShopFileError
from tracker.decisions.shop.live_file import ShopFile
from tracker.decisions.shop.messages import BUILT_IN_HELP, Message, Money
from tracker.decisions.shop.owner_file import MAX_MESSAGES, MAX_PROMPT_BYTES, MAX_RULES, parse_shop
from tracker.decisions.shop.shop import FrequencyCaps, Shop
from tracker.decisions.visit.pages import PageName
from tracker.decisions.visit.signals import Signals
from tracker.storage.memory import MemoryStore

GOOD = """\
name = "Linden"
languages = ["en", "de"]

[limits]
popups_per_session = 3

[[facts]]
id = "returns"
text = { en = "Free returns.", de = "Kostenlose Rückgabe." }

[[offers]]
id = "ten"
text = "10% off with the code TEN."
code = "TEN"
from = 2026-01-01
until = 2026-12-31
"""


EVERY_KEY = """\
name = "Linden"
tone = "warm"
languages = ["en", "pt-br", "ar"]
other_languages = "first"
wording = "own"
discretion = "discreet"

[limits]
popups_per_session = 1
minutes_between = 2.5
never_on = "/account*"
days_after_dismissal = 14
days_after_purchase = 3

[[help]]
id = "chat"
text = { en = "Ask us.", pt-BR = "Pergunte.", ar = "اسألنا." }
button = "Ask"
opens = "https://wa.me/4912345678"
once_in_days = 30

[[facts]]
id = "sizes"
about = ["size", "returns"]
text = "All sizes run small."
button = "Sizes"
opens = "event:open-sizes"
pages = "/products/*"
stages = ["product", "cart"]
max_items = 3

[[offers]]
id = "ten"
text = "10% off with the code TEN."
code = "TEN"
apply = true
button = "Use it"
from = 2026-01-01
until = 2027-12-31
min_items = 1
min_total = "59.90 EUR"
first_visit = true
first_order = true

[[rules]]
when = { items = ">= 1", device = ["phone", "tablet"] }
say = ["about:price", "sizes"]
delay = 10

[[rules]] # silence
when = { any = [ { page = "/cart" }, { not = { first_visit = true } } ] }
"""
SAMPLES = ROOT / "tests" / "samples"


def faults_of(content: str | bytes) -> list[FileFault]:
    with pytest.raises(ShopFileError) as caught:
        parse_shop(content.encode() if isinstance(content, str) else content)
    assert str(caught.value) == "; ".join(map(str, caught.value.faults))
    return caught.value.faults


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def line_of(content: str, part: str) -> int:
    return content[: content.index(part)].count("\n") + 1


def test_the_example_file_is_a_valid_shop() -> None:
    shop = example_shop()
    assert (shop.name, shop.languages, shop.wording) == ("Linden & Loom", ("en", "de"), "own")
    assert shop.caps == FrequencyCaps(
        popups_per_session=2, minutes_between=10, never_on=("/account*", "/pages/contact")
    )
    assert [(one.id, one.kind) for one in shop.messages] == [
        ("free-returns", "fact"),
        ("shipping", "fact"),
        ("size-advice", "fact"),
        ("welcome-10", "offer"),
        ("chat", "help"),
    ]
    offer = shop.find("welcome-10")
    assert offer is not None
    assert (offer.code, offer.first_day, offer.last_day) == ("WELCOME10", date(2026, 1, 1), date(2027, 12, 31))
    assert (offer.min_items, offer.first_order, offer.apply, offer.button_in("de")) == (2, True, True, "Code einlösen")
    assert [(rule.say, rule.delay_s) for rule in shop.rules] == [
        ((), None),
        (("shipping", "chat"), None),
        (("size-advice",), 2),
    ]


def test_a_file_with_a_name_alone_offers_help() -> None:
    shop = parse_shop(b'name = "Linden"')
    assert (shop.messages, shop.languages, shop.caps) == ((BUILT_IN_HELP,), ("en",), FrequencyCaps())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_byte_order_mark_and_all_line_ends_are_accepted(mark: str, end: str) -> None:
    assert parse_shop((mark + GOOD.replace("\n", end)).encode()).find("ten") is not None


def test_a_file_in_the_form_of_1_0_0_means_what_it_meant() -> None:
    shop = parse_shop((SAMPLES / "shop-1.0.0.toml").read_bytes())
    assert [(one.id, one.kind, set(one.about), set(one.stages)) for one in shop.messages] == [
        ("free-returns", "fact", set(), set()),
        ("size-advice", "fact", set(), {"product"}),
        ("welcome-10", "offer", {"price"}, set()),
        ("chat", "help", {"contact"}, set()),
    ]
    offer = shop.messages[2]
    assert (offer.code, offer.min_items, offer.first_visit, offer.apply, offer.opens) == (
        *("WELCOME10", 2, True, False, None),
    )
    assert (shop.rules, shop.discretion, shop.other_languages) == ((), "balanced", "silence")
    assert shop.caps == FrequencyCaps(never_on=("/account*", "/pages/contact"))


def test_the_file_of_the_labelled_visits_means_what_it_says() -> None:
    shop = parse_shop((SAMPLES / "shop-linden.toml").read_bytes())
    assert [(one.id, set(one.about)) for one in shop.messages] == [
        ("free-returns", {"returns"}),
        ("shipping", {"shipping"}),
        ("size-advice", {"size"}),
        ("welcome-10", {"price"}),
        ("trio-15", {"quantity"}),
        ("chat", {"contact"}),
        ("bulk", {"quantity", "contact"}),
    ]
    assert shop.rules == ()


def test_a_file_uses_every_key() -> None:
    shop = parse_shop(EVERY_KEY.encode())
    assert (shop.languages, shop.other_languages, shop.wording, shop.discretion) == (
        *(("en", "pt-BR", "ar"), "first", "own", "discreet"),
    )
    assert shop.caps == FrequencyCaps(
        popups_per_session=1,
        minutes_between=2.5,
        never_on=("/account*",),
        days_after_dismissal=14,
        days_after_purchase=3,
    )
    chat, sizes, ten = shop.messages
    assert chat == Message(
        id="chat",
        kind="help",
        texts={"en": "Ask us.", "pt-BR": "Pergunte.", "ar": "اسألنا."},
        about=frozenset({"contact"}),
        opens="https://wa.me/4912345678",
        button={"en": "Ask"},
        once_in_days=30,
    )
    assert (sizes.pages, sizes.max_items, sizes.opens) == (("/products/*",), 3, "event:open-sizes")
    assert (ten.min_total, ten.first_visit, ten.apply) == (Money(5990, "EUR"), True, True)
    assert [(rule.say, rule.delay_s, rule.line) for rule in shop.rules] == [
        (("ten", "sizes"), 10, line_of(EVERY_KEY, "[[rules]]")),
        ((), None, line_of(EVERY_KEY, "[[rules]] # silence")),
    ]
    assert shop.rules[0].when == parse_when({"items": ">= 1", "device": ["phone", "tablet"]})


def test_messages_stand_in_the_order_of_the_file_and_a_topic_means_all_that_are_about_it() -> None:
    content = GOOD.replace('id = "returns"', 'id = "returns"\nabout = "price"')
    content += (
        '[[facts]]\nid = "last"\nabout = ["size", "price"]\ntext = "Last."\n[[rules]]\nsay = ["last", "about:price"]\n'
    )
    shop = parse_shop(content.encode())
    assert [one.id for one in shop.messages] == ["returns", "ten", "last", "help"]
    assert shop.rules[0].say == ("last", "returns", "ten")


def test_built_in_help_is_left_out_where_it_lacks_a_language() -> None:
    content = 'name = "Linden"\nlanguages = ["en", "ja"]\n[[facts]]\nid = "a"\ntext = { en = "A.", ja = "あ。" }\n'
    assert [one.id for one in parse_shop(content.encode()).messages] == ["a"]


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ('name = "Linden"', "", "", "name: is missing"),
        ('name = "Linden"', 'name = ""', "name", "name: must have 1 to 80"),
        ('name = "Linden"', f'name = "{"L" * 81}"', "name", "name: must have 1 to 80"),
        ('name = "Linden"', "name = 7", "name", "name: must be a text in quotes"),
        ('name = "Linden"', 'name = "Linden"\nnmae = "x"', "nmae", 'nmae: "nmae" is unknown: did you mean "name"?'),
        ('name = "Linden"', 'name = "Linden"\nwording = "mine"', "wording", "wording: must be one of: own, model"),
        ('name = "Linden"', f'name = "Linden"\ntone = "{"t" * 81}"', "tone", "tone: must have at most 80"),
        ('["en", "de"]', '["en", "xx"]', "languages", "languages.2: must be a language tag"),
        ('["en", "de"]', "[]", "languages", "languages: must name at least one language"),
        ('["en", "de"]', "7", "languages", "languages: not a valid list"),
        ('["en", "de"]', '["en", "de", "fr"]', "text = { en", "facts: no text in fr"),
        ('["en", "de"]', '["en"]', "text = { en", "facts: de is not among the languages"),
        ("popups_per_session = 3", "popups_per_session = 101", "popups_per_session", "limits.popups_per_session: must"),
        ("popups_per_session = 3", "popups_per_session = 1.5", "popups_per_session", "limits.popups_per_session: must"),
        ("popups_per_session = 3", "minutes_between = -1", "minutes_between", "limits.minutes_between: must be"),
        ("popups_per_session = 3", "minutes_between = nan", "minutes_between", "limits.minutes_between: "),
        ("popups_per_session = 3", 'never_on = ["account"]', "never_on", "limits.never_on.1: must begin with /"),
        ("popups_per_session = 3", "popups = 3", "popups", 'did you mean "popups_per_session"?'),
        ('id = "returns"', "", "[[facts]]", "facts.1.id: is missing"),
        ('id = "returns"', 'id = "Free Returns"', 'id = "Free', "facts.1.id: must be small letters"),
        ('id = "returns"', f'id = "{"r" * 25}"', 'id = "rr', "facts.1.id: must have 1 to 24"),
        ('id = "returns"', 'id = "ten"', "[[offers]]", 'the id "ten" is taken'),
        ('id = "returns"', 'id = "none"', 'id = "none"', 'the id "none" is taken'),
        (
            'id = "returns"',
            'id = "returns"\nstages = ["checkout"]',
            "stages",
            "facts.1.stages.1: must be one of: landed",
        ),
        (
            'id = "returns"',
            'id = "returns"\ncode = "X"',
            'code = "X"',
            "does not belong here but below [[offers]]",
        ),
        ('de = "Kostenlose Rückgabe."', "de = 7", "text = { en", "facts.1.text: must be a text, or a table"),
        ('de = "Kostenlose Rückgabe."', 'de = ""', "text = { en", "facts.1.text: must have 1 to 120 characters"),
        ('"10% off with the code TEN."', "{}", "text = {}", "offers.1.text: must be a text, or a table"),
        ('"10% off with the code TEN."', f'"{"TEN " * 31}"', 'text = "TEN', "offers.1.text: must have 1 to 120"),
        ("10% off with", "<b>10%</b> off with", 'text = "<b>', "offers.1.text: holds markup"),
        ("10% off with", "See shop.example for", 'text = "See', "offers.1.text: holds a link or an address"),
        (
            "10% off with",
            "10\\u202e% off with",
            'text = "10',
            "offers.1.text: holds a control, bidirectional or hidden",
        ),
        ("10% off with the code TEN.", "10% off.", 'text = "10', "offers: the text does not name the code TEN"),
        ('code = "TEN"', 'code = "T E N"', 'code = "T E', "offers.1.code: must be letters and digits"),
        ("from = 2026-01-01", 'from = "2026-01-01"', "from", "offers.1.from: must be a day such as"),
        ("from = 2026-01-01", "from = 2026-01-01T10:00:00", "from", "offers.1.from: must be a day such as"),
        ("until = 2026-12-31", "until = 2025-12-31", "until", "offers: until is before from"),
        ("until = 2026-12-31", "min_items = -1", "min_items", "offers.1.min_items: must be from 0"),
        ("until = 2026-12-31", "first_visit = 7", "first_visit", "offers.1.first_visit: must be true or false"),
        ("until = 2026-12-31", "until = 2026-13-31", "until", "is no day of the calendar"),
        ("[[offers]]", "[[offers]", "[[offers]", "a bracket is missing"),
        ('name = "Linden"', 'name = "Linden', "name", "a quote is missing"),
        ("[[offers]]", "[[offer]]", "[[offer]]", "[[offer]] is unknown: did you mean [[offers]]?"),
        ("[[facts]]", "[facts]", "[facts]", "each of the facts has a header of its own"),
    ],
)
def test_every_fault_is_reported_with_its_line(old: str, new: str, at: str, words: str) -> None:
    content = changed(old, new)
    faults = faults_of(content)
    told = [str(fault) for fault in faults]
    assert any(words in fault.message for fault in faults), told
    fault = next(fault for fault in faults if words in fault.message)
    if '"ten" is taken' in words:
        assert fault.line == line_of(content, '[[offers]]\nid = "ten"') + 1, told
    else:
        assert fault.line == line_of(content, at), told


def test_a_fault_in_the_second_offer_is_reported_at_the_second() -> None:
    content = GOOD + '\n[[offers]]\nid = "b"\ntext = "B."\nmin_items = "many"\n'
    assert faults_of(content) == [
        FileFault(line_of(content, "min_items"), "offers.2.min_items: must be a whole number such as 3")
    ]


def test_all_faults_are_reported_at_once_in_the_order_of_their_lines() -> None:
    content = changed('name = "Linden"', "name = 7").replace('code = "TEN"', 'code = "T N"') + 'kind = "x"\n'
    faults = faults_of(content)
    assert [fault.line for fault in faults] == [1, line_of(content, 'code = "T N"'), line_of(content, "kind")]


def test_bytes_that_are_not_utf8_are_reported_with_their_line() -> None:
    assert faults_of(b'name = "Linden"\ntone = "caf\xe9"\n') == [FileFault(2, "not UTF-8: save the file as UTF-8")]
    assert [fault.line for fault in faults_of("a = 1\n\nb = \n")] == [3]


@pytest.mark.parametrize(
    "content", ["x = " + "[" * 50_000, "x = " + "9" * 5000, "x = { a = " * 5000, "a" * (256 * 1024 + 1)]
)
def test_a_file_that_is_far_too_long_or_deep_has_one_fault(content: str) -> None:
    assert len(faults_of(content)) == 1


def test_the_number_and_the_size_of_messages_are_bounded_exactly() -> None:
    def shop_of(count: int, size: int) -> bytes:
        facts = "".join(f'[[facts]]\nid = "f{number:02}"\ntext = "{"x" * size}"\n' for number in range(count))
        return f'name = "Linden"\n{facts}'.encode()

    assert len(parse_shop(shop_of(MAX_MESSAGES, 20)).messages) == MAX_MESSAGES + 1
    assert "17 facts, offers and messages of help: at most 16 together" in str(faults_of(shop_of(17, 20))[0])
    size = (MAX_PROMPT_BYTES - 60) // 10
    assert len(parse_shop(shop_of(10, size)).messages) == 11
    assert faults_of(shop_of(10, size + 1)) == [
        FileFault(
            1,
            f"all messages with their ids take {MAX_PROMPT_BYTES + 10} bytes of a question to the model: at most"
            f" {MAX_PROMPT_BYTES}; say fewer or shorter ones",
        )
    ]


def test_the_number_of_rules_is_bounded_exactly() -> None:
    def shop_of(count: int) -> bytes:
        rules = "".join(f"[[rules]]\nwhen = {{ items = {number} }}\n" for number in range(count))
        return f'name = "Linden"\n{rules}'.encode()

    assert len(parse_shop(shop_of(MAX_RULES)).rules) == MAX_RULES
    assert faults_of(shop_of(MAX_RULES + 1)) == [FileFault(1, f"{MAX_RULES + 1} rules: at most {MAX_RULES}")]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ar", "إرجاع مجاني خلال 30 يومًا."),
        ("he", "החזרה חינם תוך 30 יום."),
        ("fa", "بازگشت رایگان تا ۳۰ روز؛ می‌توانید بپرسید."),  # with a zero-width non-joiner
        ("ja", "30日以内は返品無料です。"),
        ("zh-Hant", "30 天內免費退貨。"),
        ("th", "คืนสินค้าฟรีภายใน 30 วัน"),
        ("hi", "30 दिनों के भीतर मुफ़्त वापसी।"),
        ("pl", "Bezpłatny zwrot w ciągu 30 dni."),
        ("sv", "Fri retur inom 30 dagar."),
        ("pt-BR", "Devolução grátis em até 30 dias."),
    ],
)
def test_messages_may_be_in_any_language(language: str, text: str) -> None:
    content = f'name = "L"\nlanguages = ["{language}"]\n[[facts]]\nid = "a"\nabout = "returns"\ntext = "{text}"\n'
    shop = parse_shop(content.encode())
    assert shop.messages[0].text_in(shop.language_for(language)) == text


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_content_is_a_shop_or_has_faults_with_lines(text: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    lines = content.count(b"\n") + content.count(b"\r") + 1
    faults = []
    try:
        parse_shop(content)
    except ShopFileError as error:
        faults = error.faults or [FileFault(0, "no fault named")]
    assert all(1 <= fault.line <= lines for fault in faults)


# --- what a shop says -------------------------------------------------------------------------------------------------


def test_a_text_without_a_language_is_in_the_shops_first_one() -> None:
    shop = parse_shop(changed('["en", "de"]', '["de", "en"]').encode())
    offer = shop.find("ten")
    assert offer is not None
    assert dict(offer.texts) == {"de": "10% off with the code TEN."}


def test_messages_apply_to_the_shoppers_and_days_that_the_file_names() -> None:
    def ids(today: date, **signals: object) -> list[str]:
        return [one.id for one in example_shop().applicable(Signals(**signals), today)]  # type: ignore[arg-type]

    today = date(2026, 9, 21)
    assert ids(today, items_in_cart=1) == ["free-returns", "shipping", "chat"]
    assert ids(today, items_in_cart=2) == ["free-returns", "shipping", "welcome-10", "chat"]
    assert ids(today, items_in_cart=2, orders=1) == ["free-returns", "shipping", "chat"]
    assert ids(date(2028, 1, 1), items_in_cart=2) == ["free-returns", "shipping", "chat"]
    assert ids(today, stage="product") == ["free-returns", "shipping", "size-advice", "chat"]


@pytest.mark.parametrize(
    ("path", "forbidden"),
    [
        ("/account", True),
        ("/account/login", True),
        ("/de/account/login", True),
        ("/en-de/account", True),
        ("/pages/contact", True),
        ("/fr/pages/contact", True),
        ("/pages/contact-lenses", False),
        ("/my/account", True),
        ("/shop/account", False),
        ("", False),
    ],
)
def test_pages_without_popups_are_recognised_in_every_language(path: str, forbidden: bool) -> None:
    assert example_shop().caps.forbid(PageName.parse(path)) is forbidden


# --- taking up a change -----------------------------------------------------------------------------------------------


def write(path: Path, content: str) -> None:
    """Write as an editor does: beside, then renamed over."""
    path.with_suffix(".new").write_text(content, "utf-8")
    path.with_suffix(".new").replace(path)


def test_a_missing_file_is_a_shop_that_offers_help_without_a_problem(tmp_path: Path) -> None:
    file = ShopFile(tmp_path / "shop.toml")
    assert (file.current(), file.problem) == (Shop(), None)


def test_a_changed_file_takes_effect_and_so_does_a_removed_one(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    file = ShopFile(path)
    write(path, GOOD)
    first = file.current()
    assert first.name == "Linden"
    assert file.current() is first, "read once as long as it stays the same"
    write(path, changed("Linden", "Linde"))
    assert file.current().name == "Linde"
    assert file.current().version != first.version
    path.unlink()
    assert file.current() == Shop()


def test_a_faulty_file_keeps_the_last_good_one_and_reports_the_problem(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    file = ShopFile(path)
    write(path, GOOD)
    assert [file.current().name, file.problem] == ["Linden", None]
    for broken in (changed("[[facts]]", "[[facts]"), changed("Linden", ""), "x = " + "[" * 50_000):
        write(path, broken)
        assert file.current().name == "Linden"
        problem = str(file.problem)
        assert "the last good one stays in force. line " in problem
        assert str(tmp_path) not in problem
    write(path, GOOD)
    assert [file.current().name, file.problem] == ["Linden", None]


def test_a_file_that_is_faulty_from_the_start_leaves_only_help(tmp_path: Path) -> None:
    write(tmp_path / "shop.toml", "nonsense")
    file = ShopFile(tmp_path / "shop.toml")
    assert file.current() == Shop()
    assert file.problem is not None


def test_a_file_that_cannot_be_read_keeps_the_last_good_one(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    file = ShopFile(path)
    write(path, GOOD)
    assert file.current().name == "Linden"
    path.unlink()
    path.mkdir()
    assert file.current().name == "Linden"
    assert file.problem == "The shop's file cannot be read; the last good one stays in force."


def test_health_reports_a_faulty_file_until_it_is_corrected(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    config = Config(storage_file=tmp_path / "sessions.json", shop_file=path, holdout_percent=0.0)
    client = create_app(config, store=MemoryStore()).test_client()
    write(path, GOOD)
    assert "notices" not in client.get("/health").get_json()
    write(path, changed('code = "TEN"', 'code = "T E N"'))
    answer = client.get("/health")
    assert (answer.status_code, answer.get_json()["ok"]) == (200, True), "the service itself is well"
    [notice] = answer.get_json()["notices"]
    assert "line 14: offers.1.code: must be letters and digits" in notice
    write(path, GOOD)
    assert "notices" not in client.get("/health").get_json()


def test_two_writes_with_the_same_time_stamp_are_both_noticed(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    file = ShopFile(path)
    for name in ("Linda", "Lindo", "Lindu"):
        write(path, changed("Linden", name))
        os.utime(path, ns=(1, 1))
        assert file.current().name == name


def test_the_example_file_names_the_command_that_checks_it() -> None:
    assert "flask shop check" in (ROOT / "shop.example.toml").read_text("utf-8")
