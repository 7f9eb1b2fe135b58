"""Search terms of operators: every reading of one text."""

import re
from collections.abc import Iterator
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

    def list_lookups(self, region: str | None) -> list[Lookup]:
        """Return the keys by which matching would find a profile of a database.

        A phone without `+` is a number of its `region`, where it has one (contract
        16.8).
        """
        return [
            Lookup(f"{kind}{scope}", key)
            for kind, key in self._list_keys(region)
            for scope in ("", "_sub")
        ]

    def _list_keys(self, region: str | None) -> Iterator[tuple[str, str]]:
        with suppress(InvalidValue):
            yield EMAIL, email_key(normalize_email(self.text))
        with suppress(InvalidValue):
            yield PHONE, phone_key(normalize_phone(self.text, region))


def read_term(text: str) -> Term:
    """Read `text` as matching would: emails and phones in their canonical form.

    It may be a producer's feedback id too, which can be any text.
    """
    text = text.strip()
    profile_id = text.lower() if _PROFILE_ID.fullmatch(text) else None
    return Term(text=text, import_id=_read_import_id(text), profile_id=profile_id)


def _read_import_id(text: str) -> UUID | None:
    with suppress(ValueError):
        return UUID(text)
    return None
