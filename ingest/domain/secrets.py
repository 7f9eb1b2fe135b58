"""The secret of this deployment, and the keys that are derived of it.

Each use has a key of its own, so that none tells anything of another.
"""

import hmac
import re
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from hashlib import sha256

from ingest.domain.errors import InvalidValue

#: Bytes that a secret has at least.
SHORTEST = 32
#: The rule for a secret, for people.
KEY_RULE = (
    "Must be at least 32 random bytes in hexadecimal or base64 (such as from"
    " `openssl rand -hex 32`)."
)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_BASE64 = re.compile(r"[A-Za-z0-9_-]+={0,2}")


class InvalidSecret(InvalidValue):
    """A text is no secret; it says what is allowed and never what was sent."""

    def __init__(self) -> None:
        super().__init__(KEY_RULE)


def parse_secret(text: str) -> bytes:
    """Return the bytes of a secret in hexadecimal, or in base64 of either alphabet.

    What is hexadecimal is read so, although it is base64 as well. Raises InvalidSecret.
    """
    is_hex = _HEX.fullmatch(text) is not None
    secret = bytes.fromhex(text) if is_hex else _read_base64(text)
    if len(secret) < SHORTEST:
        raise InvalidSecret
    return secret


def _read_base64(text: str) -> bytes:
    plain = text.replace("+", "-").replace("/", "_")
    if not _BASE64.fullmatch(plain):
        raise InvalidSecret
    bare = plain.rstrip("=")
    try:
        return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except NotBase64:
        raise InvalidSecret from None


def derive_key(secret: bytes, label: str) -> bytes:
    """Return the 32 bytes of the key for one use, which `label` names.

    Whoever has it knows neither the secret nor the key of another label.
    """
    return hmac.digest(secret, label.encode(), sha256)
