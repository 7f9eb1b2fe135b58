"""Ids and secrets that Penstock makes."""

import base64
import secrets
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from msgspec import Struct


class Name(Struct, frozen=True, kw_only=True):
    """What makes an import the one it is, however often it is asked for."""

    import_id: UUID
    #: Of the request, where its producer chose the name: the name is of this request
    #: and no other.
    fingerprint: str | None = None


def new_profile_id(now: datetime) -> str:
    """Return 24 lower-case hex characters that sort by `now` (contract 1.2)."""
    return f"{int(now.timestamp()):08x}{secrets.token_hex(8)}"


def new_signing_secret() -> str:
    """Return a secret to sign deliveries with, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def derive_import_id(*names: str, milliseconds: int | None = None) -> UUID:
    """Return the one import id of what `names` name, however often it is asked.

    With `milliseconds`, the moment that belongs to the names for ever, it is a
    UUIDv7. Without one it is a UUIDv8 whose first bit is set: no UUIDv7 of these
    millennia has that, so such an id never falls into the receipts of some day.
    """
    # Lengths first, so that no two lists of names read alike.
    told = "".join(f"{len(name)}:{name}" for name in names)
    hashed = int.from_bytes(
        blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    )
    if milliseconds is None:
        version, value = 8, hashed | 1 << 127
    else:
        version = 7
        value = (milliseconds & (1 << 48) - 1) << 80 | hashed & (1 << 80) - 1
    value = value & ~(0xF << 76) | version << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
