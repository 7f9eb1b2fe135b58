"""The one way in: what every door does with a request before it queues it."""

from datetime import UTC, datetime
from secrets import token_urlsafe

from msgspec import Struct
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from ingest.domain.catalog import Catalog
from ingest.domain.errors import Forbidden, NotFound
from ingest.domain.excess import refuse_excess
from ingest.domain.identities import ImportName
from ingest.domain.imports import Import, OnAmbiguous
from ingest.domain.lanes import Lane
from ingest.domain.lookups import Search
from ingest.domain.matching import build_route_search, route, route_key
from ingest.domain.ranks import Rank, Ranking
from ingest.domain.tokens import Scope, Token
from ingest.streams.lanes import Addition
from ingest.wire.entries import encode
from ingest.wire.envelopes import Envelope, to_import


class Accepted(Struct, frozen=True, kw_only=True):
    """An import that may be queued, and where."""

    import_: Import
    partition: int
    #: The imports of one key apply in the order accepted.
    key: bytes
    #: What it is matched by.
    search: Search
    #: Of one of several in a request.
    rank: Rank | None = None
    #: None for the one that its door chooses.
    lane: Lane | None = None


def to_addition(accepted: Accepted, lane: Lane, *, awaited: bool) -> Addition:
    """Return the entry of an import, in `lane` unless its request names another."""
    return Addition(
        partition=accepted.partition,
        payload=encode(accepted.import_),
        lane=accepted.lane or lane,
        key=accepted.key,
        rank=accepted.rank,
        awaited=awaited,
    )


def check_right(token: Token, database_id: int, *actions: Scope) -> None:
    """Raise Forbidden unless `token` allows one of `actions` in this database."""
    if not any(token.allows(action, database_id) for action in actions):
        missing = " or ".join(actions)
        if token.actions.isdisjoint(actions):
            raise Forbidden(f"The API token lacks the {missing} scope", "token")
        raise Forbidden("The API token has no access to this database", "db_id")


def check_reader(token: Token, database_id: int, sender_id: int | None) -> bool:
    """Return whether `token` may read what is stored; Forbidden if nothing at all.

    One that may only import, merge, or undo reads what came of what it sent itself
    (`sender_id` is the token that sent it, None where it came without one), and nothing
    that was stored: else it could read any value by writing over it.
    """
    if token.allows(Scope.READ, database_id):
        return True
    corrects = token.allows(Scope.MERGE, database_id) or token.allows(
        Scope.ADMIN, database_id
    )
    if corrects and sender_id == token.id:
        return False
    check_right(token, database_id, Scope.READ, Scope.IMPORT)
    if sender_id != token.id:
        raise Forbidden(
            "The API token lacks the read scope (it can read only its own imports)",
            "token",
        )
    return False


def check_access(token: Token, database_id: int, catalog: Catalog) -> None:
    """Raise Forbidden or NotFound unless `token` may import into the database."""
    check_right(token, database_id, Scope.IMPORT)
    if database_id not in catalog.databases:
        raise NotFound("Database not found", "db_id")


def check_policy(
    token: Token, database_id: int, on_ambiguous: OnAmbiguous | None
) -> None:
    """Raise Forbidden unless `token` may ask for what merges profiles (D4)."""
    if on_ambiguous is OnAmbiguous.MERGE:
        check_right(token, database_id, Scope.MERGE, Scope.ADMIN)


def accept(
    envelope: Envelope,
    *,
    token: Token,
    catalog: Catalog,
    partitions: int,
    door: str,
    name: ImportName | None = None,
) -> Accepted:
    """Give the import of `envelope` its id and its place in the order.

    Without a `name` it is an import of its own, however like another it is.
    Raises Forbidden, NotFound for its database, or InvalidRequest when the matching
    key is missing or malformed: without one there is no place.
    """
    check_access(token, envelope.database_id, catalog)
    check_policy(token, envelope.database_id, envelope.on_ambiguous)
    if token.allows(Scope.CONSENT, envelope.database_id):
        envelope = replace(envelope, may_raise=True)
    import_ = to_import(
        envelope,
        import_id=name.import_id if name else uuid7(),
        accepted_at=datetime.now(UTC),
        door=door,
        token_id=token.id,
        fingerprint=name.fingerprint if name else None,
    )
    if name and name.other_id:
        import_ = replace(import_, other_id=name.other_id)
    return place(import_, catalog, partitions, lane=envelope.lane)


def place(
    import_: Import, catalog: Catalog, partitions: int, *, lane: Lane | None = None
) -> Accepted:
    """Give an import its place in the order.

    Raises InvalidRequest without a matching key, or for more than the limits allow.
    """
    refuse_excess(import_, catalog)
    search = build_route_search(import_, catalog)
    key = route_key(import_, search)
    partition = route(key, partitions)
    return Accepted(
        import_=import_, partition=partition, key=key, search=search, lane=lane
    )


def new_ranking(catalog: Catalog) -> Ranking:
    """Return what ranks the imports of one request, accepted once."""
    return Ranking(token_urlsafe(6), catalog)


def ranked(accepted: Accepted, ranking: Ranking, row: int) -> Accepted:
    """Let an import come after those rows of its request that it must (16.10)."""
    rank = ranking.rank(row, accepted.partition, accepted.import_, accepted.search)
    return replace(accepted, rank=rank)
