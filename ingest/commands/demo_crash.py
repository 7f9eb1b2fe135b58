"""The demo's crash: a worker killed under a backlog, and the counts that must agree."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from rich.console import Console

from ingest.commands.demo_display import say
from ingest.domain.errors import PenstockError
from ingest.local.answers import answer_path
from ingest.local.state import read_record
from ingest.store.database import Connection, connect

#: Enough that some wait when the first are applied, of so many people in turn.
IMPORTS = 3000
PEOPLE = 50
#: How long anything here may take: a worker starts in some seconds.
_DEADLINE_SECONDS = 90.0
_POLL_SECONDS = 0.01

T = TypeVar("T")


class NothingMoves(PenstockError):
    """The demo waited in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashReport:
    """Counts of the imports that were accepted while a worker was killed."""

    accepted: int
    #: How many had been applied when the worker was killed.
    applied_at_kill: int
    #: How many have a receipt that says they were applied.
    applied: int
    #: What their profiles hold; each import adds one.
    points: int
    #: People whose last import is the one that was sent last.
    in_order: int


def check_counts(counts: CrashReport) -> Iterator[str]:
    """Return what does not agree."""
    if counts.accepted != IMPORTS:
        yield f"{IMPORTS} imports were sent and {counts.accepted} accepted"
    if counts.applied_at_kill >= counts.accepted:
        yield "the worker was killed when nothing waited any more"
    if counts.applied != counts.accepted:
        yield f"{counts.accepted} imports were accepted and {counts.applied} applied"
    if counts.points != counts.applied:
        yield f"{counts.applied} imports were applied and {counts.points} points added"
    if counts.in_order != PEOPLE:
        yield f"of {PEOPLE} people {counts.in_order} have the value that was sent last"


def show_crash(console: Console, at: Mapping[str, Any], state: Path) -> list[str]:
    """Kill the worker with imports under way; return what was not as it should be."""
    say(console, f"→ POST /api/v1.1/profiles/import_batch  {IMPORTS:,} imports")
    with (
        connect(at["database"], application_name="penstock-demo") as connection,
        ThreadPoolExecutor(1) as sender,
    ):
        before = _count_applied(connection)
        sent = sender.submit(_send, at)
        _wait(lambda: _count_applied(connection) > before, "no import was applied")
        killed = at["pids"]["workers"][0]
        os.kill(killed, signal.SIGKILL)
        began = time.monotonic()
        first = _count_applied(connection) - before
        say(console, f"✗ worker {killed} killed (SIGKILL): {first:,} applied", "red")
        ids = sent.result()
        say(console, f"← 202 {len(ids):,} accepted, {len(ids) - first:,} waiting")
        new = _wait(lambda: _find_successor(state, killed), "no worker took over")
        say(console, f"  worker {new} started in its place")
        _wait(
            lambda: _count_applied(connection) - before >= len(ids),
            "the backlog did not drain",
        )
        say(
            console,
            f"  backlog drained, {time.monotonic() - began:.1f} s after the kill",
        )
        counts = _count(connection, ids, first)
    faults = list(check_counts(counts))
    if not faults:
        equal = f"{counts.accepted:,} accepted = {counts.applied:,} applied"
        say(console, f"✓ {equal}: none lost, none twice, none out of order", "green")
    return faults


def _send(at: Mapping[str, Any]) -> list[str]:
    """Send all imports at once, waiting for none; return the ids of the accepted."""
    elements = [
        {
            "email": f"person{number % PEOPLE}@example.com",
            "data": {"points": {"action": "incr", "value": 1}, "checks": number},
        }
        for number in range(IMPORTS)
    ]
    answer = httpx.post(
        f"{at['http']}/api/v1.1/profiles/import_batch",
        json={"db_id": 1, "matching": "email", "data": elements},
        headers={
            "Authorization": f"Bearer {at['token']}",
            "Prefer": "respond-async",
        },
        timeout=_DEADLINE_SECONDS,
    )
    ids: list[str] = answer.json().get("import_ids", [])
    return ids


def _wait(look: Callable[[], T], failure: str) -> T:
    """Return the first truthy result of `look`; raise NothingMoves after a while."""
    ends_at = time.monotonic() + _DEADLINE_SECONDS
    while not (found := look()):
        if time.monotonic() > ends_at:
            raise NothingMoves(f"{failure} within {_DEADLINE_SECONDS:g} s")
        time.sleep(_POLL_SECONDS)
    return found


def _find_successor(state: Path, killed: int) -> int | None:
    """Return the worker that runs in place of the one that was killed."""
    match read_record(answer_path(state)):
        case {"pids": {"workers": [int(pid), *_]}} if pid != killed:
            return pid
    return None


def _count_applied(connection: Connection) -> int:
    """Return how many imports of the database have been applied."""
    row = connection.execute(
        "SELECT count(*) FROM imports WHERE state IN ('created', 'updated')"
    ).fetchone()
    return row[0] if row else 0


def _count(
    connection: Connection, ids: Sequence[str], applied_at_kill: int
) -> CrashReport:
    row = connection.execute(
        """
        SELECT (SELECT count(*)
                  FROM imports
                 WHERE import_id = ANY(%(ids)s::uuid[])
                   AND state IN ('created', 'updated')),
               coalesce(sum((fields ->> 'points')::integer), 0),
               count(*) FILTER (
                     WHERE (fields ->> 'checks')::integer
                           >= %(checks)s::integer)
          FROM profiles
         WHERE database_id = 1
           AND email LIKE 'person%%@example.com'
        """,
        {"ids": ids, "checks": IMPORTS - PEOPLE},
    ).fetchone()
    applied, points, in_order = row or (0, 0, 0)
    return CrashReport(
        accepted=len(ids),
        applied_at_kill=applied_at_kill,
        applied=applied,
        points=points,
        in_order=in_order,
    )
