"""Ids and secrets that Penstock makes."""

import base64
import secrets
from datetime import datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from msgspec import Struct

#: How far the clocks of two hosts may be apart.
_CLOCKS_APART = timedelta(hours=1)


class ImportName(Struct, frozen=True, kw_only=True):
    """The name of an import, however often it is sent."""

    import_id: UUID
    #: Of the request, where its producer chose the name: the name is of this request
    #: and no other.
    fingerprint: str | None = None
    #: The id that the same name may have given before; None where it cannot have.
    other_id: UUID | None = None


class Namer(Struct, frozen=True, kw_only=True):
    """Makes ids of what producers name: the same ones in every process, for good.

    The secret of the installation is the key of the hash, so that nobody who guesses a
    name can tell the id. Ids made without it, before `sealed_from`, stay good.
    """

    secret: bytes
    #: From then on ids are made with the secret.
    sealed_from: datetime
    #: By then no receipt is left whose id was made without it.
    plain_until: datetime

    def __repr__(self) -> str:
        """Tell no log the secret."""
        return f"Namer(sealed_from={self.sealed_from})"

    def name(
        self, *names: str, now: datetime, fingerprint: str | None = None
    ) -> ImportName:
        """Return the name of the import that `names` name, asked for at `now`."""
        id_, other = derive_import_id(*names, secret=self.secret), None
        if now < self.plain_until:
            other = derive_import_id(*names)
        if now < self.sealed_from:
            # Releases before this one know no other id, nor what to do with one.
            is_near = now >= self.sealed_from - _CLOCKS_APART
            id_, other = derive_import_id(*names), id_ if is_near else None
        return ImportName(import_id=id_, fingerprint=fingerprint, other_id=other)

    def name_at(self, *names: str, milliseconds: int) -> ImportName:
        """Do so for what has had its moment, `milliseconds`, from the beginning."""
        is_sealed = milliseconds >= self.sealed_from.timestamp() * 1000
        secret = self.secret if is_sealed else b""
        id_ = derive_import_id(*names, milliseconds=milliseconds, secret=secret)
        return ImportName(import_id=id_)

    def list_ids(self, *names: str) -> tuple[UUID, UUID]:
        """Return both ids that the import of `names` may have."""
        return derive_import_id(*names, secret=self.secret), derive_import_id(*names)


def new_profile_ids(now: datetime, count: int) -> list[str]:
    """Return ids of 24 lower-case hex characters that sort by `now` (contract 1.2)."""
    start, rest = f"{int(now.timestamp()):08x}", secrets.token_hex(8 * count)
    return [start + rest[at : at + 16] for at in range(0, len(rest), 16)]


def new_signing_secret() -> str:
    """Return a secret to sign deliveries with, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def derive_import_id(
    *names: str, milliseconds: int | None = None, secret: bytes = b""
) -> UUID:
    """Return the one import id of what `names` name, however often it is asked.

    Who does not know the `secret`, of up to 64 bytes, cannot make the id of a name.

    With `milliseconds`, the moment that belongs to the names for ever, it is a
    UUIDv7. Without one it is a UUIDv8 whose first bit is set: no UUIDv7 of these
    millennia has that, so such an id never falls into the receipts of some day.
    """
    # Lengths first, so that no two lists of names read alike.
    told = "".join(f"{len(name)}:{name}" for name in names)
    hashed = int.from_bytes(
        blake2b(
            told.encode("utf-8", "surrogatepass"), digest_size=16, key=secret
        ).digest()
    )
    if milliseconds is None:
        version, value = 8, hashed | 1 << 127
    else:
        version = 7
        value = (milliseconds & (1 << 48) - 1) << 80 | hashed & (1 << 80) - 1
    value = value & ~(0xF << 76) | version << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
