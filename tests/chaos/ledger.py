"""What is in Postgres at the end, as the check needs it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, dict_row

from ingest.store.suppressions.work import count_work
from tests.chaos import cases, pairs, rounds, shuffles, subscribers
from tests.chaos.cases import Candidate, Decided
from tests.chaos.pairs import Pairs, Survivor
from tests.chaos.rounds import Left
from tests.chaos.shuffles import Dated
from tests.chaos.status_stories import (
    Consents,
    KeptStatus,
    StatusLine,
    StatusReceipt,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One receipt."""

    import_id: str
    state: str
    error: int
    profile_id: str | None
    #: Field → (old, new).
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def ref(self) -> str | None:
        """Which ask this applied; None if it changed nothing."""
        ref: str | None = self.changes.get("custom_field", (None, None))[1]
        return ref

    @property
    def follows(self) -> str | None:
        """Which ask had been applied to the profile just before; None for none."""
        ref: str | None = self.changes.get("custom_field", (None, None))[0]
        return ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile."""

    profile_id: str
    email: str | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the outbox and how often it was delivered."""

    event_id: str
    import_id: str
    kind: str
    delivered: bool
    #: A delivery is still to be tried.
    pending: bool = False
    #: It is for the endpoint whose name nobody resolves.
    hangs: bool = False
    attempts: int = 1
    profile_id: str = ""
    #: Its place among the events of its profile.
    profile_sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that imports leave behind."""

    receipts: Sequence[Receipt]
    profiles: Mapping[str, Profile]
    events: Sequence[Event] = ()
    #: Bodies received, by event id in the order of its first, each counted.
    received: Mapping[str, Counter[bytes]] = field(default_factory=dict)
    #: Rows that belong to nothing, by table.
    orphans: Mapping[str, int] = field(default_factory=dict)
    #: Imports that are still in a stream.
    waiting: frozenset[str] = frozenset()
    #: What is left of the rounds, which are in none of the above.
    left: Left = field(default_factory=Left)
    #: And of the pairs, the cases, the shuffles, and the subscribers, likewise.
    pairs: Pairs = field(default_factory=Pairs)
    decided: Decided = field(default_factory=Decided)
    dated: Dated = field(default_factory=Dated)
    consents: Consents = field(default_factory=Consents)


#: Databases of which nothing is in the rest.
_APART = [each.DATABASE for each in (rounds, pairs, cases, shuffles, subscribers)]
#: Its name is one that nobody resolves.
HUNG_ENDPOINT = 2
_EVENT_NAMES = (
    *("event_id", "import_id", "kind"),
    *("delivered", "pending", "hangs", "attempts"),
    *("profile_id", "profile_sequence"),
)
#: The path of a subscription in a receipt, up to its resource.
_SUBSCRIPTION = re.compile(r"subscriptions\[(\d+)/")
#: Tables that are kept where a promise is broken.
_EXPLAINING = (
    "imports",
    "profiles",
    "held_imports",
    "merges",
    "dead_letters",
    "consent_history",
)
_ORPHANS = {
    "match_keys without a profile": """
        SELECT count(*) FROM match_keys AS row
         WHERE NOT EXISTS (SELECT FROM profiles
                            WHERE profiles.database_id = row.database_id
                              AND profiles.id = row.profile_id)
    """,
    "subscriptions without a profile": """
        SELECT count(*) FROM subscriptions AS row
         WHERE NOT EXISTS (SELECT FROM profiles
                            WHERE profiles.database_id = row.database_id
                              AND profiles.id = row.profile_id)
    """,
    "segment_members without a profile": """
        SELECT count(*) FROM segment_members AS row
         WHERE NOT EXISTS (SELECT FROM profiles
                            WHERE profiles.database_id = row.database_id
                              AND profiles.id = row.profile_id)
    """,
    "events without a receipt": """
        SELECT count(*) FROM events AS row
         WHERE NOT EXISTS (SELECT FROM imports
                            WHERE imports.import_id = row.import_id)
    """,
    "profiles without a match key for their email": """
        SELECT count(*)
          FROM (SELECT database_id, id FROM profiles WHERE email IS NOT NULL
                EXCEPT
                SELECT database_id, profile_id FROM match_keys
                 WHERE kind = 'email') AS row
    """,
    "keys of several profiles": """
        SELECT count(*)
          FROM (SELECT FROM match_keys
                 -- Subscribers share contacts.
                 WHERE kind <> 'email_sub'
                 GROUP BY database_id, kind, value
                HAVING count(*) > 1) AS shared
    """,
    "memberships that differ from the filter": """
        SELECT count(*)
          FROM profiles
          JOIN segments USING (database_id)
          LEFT JOIN segment_members AS member
            ON member.database_id = profiles.database_id
           AND member.segment_id = segments.id
           AND member.profile_id = profiles.id
         WHERE segments.kind = 'dynamic'
           AND segments.filter IS NOT NULL
           AND (member.profile_id IS NOT NULL)
               <> (coalesce((fields ->> 'points')::integer, 0)
                   >= (segments.filter ->> 'ge')::integer)
    """,
    "dead letters": "SELECT count(*) FROM dead_letters",
}


def load_ledger(
    connection: psycopg.Connection[TupleRow],
    received: Mapping[str, Counter[bytes]],
    waiting: frozenset[str],
) -> Ledger:
    """Read the whole ledger.

    `received` is what the receiver of events has had, `waiting` which imports are in
    streams.
    """
    # What is large in them is not looked at.
    receipts = connection.execute(
        """
        SELECT import_id::text, state, error, profile_id,
               CASE WHEN changes ? 'custom_field'
                    THEN jsonb_build_object('custom_field', changes -> 'custom_field')
                    ELSE '{}'
               END
          FROM imports
         WHERE database_id <> ALL(%s)
        """,
        (_APART,),
    )
    profiles = connection.execute(
        "SELECT id, email, fields FROM profiles WHERE database_id <> ALL(%s)",
        (_APART,),
    )
    events = connection.execute(
        """
        SELECT events.id::text, import_id::text, kind,
               coalesce(bool_and(deliveries.state = 'delivered'), false),
               coalesce(bool_or(deliveries.state = 'pending'), false),
               coalesce(bool_or(deliveries.endpoint_id = %s), false),
               coalesce(min(deliveries.attempts), 0),
               events.profile_id, events.profile_sequence
          FROM events
          LEFT JOIN deliveries ON deliveries.event_id = events.id
         WHERE events.database_id <> ALL(%s)
         GROUP BY events.id
        """,
        (HUNG_ENDPOINT, _APART),
    )
    names = ("import_id", "state", "error", "profile_id", "changes")
    return Ledger(
        receipts=[Receipt(**dict(zip(names, row, strict=True))) for row in receipts],
        profiles={
            id_: Profile(profile_id=id_, email=email, fields=fields)
            for id_, email, fields in profiles
        },
        events=[Event(**dict(zip(_EVENT_NAMES, row, strict=True))) for row in events],
        received=received,
        orphans={name: _count(connection, sql) for name, sql in _ORPHANS.items()},
        waiting=waiting,
        left=_load_left(connection),
        pairs=_load_pairs(connection),
        decided=_load_decided(connection),
        dated=_load_dated(connection),
        consents=_load_consents(connection),
    )


def keep_tables(connection: psycopg.Connection[TupleRow], directory: Path) -> None:
    """Write what explains a finding to `directory`: the servers end with the run."""
    for table in _EXPLAINING:
        with (
            (directory / f"{table}.csv").open("wb") as file,
            connection.cursor().copy(
                sql.SQL("COPY {} TO STDOUT (FORMAT csv, HEADER)").format(
                    # A partitioned table is copied by a query only.
                    sql.SQL("(SELECT * FROM {})").format(sql.Identifier(table))
                )
            ) as rows,
        ):
            file.writelines(rows)


def _load_left(connection: psycopg.Connection[TupleRow]) -> Left:
    people = connection.execute(
        "SELECT email, fields FROM profiles WHERE database_id = %s", (rounds.DATABASE,)
    )
    counted = connection.execute(
        """
        SELECT import_id::text, undoes::text
          FROM imports
         WHERE database_id = %s
        """,
        (rounds.DATABASE,),
    ).fetchall()
    return Left(
        people=dict(people.fetchall()),
        receipts=Counter(import_id for import_id, _ in counted),
        undos=Counter(undoes for _, undoes in counted if undoes),
    )


def _load_pairs(connection: psycopg.Connection[TupleRow]) -> Pairs:
    profiles = connection.execute(
        """
        SELECT email, former_keys -> 'email', (fields ->> 'points')::integer
          FROM profiles
         WHERE database_id = %s
        """,
        (pairs.DATABASE,),
    )
    states = connection.execute(
        "SELECT state, count(*) FROM imports WHERE database_id = %s GROUP BY state",
        (pairs.DATABASE,),
    )
    return Pairs(
        profiles=[
            Survivor(email=email, former_emails=former or (), points=points)
            for email, former, points in profiles
        ],
        states=dict(states.fetchall()),
    )


def _load_decided(connection: psycopg.Connection[TupleRow]) -> Decided:
    profiles = connection.execute(
        """
        SELECT email, former_keys -> 'email', phones,
               former_keys -> 'phone', (fields ->> 'points')::integer,
               (fields ->> 'checks')::integer
          FROM profiles
         WHERE database_id = %s
        """,
        (cases.DATABASE,),
    )
    receipts = connection.execute(
        """
        SELECT import_id::text, array_agg(state)
          FROM imports
         WHERE database_id = %s
         GROUP BY import_id
        """,
        (cases.DATABASE,),
    )
    return Decided(
        profiles=[
            Candidate(
                emails=[*filter(None, [email]), *(former or ())],
                phones=[*(phones or ()), *(former_phones or ())],
                points=points,
                checks=checks,
            )
            for email, former, phones, former_phones, points, checks in profiles
        ],
        states=dict(receipts.fetchall()),
        held=_count(connection, "SELECT count(*) FROM held_imports"),
    )


def _load_dated(connection: psycopg.Connection[TupleRow]) -> Dated:
    people = connection.execute(
        "SELECT email, fields FROM profiles WHERE database_id = %s",
        (shuffles.DATABASE,),
    )
    receipts = connection.execute(
        """
        SELECT import_id::text, count(*), count(kept)
          FROM imports
         WHERE database_id = %s
         GROUP BY import_id
        """,
        (shuffles.DATABASE,),
    ).fetchall()
    return Dated(
        people=dict(people.fetchall()),
        receipts={import_id: count for import_id, count, _ in receipts},
        kept=sum(kept for *_, kept in receipts),
    )


def _load_consents(connection: psycopg.Connection[TupleRow]) -> Consents:
    database = {"database": subscribers.DATABASE}
    receipts = connection.cursor(row_factory=dict_row).execute(
        """
        SELECT import_id::text, turn, state, profile_id, door, changes AS statuses,
               coalesce(kept, '[]') AS kept, undoes::text,
               coalesce(profiles, '{}') AS profiles, faults <> '[]' AS has_faults
          FROM imports
         WHERE database_id = %(database)s
        """,
        database,
    )
    lines = connection.execute(
        """
        SELECT profile_id, resource_id, status, since, until, by::text,
               consent ->> 'source', ended_by::text, applied
          FROM consents
         WHERE database_id = %(database)s
        """,
        database,
    )
    points = connection.execute(
        """
        SELECT id, (fields ->> 'points')::integer
          FROM profiles
         WHERE database_id = %(database)s
        """,
        database,
    )
    names = [each.name for each in fields(StatusLine)]
    return Consents(
        receipts=[_read_statuses(row) for row in receipts],
        lines=[StatusLine(**dict(zip(names, row, strict=True))) for row in lines],
        points=dict(points.fetchall()),
        unlowered=count_work(connection),
    )


def _read_statuses(row: Mapping[str, Any]) -> StatusReceipt:
    """Make a receipt of a row, which has more than the statuses, by resource."""
    return StatusReceipt(
        **{
            **row,
            "statuses": {
                int(named[1]): (old and old["status"], new and new["status"])
                for path, (old, new) in row["statuses"].items()
                if (named := _SUBSCRIPTION.match(path))
            },
            "kept": {
                int(named[1]): KeptStatus(
                    reason=one["reason"], sent=one.get("sent"), stored=one.get("stored")
                )
                for one in row["kept"]
                if (named := _SUBSCRIPTION.match(one["path"]))
            },
        }
    )


def _count(connection: psycopg.Connection[TupleRow], query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
