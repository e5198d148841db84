"""What the check of the owner's file finds: slips with the line as it should be, and warnings about a sound file."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from testing.advice import ROOT
from tracker.decisions.shop.faults import FileFault, ShopFileError
from tracker.decisions.shop.form.schema import KEYS
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.warnings import warnings_of

FILE = """\
name = "Linden"
languages = ["en", "de"]

[limits]
popups_per_session = 3
minutes_between = 2.5
never_on = ["/account*"]

[[facts]]
id = "returns"
about = ["returns"]
text = { en = "Free returns in 30 days.", de = "Kostenlose Rückgabe in 30 Tagen." }

[[offers]]
id = "ten"
text = "10% off with the code TEN."
code = "TEN"
min_items = 2
first_visit = true
until = 2027-12-31

[[help]]
id = "chat"
text = "Need help?"
button = "Ask us"
opens = "/pages/contact"

[[rules]]
when = { items = ">= 1", read = "/policies/shipping*" }
say = ["returns", "about:price"]
"""
TODAY = date(2026, 9, 21)
TEXT = 'text = { en = "Free returns in 30 days.", de = "Kostenlose Rückgabe in 30 Tagen." }'
WHEN = 'when = { items = ">= 1", read = "/policies/shipping*" }'
SAY = 'say = ["returns", "about:price"]'


def with_line(old: str, new: str) -> str:
    assert FILE.count(f"{old}\n") == 1, old
    return FILE.replace(f"{old}\n", f"{new}\n")


def line_of(old: str) -> int:
    return FILE[: FILE.index(f"{old}\n")].count("\n") + 1


def faults_of(content: str) -> list[FileFault]:
    with pytest.raises(ShopFileError) as caught:
        parse_shop(content.encode())
    return caught.value.faults


# --- Slips ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("good", "slip", "words"),
    [
        # syntax
        ('name = "Linden"', "name = “Linden”", "curly quotes"),
        ('name = "Linden"', "name = „Linden“", "curly quotes"),
        ('name = "Linden"', "name = ‘Linden’", "curly quotes"),
        ('name = "Linden"', "name = Linden", "a text stands in quotes"),
        ('name = "Linden"', 'name = "Linden', "a quote is missing"),
        ('name = "Linden"', 'name = Linden"', "a quote is missing"),
        ('name = "Linden"', 'name: "Linden"', "between a key and its value stands ="),
        ('name = "Linden"', 'name = "Linden";', "a line ends without a comma or semicolon"),
        ('name = "Linden"', 'name = "Lin\\den"', "a backslash has a meaning of its own"),
        ("minutes_between = 2.5", "minutes_between = 2,5", "a number has a point, not a comma"),
        ("first_visit = true", "first_visit = yes", "yes and no are written true and false"),
        ("first_visit = true", "first_visit = True", "yes and no are written true and false"),
        ("until = 2027-12-31", "until = 31.12.2027", "a day is written as year-month-day"),
        ("until = 2027-12-31", "until = 12/31/2027", "a day is written as year-month-day"),
        ("until = 2027-12-31", "until = 2027/12/31", "a day is written as year-month-day"),
        ('never_on = ["/account*"]', "never_on = [/account*]", "a text stands in quotes"),
        ('never_on = ["/account*"]', 'never_on = ["/account*"', "a bracket is missing"),
        (TEXT, TEXT.replace('"', ""), "a text stands in quotes"),
        (TEXT, TEXT.replace(" }", ""), "a bracket is missing"),
        (TEXT, TEXT.replace(" }", ", }"), "the last value in { } has no comma after it"),
        (TEXT, TEXT.replace(" = ", ": ").replace("text: ", "text = "), "between a key and its value stands ="),
        (TEXT, TEXT.replace("{ ", "{\n").replace(", de", ",\n de").replace(" }", ",\n}"), "stands in one line"),
        (WHEN, WHEN.replace('">= 1"', ">= 1"), "a comparison stands in quotes"),
        (WHEN, WHEN.replace('items = ">= 1"', "items >= 1"), "a comparison stands in quotes"),
        ("[[offers]]", "[[offers]", "a bracket is missing or too many"),
        ("[limits]", "[limits", "a bracket is missing or too many"),
        # tables and keys
        ("[[offers]]", "[offers]", "each of the offers has a header of its own, in two brackets"),
        ("[[facts]]", "[facts]", "each of the facts has a header of its own, in two brackets"),
        ("[[facts]]", "[[fact]]", "did you mean [[facts]]?"),
        ("[[rules]]", "[[rule]]", "did you mean [[rules]]?"),
        ("[limits]", "[limit]", "did you mean [limits]?"),
        ("[limits]", "[[limits]]", "there is one such table"),
        ("popups_per_session = 3", "popup_per_session = 3", 'did you mean "popups_per_session"?'),
        ("min_items = 2", "min_item = 2", 'did you mean "min_items"?'),
        # values
        ("min_items = 2", 'min_items = "2"', "must be a whole number, without quotes"),
        ("minutes_between = 2.5", 'minutes_between = "2,5"', "must be a number, without quotes"),
        ("first_visit = true", 'first_visit = "true"', "must be true or false, without quotes"),
        ("first_visit = true", "first_visit = 1", "must be true or false, without quotes"),
        ("until = 2027-12-31", 'until = "2027-12-31"', "must be a day such as"),
        ("until = 2027-12-31", 'until = "31.12.2027"', "must be a day such as"),
        ('about = ["returns"]', 'about = ["return"]', 'did you mean "returns"?'),
        ('never_on = ["/account*"]', 'never_on = ["account*"]', "must begin with /"),
        ('never_on = ["/account*"]', 'never_on = ["https://linden.example/account*"]', "without its address"),
        ('opens = "/pages/contact"', 'opens = "pages/contact"', "must be a path of the shop such as"),
        ('opens = "/pages/contact"', 'opens = "https://linden.example/pages/contact"', "must be a path of the shop"),
        ('languages = ["en", "de"]', 'languages = ["english", "de"]', 'did you mean "en"?'),
        (TEXT, TEXT.replace("Free returns", "Free\treturns"), "holds a tab"),
        # rules
        (WHEN, WHEN.replace("items", "itmes"), 'did you mean "items"?'),
        (WHEN, WHEN.replace('"/policies', '"policies'), "a path begins with /"),
        (SAY, SAY.replace('"returns"', '"retuns"'), 'no message has the id "retuns": did you mean "returns"?'),
        (SAY, SAY.replace("price", "prize"), 'there is no topic "prize": did you mean "price"?'),
    ],
)
def test_slip_is_named_with_its_line_and_the_line_as_it_should_be(good: str, slip: str, words: str) -> None:
    (fault,) = faults_of(with_line(good, slip))
    assert fault.line == line_of(good)
    assert words in fault.message
    assert re.sub(r"[ ,;]", "", fault.instead) == re.sub(r"[ ,;]", "", good)


@pytest.mark.parametrize(
    ("good", "slip", "instead"),
    [
        ('opens = "/pages/contact"', 'opens = "us@linden.example"', 'opens = "mailto:us@linden.example"'),
        ('opens = "/pages/contact"', 'opens = "+49 30 1234"', 'opens = "tel:+49301234"'),
        ('opens = "/pages/contact"', 'opens = "wa.me/49301234"', 'opens = "https://wa.me/49301234"'),
        ("min_items = 2", 'min_total = "59,90 €"', 'min_total = "59.90 EUR"'),
        ('languages = ["en", "de"]', 'languages = ["en", "de", "jp"]', 'languages = ["en", "de", "ja"]'),
        (WHEN, 'when = { items = true, device = "desktop" }', 'when = { items = ">= 1", device = "desktop" }'),
        ('name = "Linden"', 'name = "Linden "The Loom""', "name = 'Linden \"The Loom\"'"),
        ('code = "TEN"', 'code = "TEN" // for new ones', 'code = "TEN" # for new ones'),
    ],
)
def test_what_was_meant_is_shown(good: str, slip: str, instead: str) -> None:
    (fault,) = faults_of(with_line(good, slip))
    assert (fault.line, fault.instead) == (line_of(good), instead)


@pytest.mark.parametrize(
    ("good", "slip", "words"),
    [
        ("until = 2027-12-31", "until = 2027-02-30", "is no day of the calendar"),
        ('code = "TEN"', 'code = "TEN"\ncode = "TEN"', "the same key stands twice in this table"),
        ("[limits]", '[limits]\ntone = "warm"', "does not belong here but at the beginning of the file"),
        ('about = ["returns"]', 'code = "TEN"', "does not belong here but below [[offers]]"),
        ("min_items = 2", "min_items = 2\nmax_items = 1", "max_items is smaller than min_items"),
        ("min_items = 2", "apply = true", "the button needs words"),
        ('code = "TEN"', 'apply = true\nbutton = "Use"', "apply needs a code"),
        ("min_items = 2", 'apply = true\nbutton = "Use"\nopens = "cart"', "either opens something or applies"),
        ('button = "Ask us"', "", "the button needs words"),
        ('opens = "/pages/contact"', "", "a button needs opens"),
        ('opens = "/pages/contact"', 'opens = "javascript:alert(1)"', "must be a path of the shop such as"),
        ('opens = "/pages/contact"', 'opens = "//evil.example/x"', "must be a path of the shop such as"),
        ('opens = "/pages/contact"', 'opens = "/\\\\evil.example"', "must be a path of the shop such as"),
        ('opens = "/pages/contact"', 'opens = "https://t.me/linden"', "must be a path of the shop such as"),
        ('button = "Ask us"', f'button = "{"x" * 31}"', "must have 1 to 30 characters"),
        ('button = "Ask us"', 'button = { en = "Ask us" }', "no button in de"),
        (SAY, 'say = "about:size"', "no message is about size"),
        (SAY, f"{SAY}\ndelay = 11", "must be from 0 to 10"),
        ('name = "Linden"', 'name = "Linden"\nwording = "modell"', 'did you mean "model"?'),
    ],
)
def test_fault_says_what_is_wrong(good: str, slip: str, words: str) -> None:
    assert words in str(faults_of(with_line(good, slip))[0])


def test_all_slips_of_a_file_are_found_at_once_and_what_is_wrong_with_values_too() -> None:
    content = FILE.replace("true", "yes").replace("2027-12-31", "31.12.2027").replace("[[offers]]", "[offers]")
    content = content.replace("min_items = 2", 'min_items = "2"').replace('"Linden"', "“Linden”")
    assert [fault.instead for fault in faults_of(content)] == [
        *('name = "Linden"', "[[offers]]", "min_items = 2", "first_visit = true", "until = 2027-12-31")
    ]


def test_any_one_sign_that_is_missing_in_the_example_is_put_back() -> None:
    content = (ROOT / "shop.example.toml").read_text("utf-8")
    tried = 0
    for number, line in enumerate(content.split("\n"), 1):
        for at, sign in enumerate(line):
            if line.startswith("#") or sign not in '"[]{}=,':
                continue
            lines = content.split("\n")
            lines[number - 1] = line[:at] + line[at + 1 :]
            try:
                parse_shop("\n".join(lines).encode())
            except ShopFileError as error:
                (fault,) = error.faults
                tried += 1
                assert (fault.line, fault.instead.replace(" ", "")) == (number, line.replace(" ", "")), fault
    assert tried > 200


def test_fault_in_a_table_of_its_own_is_reported_there() -> None:
    content = FILE.replace(WHEN, "[rules.when]\nitems = true").replace(f"{SAY}\n", "")
    (fault,) = faults_of(content)
    assert (fault.line, fault.instead) == (line_of(WHEN) + 1, 'items = ">= 1"')


def test_single_brackets_are_reported_for_each_table() -> None:
    content = 'name = "L"\n[facts]\nid = "a"\ntext = "A."\n[facts]\nid = "b"\ntext = "B."\n'
    assert [(fault.line, fault.instead) for fault in faults_of(content)] == [(2, "[[facts]]"), (5, "[[facts]]")]


def test_curly_quotes_and_apostrophes_inside_a_text_are_left_alone() -> None:
    content = with_line('name = "Linden"', 'name = "Linden’s “Loom”"')
    assert parse_shop(content.encode()).name == "Linden’s “Loom”"


def test_file_of_a_windows_editor_in_utf_16_is_recognised() -> None:
    with pytest.raises(ShopFileError, match="saved as UTF-16: save the file as UTF-8"):
        parse_shop(FILE.encode("utf-16"))


def test_a_models_words_need_a_list_of_plain_words_for_each_language() -> None:
    content = 'name = "L"\nlanguages = ["pt-BR", "ja", "ar"]\nwording = "model"\n'
    (fault,) = faults_of(content)
    assert (fault.line, "for ja, ar" in fault.message) == (3, True)
    assert parse_shop(content.replace('"model"', '"own"').encode()).languages == ("pt-BR", "ja", "ar")


# --- Rules that can never decide anything -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            '[[rules]]\nsay = "returns"\n[[rules]]\nwhen = { items = 1 }\n',
            "is never reached: the one in line 32",
        ),
        (
            '[[rules]]\nwhen = { items = 1 }\nsay = "returns"\n[[rules]]\nwhen = { items = 1 }\n',
            "has the same condition",
        ),
        ('[[rules]]\nwhen = { items = 0 }\nsay = "ten"\n', '"ten" needs 2 items or more'),
        ('[[rules]]\nwhen = { items = "< 2" }\nsay = "ten"\n', '"ten" needs 2 items or more'),
        ('[[rules]]\nwhen = { first_visit = false }\nsay = "ten"\n', '"ten" is for first visits'),
        ('[[rules]]\nwhen = { visit = "> 1" }\nsay = "ten"\n', '"ten" is for first visits'),
        ('[[rules]]\nwhen = { page = "/pages/contact" }\nsay = "chat"\n', "where its button leads"),
        ('[[rules]]\nwhen = { page = "/account" }\nsay = "chat"\n', "which never_on forbids"),
    ],
)
def test_rule_that_can_never_decide_anything_is_a_fault(rules: str, words: str) -> None:
    (fault,) = faults_of(FILE + "\n" + rules)
    assert words in fault.message


@pytest.mark.parametrize(
    "rules",
    [
        '[[rules]]\nwhen = { items = "< 3" }\nsay = "ten"\n',
        '[[rules]]\nwhen = { any = [ { items = 0 }, { items = 5 } ] }\nsay = "ten"\n',
        '[[rules]]\nwhen = { not = { items = 2 } }\nsay = "ten"\n',
        '[[rules]]\nwhen = { items = 0 }\nsay = ["ten", "returns"]\n',
        '[[rules]]\nwhen = { page = "/account*" }\n',
        '[[rules]]\nwhen = { page = ["/account", "/"] }\nsay = "chat"\n',
    ],
)
def test_rule_that_may_decide_something_is_none(rules: str) -> None:
    assert parse_shop((FILE + rules).encode()).rules


# --- Warnings ---------------------------------------------------------------------------------------------------------


def warned(content: str, today: date = TODAY) -> list[str]:
    return [str(one) for one in warnings_of(parse_shop(content.encode()), content, today)]


def test_example_file_and_the_file_above_have_no_warnings() -> None:
    assert warned(FILE) == []
    assert warned((ROOT / "shop.example.toml").read_text("utf-8")) == []


def test_messages_of_the_former_example_that_could_never_appear_are_named() -> None:
    content = (ROOT / "tests/samples/shop-1.0.0.toml").read_text("utf-8")
    said = "\n".join(warned(content))
    assert "line 25: free-returns: is about nothing and no rule says it" in said
    assert "line 29: size-advice: is about nothing and no rule says it" in said
    assert "line 46: chat: offers help but leads nowhere, so it is not shown on the cart page" in said
    assert "welcome-10" not in said


@pytest.mark.parametrize(
    ("good", "new", "warning"),
    [
        ("popups_per_session = 3", "popups_per_session = 0", "line 10: returns: can never appear: popups_per_session"),
        ('never_on = ["/account*"]', 'never_on = "/*"', "line 10: returns: can never appear: never_on forbids every"),
        ('about = ["returns"]', 'pages = ["/account", "/account/orders*"]', "returns: can never appear: never_on"),
        ("min_items = 2", 'min_items = 2\nstages = "product"', "ten: can never appear: with something in the cart"),
        ("min_items = 2", 'max_items = 0\nstages = "cart"', "ten: can never appear: with an empty cart"),
        ('button = "Ask us"', 'pages = "/pages/contact"\nbutton = "Ask"', "chat: can never appear: it is not shown on"),
        (SAY, SAY + "\n[[rules]]\n", "chat: can never appear: no rule says it, and the rule in line 31 always holds"),
        ("until = 2027-12-31", "until = 2026-08-27", "line 20: ten: ended 25 days ago"),
        ("until = 2027-12-31", "until = 2026-09-20", "line 20: ten: ended 1 day ago"),
        ("until = 2027-12-31", "from = 2026-10-01", "line 20: ten: starts in 10 days"),
        ("min_items = 2", "min_total = 60", 'line 18: ten: 60 of any currency: write "60 EUR"'),
        (TEXT, TEXT.replace("30 T", "14 T"), "line 12: returns: the numbers differ: 30 in en, 14 in de"),
        (TEXT, TEXT.replace("in 30 Tagen", "immer"), "returns: the numbers differ: 30 in en, none in de"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(good: str, new: str, warning: str) -> None:
    assert any(warning in one for one in warned(with_line(good, new)))


def test_offer_is_valid_on_its_last_day_and_on_its_first() -> None:
    assert warned(FILE, date(2027, 12, 31)) == []
    assert warned(with_line("until = 2027-12-31", "from = 2026-09-21")) == []


def test_fact_about_nothing_that_a_rule_says_is_no_warning() -> None:
    assert warned(with_line('about = ["returns"]', "")) == []


@pytest.mark.parametrize(
    ("english", "german", "differ"),
    [
        ("1,000 items", "1.000 Artikel", False),
        ("59.90 EUR", "59,90 EUR", False),
        ("59.9 EUR", "59,90 EUR", False),
        ("10% off", "10 % Rabatt", False),
        ("2 to 4 days", "4 Tage, oft 2", False),
        ("from 1 000 EUR", "ab 1.000 EUR", True),
        ("from 1\u00a0000 EUR", "ab 1.000 EUR", False),
        ("10% off", "15 % Rabatt", True),
        ("Free", "Gratis ab 60", True),
        ("Size A4", "Größe A5", False),
        ("10 days", "١٠ أيام", False),
    ],
)
def test_numbers_are_compared_however_a_language_writes_them(english: str, german: str, differ: bool) -> None:
    content = with_line(TEXT, f'text = {{ en = "{english}", de = "{german}" }}')
    assert any("the numbers differ" in one for one in warned(content)) is differ


# --- The document -----------------------------------------------------------------------------------------------------

DOCUMENT = (Path(ROOT) / "docs" / "shop-file.md").read_text("utf-8")


@pytest.mark.parametrize("key", sorted({key for keys in KEYS.values() for key in keys}))
def test_document_explains_every_key_of_the_file(key: str) -> None:
    assert re.search(rf"^[#|].*`\[*{key}\]*`", DOCUMENT, re.MULTILINE)


def test_examples_of_the_document_are_sound() -> None:
    whole, rules = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert warned(whole) == []
    assert parse_shop(((ROOT / "shop.example.toml").read_text("utf-8") + rules).encode()).rules
