"""The popup's own words, for its buttons: one table of the built-in languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypedDict


class PopupWords(TypedDict):
    """The words of a popup's buttons, by the names under which the storefront script knows them."""

    close: str
    copy: str
    copied: str
    view_cart: str
    apply: str
    open: str
    write: str


_WORDS: Final[Mapping[str, PopupWords]] = {
    "en": {
        "close": "Close",
        "copy": "Copy code",
        "copied": "Copied",
        "view_cart": "View cart",
        "apply": "Apply code",
        "open": "Have a look",
        "write": "Write to us",
    },
    "de": {
        "close": "Schließen",
        "copy": "Code kopieren",
        "copied": "Kopiert",
        "view_cart": "Zum Warenkorb",
        "apply": "Code einlösen",
        "open": "Ansehen",
        "write": "Schreib uns",
    },
    "fr": {
        "close": "Fermer",
        "copy": "Copier le code",
        "copied": "Copié",
        "view_cart": "Voir le panier",
        "apply": "Appliquer le code",
        "open": "Voir",
        "write": "Nous écrire",
    },
    "es": {
        "close": "Cerrar",
        "copy": "Copiar el código",
        "copied": "Copiado",
        "view_cart": "Ver el carrito",
        "apply": "Aplicar el código",
        "open": "Ver",
        "write": "Escríbenos",
    },
    "it": {
        "close": "Chiudi",
        "copy": "Copia il codice",
        "copied": "Copiato",
        "view_cart": "Vedi il carrello",
        "apply": "Applica il codice",
        "open": "Guarda",
        "write": "Scrivici",
    },
    "pt": {
        "close": "Fechar",
        "copy": "Copiar o código",
        "copied": "Copiado",
        "view_cart": "Ver o carrinho",
        "apply": "Aplicar o código",
        "open": "Ver",
        "write": "Escreva-nos",
    },
    "nl": {
        "close": "Sluiten",
        "copy": "Code kopiëren",
        "copied": "Gekopieerd",
        "view_cart": "Winkelwagen bekijken",
        "apply": "Code toepassen",
        "open": "Bekijken",
        "write": "Schrijf ons",
    },
}


def popup_words(language: str) -> PopupWords:
    """Return the words in a language (`de`, `de-AT`); in English for a language that is not built in."""
    return _WORDS.get(language.partition("-")[0].lower(), _WORDS["en"])
