"""What an operator may type to find imports: one text, every reading of it."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from ingest.domain.contacts import (
    email_key,
    normalize_email,
    normalize_phone,
    phone_key,
)
from ingest.domain.errors import InvalidValue
from ingest.domain.lookups import EMAIL, PHONE, Lookup

_PROFILE_ID = re.compile("[0-9a-fA-F]{24}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Every way in which one text may name imports; what it cannot be is None."""

    text: str
    import_id: UUID | None = None
    profile_id: str | None = None
    #: The keys by which matching would find a profile.
    lookups: tuple[Lookup, ...] = ()


def read_term(text: str) -> Term:
    """Read `text` as matching would: emails and phones in their canonical form.

    It may be a producer's feedback id too, which can be any text.
    """
    text = text.strip()
    profile_id = text.lower() if _PROFILE_ID.fullmatch(text) else None
    return Term(
        text=text,
        import_id=_read_import_id(text),
        profile_id=profile_id,
        lookups=tuple(_lookups(text)),
    )


def _read_import_id(text: str) -> UUID | None:
    with suppress(ValueError):
        return UUID(text)
    return None


def _lookups(text: str) -> Iterator[Lookup]:
    readings: tuple[tuple[str, Callable[[object], str], Callable[[str], str]], ...] = (
        (EMAIL, normalize_email, email_key),
        (PHONE, normalize_phone, phone_key),
    )
    for kind, normalize, key in readings:
        with suppress(InvalidValue):
            value = key(normalize(text))
            yield Lookup(kind, value)
            yield Lookup(f"{kind}_sub", value)
