"""The cookie of a browser in which the owner has signed in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from flask import Response, request
from itsdangerous import BadSignature, TimestampSigner

DAYS: Final = 7
_SECONDS: Final = DAYS * 86_400


class LoginCookie:
    """A signed moment, and nothing else: nothing is stored about it, and it holds for seven days.

    Its key is derived from the owner's token, so a new token ends all logins.
    """

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def is_there(self) -> bool:
        """Whether the present request carries a valid one."""
        signer, sent = self._signer(), request.cookies.get(_name())
        if signer is None or sent is None:
            return False
        try:
            signer.unsign(sent, max_age=_SECONDS)
        except BadSignature:
            return False
        return True

    def give(self, response: Response) -> None:
        """Set it in the browser, which sends it to this service only, and never from another site's page."""
        signer = self._signer()
        if signer is not None:
            value = signer.sign(b"owner").decode()
            response.set_cookie(
                _name(), value, max_age=_SECONDS, path="/", secure=request.is_secure, httponly=True, samesite="Strict"
            )

    def take_back(self, response: Response) -> None:
        """Remove it from the browser."""
        response.delete_cookie(_name(), path="/", secure=request.is_secure, httponly=True, samesite="Strict")

    def _signer(self) -> TimestampSigner | None:
        token = self._token().encode()
        if not token:
            return None
        key = hashlib.blake2b(token, digest_size=32, person=b"owner's cookie").digest()
        return TimestampSigner(key, salt="owner", digest_method=hashlib.sha256)


def _name() -> str:
    # A browser takes a cookie of the first name over HTTPS only, and from no subdomain.
    return "__Host-owner" if request.is_secure else "owner"
