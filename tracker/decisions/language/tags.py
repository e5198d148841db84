"""Language tags (BCP 47): `de`, `pt-BR`, `zh-Hant`. Which of a shop's languages is the one for a shopper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_TAG: Final = re.compile(
    r"[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*", re.IGNORECASE
)

# ISO 639-1. Languages with a code of three letters are not listed: each of them is accepted.
_CODES: Final = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
    es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
    ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
    no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw
    ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """
_TWO_LETTERS: Final = frozenset(_CODES.split())

_MEANT: Final = """
    at=de cn=zh cz=cs dk=da gb=en gr=el jp=ja ua=uk us=en english=en german=de deutsch=de french=fr spanish=es
    italian=it portuguese=pt dutch=nl polish=pl swedish=sv arabic=ar hebrew=he japanese=ja chinese=zh
    """
_MISTAKEN: Final = dict(one.split("=") for one in _MEANT.split())
"""Codes of countries and names of languages that are no tags, and the tag that was meant."""

_TRADITIONAL: Final = frozenset({"hk", "mo", "tw"})
"""Where Chinese is written in traditional characters."""


def is_tag(text: str) -> bool:
    """Whether a text is the tag of a language that there is."""
    first = primary(text)
    return _TAG.fullmatch(text) is not None and (len(first) == 3 or first in _TWO_LETTERS)


def canonical(tag: str) -> str:
    """Return a tag as it is usually written: `pt-br` as `pt-BR`, `zh-hant-hk` as `zh-Hant-HK`."""
    first, *rest = tag.split("-")
    return "-".join([first.lower(), *(_SPELLINGS.get(len(part), str.lower)(part) for part in rest)])


_SPELLINGS: Final = {2: str.upper, 4: str.title}


def primary(tag: str) -> str:
    """Return the language of a tag without its script and region: `pt` of `pt-BR`."""
    return tag.partition("-")[0].lower()


def suggestion(text: str) -> str | None:
    """Return the tag that was probably meant by a text that is none: `jp` means `ja`, `pt_BR` means `pt-BR`."""
    meant = _MISTAKEN.get(text.lower(), text.replace("_", "-"))
    return canonical(meant) if is_tag(meant) else None


def best_match(locale: str, languages: Sequence[str]) -> str | None:
    """Return the language of a list for a shopper's locale; None if no language of the list is the shopper's.

    The longest beginning of the locale wins: for `pt-BR` first `pt-BR`, then `pt`. Where no beginning is in the list,
    another form of the same language does: `pt-BR` for a shopper from Portugal, because it is read more easily than
    a foreign language. Chinese is matched by its script first.
    """
    known = {language.lower(): language for language in languages}
    for wanted in _wanted(locale.lower()):
        if wanted in known:
            return known[wanted]
    spoken = primary(locale)
    return next((language for tag, language in known.items() if primary(tag) == spoken), None)


def _wanted(locale: str) -> list[str]:
    parts = locale.split("-")
    wanted = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
    if parts[0] == "zh" and not {"hans", "hant"}.intersection(parts):
        wanted.insert(-1, "zh-hant" if _TRADITIONAL.intersection(parts) else "zh-hans")
    return wanted
