"""The rows of jobs: what came of them, and those that are kept as they were written."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from msgspec.structs import asdict

from ingest.domain.consent import is_protecting
from ingest.domain.errors import Fault
from ingest.domain.imports import SUCCESS_TEXT, State
from ingest.domain.jobs import JobCounts, row_import_id, row_number, row_range
from ingest.domain.statuses import read_word
from ingest.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRow:
    """A row as it was written."""

    row: int
    content: bytes
    #: Why it was not accepted; None where its receipt says what came of it.
    faults: tuple[Fault, ...] | None = None
    #: Of a row that was applied without some of its fields.
    profile_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedRow(KeptRow):
    """A row of a dry run; its content is empty unless it has faults."""

    state: State
    #: Statuses that it would be kept from raising.
    protected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """The outcome of one row."""

    row: int
    import_id: UUID
    state: str
    error: int
    error_text: str
    profile_id: str | None


#: Of what an import dropped, its fields.
_FIELDS = '$[*] ? (!(@.path starts with "data.subscriptions["))'


@dataclass(frozen=True, slots=True)
class RowReceipt:
    """The receipt of a row."""

    state: State
    #: Of the row that was applied; None in those of a release before fingerprints.
    fingerprint: str | None
    #: Statuses that it was kept from raising.
    protected: int = 0


def find_applied(
    connection: Connection, job_id: UUID, first: int, last: int
) -> dict[int, RowReceipt]:
    """Return what came of those rows from `first` to `last` that have been applied."""
    rows = connection.execute(
        """
        SELECT import_id, state, fingerprint, coalesce(protected, 0)
          FROM imports
         WHERE import_id BETWEEN %(first)s AND %(last)s
        """,
        row_range(job_id, first, last),
    )
    return {
        row_number(import_id): RowReceipt(State(state), fingerprint, protected)
        for import_id, state, fingerprint, protected in rows
    }


def find_dropped(
    connection: Connection, job_id: UUID, first: int, last: int
) -> set[int]:
    """Return those rows from `first` to `last` that were applied without a field."""
    rows = connection.execute(
        """
        SELECT import_id
          FROM imports
         WHERE import_id BETWEEN %(first)s AND %(last)s
           AND jsonb_path_exists(skipped, %(fields)s::jsonpath)
        """,
        {**row_range(job_id, first, last), "fields": _FIELDS},
    )
    return {row_number(import_id) for (import_id,) in rows}


def count_states(
    connection: Connection, job_id: UUID, first: int, last: int
) -> JobCounts:
    """Return what came of the rows from `first` to `last`, as far as it is known."""
    rows = connection.execute(
        """
        SELECT state, count(*), coalesce(sum(protected), 0)
          FROM (SELECT state, protected
                  FROM imports
                 WHERE import_id BETWEEN %(first)s AND %(last)s
             UNION ALL
                SELECT 'rejected', NULL
                  FROM job_rows
                 WHERE import_id BETWEEN %(first)s AND %(last)s
                   AND faults IS NOT NULL) AS known
         GROUP BY state
        """,
        row_range(job_id, first, last),
    )
    counts = JobCounts()
    for state, count, protected in rows:
        counts = counts.plus(State(state), count).protecting(protected)
    return counts


def count_protected(connection: Connection, job_id: UUID) -> dict[str, int]:
    """Return how many statuses of a job's rows were kept, by what they stay (C8)."""
    rows = connection.execute(
        """
        SELECT one ->> 'stored', one ->> 'reason', count(*)
          FROM imports
         CROSS JOIN LATERAL jsonb_array_elements(kept) AS kept_values (one)
         WHERE import_id BETWEEN %(first)s AND %(last)s
           AND protected > 0
         GROUP BY one ->> 'stored', one ->> 'reason'
        """,
        row_range(job_id),
    )
    counts: Counter[str] = Counter()
    for stored, reason, count in rows:
        if is_protecting(reason):
            # That of a profile as a whole is a number.
            counts[read_word(stored)] += count
    return dict(counts.most_common())


def keep_rows(connection: Connection, job_id: UUID, rows: Sequence[KeptRow]) -> None:
    """Keep rows as they were written; those that are kept already stay as they are."""
    if not rows:
        return
    connection.execute(
        """
        INSERT INTO job_rows (import_id, content, faults)
        SELECT import_id, content, faults
          FROM unnest(%(ids)s::uuid[], %(contents)s::bytea[], %(faults)s::jsonb[])
               AS kept (import_id, content, faults)
            ON CONFLICT DO NOTHING
        """,
        {
            "ids": [row_import_id(job_id, row.row) for row in rows],
            "contents": [row.content for row in rows],
            "faults": [_dump(row.faults) for row in rows],
        },
    )


def insert_tried(
    connection: Connection, job_id: UUID, rows: Sequence[TriedRow]
) -> None:
    """Insert the outcomes of rows that a dry run has tried."""
    connection.execute(
        """
        INSERT INTO job_rows (import_id, content, faults, outcome)
        SELECT import_id, content, faults,
               jsonb_strip_nulls(
                   jsonb_build_object('state', state, 'profile_id', profile_id))
          FROM unnest(%(ids)s::uuid[], %(contents)s::bytea[], %(faults)s::jsonb[],
                      %(states)s::text[], %(profile_ids)s::text[])
               AS tried (import_id, content, faults, state, profile_id)
        """,
        {
            "ids": [row_import_id(job_id, row.row) for row in rows],
            "contents": [row.content for row in rows],
            "faults": [_dump(row.faults) for row in rows],
            "states": [row.state for row in rows],
            "profile_ids": [row.profile_id for row in rows],
        },
    )


def find_kept(
    connection: Connection, job_id: UUID, first: int, last: int
) -> dict[int, bytes]:
    """Return the contents of those rows from `first` to `last` that are kept."""
    rows = connection.execute(
        """
        SELECT import_id, content
          FROM job_rows
         WHERE import_id BETWEEN %(first)s AND %(last)s
        """,
        row_range(job_id, first, last),
    )
    return {row_number(import_id): bytes(content) for import_id, content in rows}


def find_contents(
    connection: Connection, job_id: UUID, numbers: Collection[int]
) -> dict[int, bytes]:
    """Return the contents of those of some rows that are kept."""
    rows = connection.execute(
        """
        SELECT import_id, content
          FROM job_rows
         WHERE import_id = ANY(%(ids)s::uuid[])
        """,
        {"ids": [row_import_id(job_id, number) for number in numbers]},
    )
    return {row_number(import_id): bytes(content) for import_id, content in rows}


def find_faults(
    connection: Connection, job_id: UUID, numbers: Collection[int]
) -> dict[int, tuple[tuple[Fault, ...], str | None]]:
    """Return what receipts say is wrong with some rows.

    With the profile of a row that was applied without a field.
    """
    rows = connection.execute(
        """
        SELECT import_id,
               coalesce(nullif(faults, '[]'),
                        jsonb_path_query_array(skipped, %(fields)s::jsonpath)),
               CASE WHEN state <> 'rejected' THEN profile_id END
          FROM imports
         WHERE import_id = ANY(%(ids)s::uuid[])
        """,
        {
            "ids": [row_import_id(job_id, number) for number in numbers],
            "fields": _FIELDS,
        },
    )
    return {
        row_number(import_id): (_load(faults), profile_id)
        for import_id, faults, profile_id in rows
    }


#: Receipts, and the rows that have none: those that never became imports, and those of
#: a dry run. Two ranges merged by id.
_RESULTS = """
         WITH told AS MATERIALIZED (
              SELECT import_id, state, error, error_text, profile_id
                FROM imports
               WHERE import_id BETWEEN %(first)s AND %(last)s
               ORDER BY import_id
               LIMIT %(limit)s),
              -- A full page of receipts is as far as rows need to be looked at.
              page AS (
              SELECT coalesce((SELECT import_id
                                 FROM told
                               OFFSET %(limit)s - 1), %(last)s) AS last)
       SELECT import_id, state, error, error_text, profile_id
         FROM told
    UNION ALL
      (SELECT import_id, coalesce(outcome ->> 'state', 'rejected'),
              CASE WHEN succeeds THEN 0 ELSE (faults -> 0 ->> 'code')::integer END,
              CASE
              WHEN succeeds THEN %(success)s
              WHEN faults -> 0 ->> 'path' = '' THEN faults -> 0 ->> 'message'
              ELSE concat(faults -> 0 ->> 'message', ': ', faults -> 0 ->> 'path') END,
              outcome ->> 'profile_id'
         FROM job_rows,
              -- Its faults are then of what would be skipped.
              LATERAL (SELECT outcome ->> 'state' NOT IN ('rejected', 'dead')) AS tried
                      (succeeds)
        WHERE import_id BETWEEN %(first)s AND (SELECT last FROM page)
          AND (faults IS NOT NULL OR outcome IS NOT NULL)
        ORDER BY import_id
        LIMIT %(limit)s)
        ORDER BY import_id
        LIMIT %(limit)s
    """


def list_results(
    connection: Connection, job_id: UUID, after: int, limit: int
) -> list[RowOutcome]:
    """Return what came of the first `limit` rows after row `after`, in their order."""
    rows = connection.execute(
        _RESULTS,
        {
            **row_range(job_id, after + 1),
            "limit": limit,
            "success": SUCCESS_TEXT,
        },
    )
    return [
        RowOutcome(
            row=row_number(import_id),
            import_id=import_id,
            state=state,
            error=error,
            error_text=text,
            profile_id=profile_id,
        )
        for import_id, state, error, text, profile_id in rows
    ]


def list_rejects(
    connection: Connection, job_id: UUID, after: int, limit: int
) -> list[KeptRow]:
    """Return the first `limit` rejected rows after row `after`, with every fault.

    So are rows that were applied without a field, with the profile and its fields.
    """
    rows = connection.execute(
        """
        SELECT job_rows.import_id, content,
               coalesce(job_rows.faults, nullif(imports.faults, '[]'),
                        jsonb_path_query_array(imports.skipped, %(fields)s::jsonpath)),
               coalesce(job_rows.outcome ->> 'profile_id', imports.profile_id)
          FROM job_rows
          LEFT JOIN imports
            ON imports.import_id = job_rows.import_id
           -- Said again, so that no other receipts are looked at.
           AND imports.import_id BETWEEN %(first)s AND %(last)s
         WHERE job_rows.import_id BETWEEN %(first)s AND %(last)s
           AND (job_rows.faults IS NOT NULL OR imports.state = 'rejected'
                OR jsonb_path_exists(imports.skipped, %(fields)s::jsonpath))
         ORDER BY job_rows.import_id
         LIMIT %(limit)s
        """,
        {**row_range(job_id, after + 1), "limit": limit, "fields": _FIELDS},
    )
    return [
        KeptRow(
            row=row_number(import_id),
            content=content,
            faults=_load(faults),
            profile_id=profile_id,
        )
        for import_id, content, faults, profile_id in rows
    ]


def _dump(faults: Sequence[Fault] | None) -> str | None:
    if faults is None:
        return None
    return orjson.dumps([asdict(fault) for fault in faults]).decode()


def _load(faults: Sequence[Mapping[str, Any]]) -> tuple[Fault, ...]:
    return tuple(Fault(**fault) for fault in faults)
