"""Tokens of confirmations: what opens a link, and is stored nowhere (D2).

A token is the id of a confirmation and a code that only this deployment can make of it.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

from msgspec import Struct

from ingest.domain.secrets import derive_key, parse_secret

#: What the key of the deployment is derived by.
_LABEL = "confirmation tokens"
_CODE_BYTES = 16
#: Of a token: 32 bytes in base64.
TOKEN_LENGTH = 43


def make_confirmation_key(secret: str) -> bytes | None:
    """Return the key that tokens are made with; None without a secret.

    Raises InvalidValue for one that is no secret.
    """
    return derive_key(parse_secret(secret), _LABEL) if secret else None


def make_token(key: bytes, confirmation_id: UUID) -> str:
    """Return the token of a confirmation: always the same, 43 characters."""
    code = _make_code(key, confirmation_id.bytes)
    return urlsafe_b64encode(confirmation_id.bytes + code).decode().rstrip("=")


def read_token(key: bytes, token: str) -> UUID | None:
    """Return the id of the confirmation that `token` opens; None for any other text.

    However much of the code is right, it takes the same time. Of the texts that stand
    for the same bytes, one is the token.
    """
    if len(token) != TOKEN_LENGTH or not token.isascii():
        return None
    try:
        told = urlsafe_b64decode(f"{token}=")
    except ValueError:
        return None
    id_, code = told[:16], told[16:]
    if len(told) != 16 + _CODE_BYTES:
        return None
    if not hmac.compare_digest(code, _make_code(key, id_)):
        return None
    confirmation_id = UUID(bytes=id_)
    return confirmation_id if make_token(key, confirmation_id) == token else None


def _make_code(key: bytes, id_: bytes) -> bytes:
    return hmac.digest(key, id_, sha256)[:_CODE_BYTES]


class ConfirmationLinks(Struct, frozen=True, kw_only=True):
    """Tokens and links of confirmations, added to events as they are sent."""

    key: bytes
    #: Of an intake, without a slash at its end; empty if it has none.
    public_url: str = ""

    def add(self, detail: Mapping[str, object]) -> dict[str, object]:
        """Return the detail of an event with its token, and the link of our page."""
        token = make_token(self.key, UUID(str(detail["confirmation_id"])))
        added = {**detail, "token": token}
        if self.public_url:
            added["url"] = f"{self.public_url}/confirm/{token}"
        return added


def make_links(secret: str, public_url: str) -> ConfirmationLinks | None:
    """Return what opens confirmations; None without a secret."""
    key = make_confirmation_key(secret)
    if key is None:
        return None
    return ConfirmationLinks(key=key, public_url=public_url.rstrip("/"))
