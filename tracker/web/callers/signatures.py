"""Signatures of webhooks: base64 of the HMAC-SHA256 of the body's bytes, made with a secret that both sides know."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence


def signature(secret: str, body: bytes) -> bytes:
    """Return the signature of a body as its header holds it."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256))


def is_signed(secrets: Sequence[str], body: bytes, sent: str) -> bool:
    """Return whether the header `sent` is the signature of these very bytes, by one of the secrets.

    Bytes are compared, because `compare_digest` refuses text that is not ASCII; and the base64 text, because several
    texts stand for the same digest. All secrets are tried, so that the time does not tell which one fits.
    """
    # WSGI decodes the bytes of a header as Latin-1.
    given = sent.strip().encode("latin-1", "replace")
    return sum([hmac.compare_digest(signature(secret, body), given) for secret in secrets]) > 0
