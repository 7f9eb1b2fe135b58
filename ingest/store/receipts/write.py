"""Receipts: one row for every accepted import, and the proof that it was applied."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from msgspec import Struct, to_builtins
from msgspec.structs import asdict

from ingest.domain.answers import Answer
from ingest.domain.errors import Fault
from ingest.domain.imports import Import, Outcome, State
from ingest.store.database import Connection
from ingest.store.rows import dump_array, execute_rows


class Receipt(Struct, frozen=True, kw_only=True):
    """An import, what came of it, and when it was worked on."""

    import_: Import
    outcome: Outcome
    started_at: datetime


def find_answers(
    connection: Connection, import_ids: Iterable[UUID]
) -> dict[UUID, Answer]:
    """Return the answers of those of `import_ids` that have been applied."""
    return {answer.import_id: answer for answer in ask_answers(connection, import_ids)}


def ask_answers(connection: Connection, import_ids: Iterable[UUID]) -> Iterator[Answer]:
    """Do as `find_answers`, but send the question only: the answers come when read."""
    rows = connection.execute(
        """
        SELECT import_id, error, error_text, profile_id, accepted_at, fingerprint,
               kept
          FROM imports
         WHERE import_id = ANY(%(ids)s::uuid[])
        """,
        {"ids": dump_array(list(import_ids))},
    )
    return (
        Answer(
            import_id=import_id,
            error=error,
            error_text=text,
            profile_id=profile_id,
            accepted_at=accepted_at,
            fingerprint=fingerprint,
            kept=tuple(one["path"] for one in kept or () if "stored" not in one),
        )
        for import_id, error, text, profile_id, accepted_at, fingerprint, kept in rows
    )


def insert_receipts(
    connection: Connection, receipts: Sequence[Receipt], now: datetime
) -> None:
    """Insert `receipts`; raise UniqueViolation if an import already has one.

    That is what makes an import's effect happen once: the transaction that applies
    it cannot commit without being the first to write its receipt.
    """
    execute_rows(
        connection,
        """
        INSERT INTO imports
               (import_id, database_id, door, token_id, operation, matching,
                matched_by, state, error, error_text, faults, profile_id, changes,
                skipped, skip_triggers, accepted_at, started_at, applied_at,
                fingerprint, warnings, operators, claims, kept, undoes,
                candidates, profiles, decision, protected, reason)
        SELECT import_id, database_id, door, token_id, operation, matching,
               matched_by, state, error, error_text, faults, profile_id, changes,
               skipped, skip_triggers, accepted_at, started_at, %(now)s,
               fingerprint, warnings, operators, claims, kept, undoes,
               candidates, profiles, decision, protected, reason
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (import_id uuid, database_id integer, door text,
                         token_id integer, operation text, matching text,
                         matched_by text, state text, error integer, error_text text,
                         faults jsonb, profile_id text, changes jsonb, skipped jsonb,
                         skip_triggers boolean, accepted_at timestamptz,
                         started_at timestamptz, fingerprint text,
                         warnings jsonb, operators jsonb, claims jsonb,
                         kept jsonb, undoes uuid, candidates jsonb,
                         profiles text[], decision jsonb, protected integer,
                         reason text)
        """,
        receipts,
        now,
        _dump,
    )


def copy_receipts(connection: Connection, imports: Iterable[Import]) -> None:
    """Give those of `imports` a receipt that have one by their other id.

    It is the same import, named before the secret was: it is not applied again, and
    whoever asks by the new id finds what came of it.
    """
    pairs = {one.import_id: one.other_id for one in imports if one.other_id is not None}
    if not pairs:
        return
    connection.execute(
        """
        WITH copied AS (
             INSERT INTO imports
                    (import_id, database_id, door, token_id, operation, matching,
                     matched_by, state, error, error_text, faults, profile_id, changes,
                     skipped, skip_triggers, accepted_at, started_at, applied_at,
                     fingerprint, turn, operators, claims, kept, undoes, candidates,
                     profiles, decision, protected, reason)
             SELECT wanted.import_id, database_id, door, token_id, operation, matching,
                    matched_by, state, error, error_text, faults, profile_id, changes,
                    skipped, skip_triggers, accepted_at, started_at, applied_at,
                    fingerprint, turn, operators, claims, kept, undoes, candidates,
                    profiles, decision, protected, reason
               FROM unnest(%(ids)s::uuid[], %(others)s::uuid[])
                    AS wanted (import_id, other_id)
              -- Probes of the primary key: as joins they could begin with all receipts.
              CROSS JOIN LATERAL (
                    SELECT *
                      FROM imports
                     WHERE imports.import_id = wanted.other_id
                    OFFSET 0) AS other
               LEFT JOIN LATERAL (
                    SELECT true AS is_there
                      FROM imports
                     WHERE imports.import_id = wanted.import_id
                     LIMIT 1) AS own ON true
              WHERE is_there IS NULL
          RETURNING applied_at)
        -- Their minutes have been counted without them.
        INSERT INTO stale_minutes (at) SELECT applied_at FROM copied
        """,
        {"ids": list(pairs), "others": list(pairs.values())},
    )


def _dump(receipts: Sequence[Receipt]) -> bytes:
    # Not all at once: together they may be longer than memory is.
    return orjson.dumps([_write_row(receipt) for receipt in receipts])


def withdraw_receipts(
    connection: Connection, import_ids: Iterable[UUID], state: State
) -> set[UUID]:
    """Take back the receipts of those of `import_ids` in `state`; return whose.

    For the transaction that applies them again and writes their receipts anew: nobody
    else ever sees them without one, and whoever applies them at once waits here.
    """
    rows = connection.execute(
        """
        -- Whoever counts receipts by the minute counts those again.
        WITH withdrawn AS (
             DELETE FROM imports
              WHERE import_id = ANY(%(ids)s::uuid[])
                AND state = %(state)s
          RETURNING import_id, applied_at
        ), stale AS (
             INSERT INTO stale_minutes (at) SELECT applied_at FROM withdrawn)
        SELECT import_id
          FROM withdrawn
        """,
        {"ids": list(import_ids), "state": state},
    )
    return {import_id for (import_id,) in rows}


def _write_row(receipt: Receipt) -> dict[str, object]:
    row, release = _row(receipt), receipt.import_.release
    if release is not None and receipt.outcome.state is not State.HELD:
        row["decision"] = to_builtins(release.note)
    if receipt.outcome.kept and (protected := receipt.outcome.protected):
        row["protected"] = protected
    told = receipt.import_.undo or receipt.import_.merge
    if told is not None and told.reason:
        row["reason"] = told.reason
    return row


def _row(receipt: Receipt) -> dict[str, object]:
    import_, outcome = receipt.import_, receipt.outcome
    row: dict[str, object] = {
        "import_id": import_.import_id,
        "database_id": import_.database_id,
        "door": import_.door,
        "token_id": import_.token_id,
        "operation": import_.operation,
        "matching": import_.matching,
        "matched_by": outcome.matched_by,
        "state": outcome.state,
        "error": outcome.error,
        "error_text": outcome.error_text,
        "faults": _shown(outcome.faults),
        "profile_id": outcome.profile_id,
        "changes": outcome.changes,
        "skipped": _shown(outcome.skipped),
        "skip_triggers": import_.skip_triggers,
        "accepted_at": import_.accepted_at,
        "started_at": receipt.started_at,
        "fingerprint": import_.fingerprint,
    }
    if outcome.warnings:
        row["warnings"] = _shown(outcome.warnings)
    if outcome.operators:
        row["operators"] = outcome.operators
    if outcome.claims:
        row["claims"] = outcome.claims
    if outcome.candidates:
        row["candidates"] = to_builtins(outcome.candidates)
    if outcome.profiles:
        row["profiles"] = outcome.profiles
    if outcome.undoes is not None:
        row["undoes"] = outcome.undoes
    if outcome.kept or outcome.undoes is not None:
        row["kept"] = to_builtins(outcome.kept)
    return row


def _shown(faults: Sequence[Fault]) -> list[dict[str, object]]:
    return [asdict(fault) for fault in faults]
