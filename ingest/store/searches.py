"""Imports and profiles found by whatever an operator knows of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.domain.identities import Namer
from ingest.domain.lookups import FORMER_ID, PROFILE_ID
from ingest.domain.terms import Term
from ingest.store.database import Connection
from ingest.store.installation import load_namer
from ingest.store.profiles.aliases import load_aliases
from ingest.store.profiles.lookups import find_profiles
from ingest.store.receipts.read import ImportLine, load_lines
from ingest.store.rows import Id


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileHit:
    """A profile, and what it was found by."""

    database_id: int
    profile_id: str
    #: Kinds of key, such as `email` and `email_sub`.
    found_by: tuple[str, ...]
    email: str | None
    phones: Sequence[str]
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHits:
    """Imports and profiles that a term names; either may be empty."""

    #: By import id, or by feedback id.
    imports: Sequence[ImportLine]
    profiles: Sequence[ProfileHit]


@dataclass(frozen=True, slots=True)
class _Stored:
    database_id: int
    id: str
    email: str | None
    phones: Sequence[str]
    updated_at: datetime


def search(connection: Connection, term: Term) -> SearchHits:
    """Find what `term` names in any database.

    A few profiles at most by each key, as matching reads them (CANDIDATES). An import
    that was rejected has no profile: it is found by its ids only.
    """
    databases = connection.execute(
        "SELECT id, account_id, phone_region FROM databases ORDER BY id"
    ).fetchall()
    import_ids = [term.import_id] if term.import_id else []
    namer = load_namer(connection, receipt_days=0)
    for database_id, account_id, _ in databases:
        import_ids += _named(namer, term.text, database_id, account_id)
    regions = {database_id: region for database_id, _, region in databases}
    imports = load_lines(connection, import_ids)
    imports.sort(key=lambda line: (line.applied_at, line.import_id), reverse=True)
    return SearchHits(
        imports=imports,
        profiles=_find_profiles(connection, term, regions),
    )


def _named(
    namer: Namer, feedback_id: str, database_id: int, account_id: int
) -> Sequence[UUID]:
    """Return the ids of the import that a queue message of this name makes."""
    return namer.list_ids("feedback", str(account_id), str(database_id), feedback_id)


def _find_profiles(
    connection: Connection, term: Term, regions: Mapping[int, str | None]
) -> list[ProfileHit]:
    """Return the profiles that `term` names; `regions` are of phones, by database."""
    found: dict[Id, dict[str, None]] = {}
    if term.profile_id:
        ids = [(database_id, term.profile_id) for database_id in regions]
        found |= {owner: {PROFILE_ID: None} for owner in ids}
        for (database_id, _), alias in load_aliases(connection, ids).items():
            found[database_id, alias.profile_id] = {FORMER_ID: None}
    keys = [
        (database_id, lookup)
        for database_id, region in regions.items()
        for lookup in term.list_lookups(region)
    ]
    hits = find_profiles(connection, keys)
    for (database_id, lookup), profile_ids in hits.items():
        for profile_id in profile_ids:
            found.setdefault((database_id, profile_id), {})[lookup.kind] = None
    return [
        ProfileHit(
            database_id=stored.database_id,
            profile_id=stored.id,
            found_by=tuple(found[stored.database_id, stored.id]),
            email=stored.email,
            phones=stored.phones,
            updated_at=stored.updated_at,
        )
        for stored in _load(connection, list(found))
    ]


def _load(connection: Connection, ids: Sequence[Id]) -> list[_Stored]:
    with connection.cursor(row_factory=class_row(_Stored)) as cursor:
        return cursor.execute(
            """
            SELECT profiles.database_id, profiles.id, email, phones, updated_at
              FROM profiles
              JOIN unnest(%(databases)s::integer[], %(profiles)s::text[])
                   AS wanted (database_id, id)
                ON profiles.database_id = wanted.database_id
               AND profiles.id = wanted.id
             ORDER BY updated_at DESC, profiles.database_id, profiles.id
            """,
            {
                "databases": [database_id for database_id, _ in ids],
                "profiles": [profile_id for _, profile_id in ids],
            },
        ).fetchall()
