"""Checks of the work: backlog, progress, workers, beat, dead letters, endpoints."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import redis

from ingest.doctor.findings import Finding, fail, grade, warn, well
from ingest.domain.counts import count
from ingest.domain.durations import describe_seconds
from ingest.domain.phones import can_be_dialled
from ingest.domain.progress import PartitionProgress, find_stalls
from ingest.status.clocks import read_clocks
from ingest.status.pipeline import StoreState, list_progress
from ingest.store.database import Connection
from ingest.store.dead_letters.read import Selection, list_letter_groups
from ingest.store.events.endpoints import EndpointState, describe_reason
from ingest.store.partitions.states import PartitionState
from ingest.store.people.progress import SearchProgress, load_progress
from ingest.store.profiles.phones import sample_phones
from ingest.store.receipts.read import count_unlocated
from ingest.store.suppressions.entries import load_counts
from ingest.store.suppressions.key import (
    NoSuppressionKey,
    check_key,
    find_hasher,
    has_key,
)
from ingest.streams.presence import Presence, find_present
from ingest.streams.queues import DRAINS, STREAMS, UPKEEP, stream_key
from ingest.streams.states import Streams, StreamsState

#: As the alert PenstockPartitionFails counts them.
_MOST_ATTEMPTS = 10

#: Phones sampled, the smallest first; each takes a tenth of a millisecond.
_SAMPLED_PHONES = 5000
#: Upkeep follows within two seconds; a long build of an index may hold it up.
_PEOPLE_LAG_SECONDS = 60.0
#: The sweep runs each second.
_SWEEP_SECONDS = 10.0


def check_work(
    client: redis.Redis,
    connection: Connection,
    *,
    partitions: int,
    max_waiting: int,
) -> Iterator[Finding]:
    """Check that accepted imports are processed."""
    present = find_present(client)
    streams = Streams(client, partitions).read()
    store = StoreState.read(connection)
    yield _check_backlog(streams, max_waiting)
    yield _check_progress(list_progress(streams, store.partitions))
    yield _check_attempts(client, store.partitions.values())
    yield _check_workers(present)
    yield _check_beat(streams.swept_seconds)
    yield _check_partitions(client, present, partitions)
    yield _check_retention(client, connection)
    yield _check_geo(connection)
    yield _check_dead_letters(connection)
    yield _check_endpoints(store.endpoints)
    yield _check_phones(connection)
    yield _check_people(load_progress(connection))
    yield from _check_suppression(connection)


def _check_people(progress: SearchProgress) -> Finding:
    """Check that people are found as they are, or were a moment ago."""
    if not progress.indexed:
        return warn(
            "work.people-search",
            "the extension pg_trgm is missing: people are found by whole emails, "
            "phones, and IDs only",
            "Start the upkeep worker, which creates it. If its role may not: install "
            "the contrib modules of Postgres, and run CREATE EXTENSION pg_trgm as a "
            "superuser. Upkeep then fills the search within minutes.",
        )
    lag = progress.lag_seconds or 0.0
    if lag > _PEOPLE_LAG_SECONDS:
        return warn(
            "work.people-search",
            f"{describe_seconds(lag)} behind the imports",
            "Check that beat and the upkeep worker run. If they do, the log of upkeep "
            "has the cause; a transaction that has been open for as long holds it up.",
        )
    if not progress.is_filled:
        return warn(
            "work.people-search",
            f"{100 * progress.share:.0f} % of the profiles can be found by parts",
            "Wait: upkeep adds the others during imports.",
        )
    return well("work.people-search", f"{describe_seconds(lag)} behind the imports")


def _check_suppression(connection: Connection) -> Iterator[Finding]:
    """Check the secret that suppression lists need; nothing where there are none."""
    lists = load_counts(connection)
    if not lists:
        return
    if not has_key(connection):
        yield well("work.suppression", f"no contact on {count(len(lists), 'list')}")
        return
    try:
        check_key(connection, find_hasher())
    except NoSuppressionKey as error:
        yield fail(
            "work.suppression",
            str(error),
            "Set PENSTOCK_SECRET to the secret of this deployment for all processes. "
            "While there are entries, no import is applied without it.",
        )
    else:
        entries = count(sum(lists.values()), "suppressed contact")
        yield well("work.suppression", f"{entries} on {count(len(lists), 'list')}")


def _check_backlog(streams: StreamsState, max_waiting: int) -> Finding:
    return grade(
        "work.backlog",
        streams.waiting / max_waiting,
        f"{streams.waiting} of {max_waiting} imports waiting",
        "Add workers: more imports are accepted than applied. At the limit, imports "
        "are refused with 429.",
        bounds=(0.5, 1.0),
    )


def _check_progress(progress: Sequence[PartitionProgress]) -> Finding:
    if stalls := find_stalls(progress):
        return fail(
            "work.progress",
            "; ".join(stall.text for stall in stalls),
            "Restart the named worker, or all workers if none is named. Its log has "
            "the cause.",
        )
    oldest = max((each.oldest_seconds or 0.0 for each in progress), default=0.0)
    return well("work.progress", f"oldest waiting import: {oldest:.0f} s")


def _check_attempts(
    client: redis.Redis, partitions: Iterable[PartitionState]
) -> Finding:
    """Check for partitions whose first entries keep failing."""
    failing = [each for each in partitions if each.attempts > _MOST_ATTEMPTS]
    if not failing:
        return well("work.attempts", "no partition keeps failing")
    return fail(
        "work.attempts",
        "; ".join(
            f"partition {each.partition}: {each.attempts} failed attempts in a row, at "
            f"entry {_find_head(client, each.partition)}"
            for each in failing
        ),
        "The workers' log has the cause (`batch retried`). If all servers are healthy, "
        "move the entry to the dead letters: penstock dead-letters add PARTITION. See "
        "docs/runbooks.md#penstockpartitionfails.",
    )


def _find_head(client: redis.Redis, partition: int) -> str:
    rows: Any = client.xrange(stream_key(partition), count=1)
    return str(rows[0][0].decode()) if rows else "none"


def _check_workers(present: Sequence[Presence]) -> Finding:
    names = ", ".join(one.name for one in present) or "none"
    absent = {DRAINS, UPKEEP} - {one.queue for one in present}
    if absent:
        return fail(
            "work.workers",
            f"{names}; none for queue {', '.join(sorted(absent))}",
            "Start a worker: celery -A workers.app worker -Q QUEUE -n QUEUE@%h",
        )
    return well("work.workers", names)


def _check_beat(swept_seconds: float | None) -> Finding:
    if swept_seconds is None or swept_seconds > _SWEEP_SECONDS:
        ago = "never" if swept_seconds is None else f"{swept_seconds:.0f} s ago"
        return fail(
            "work.beat",
            f"last sweep: {ago}",
            "Start exactly one `celery -A workers.app beat`, and the upkeep worker. "
            "Without them lost wake-ups, delivery retries, and receipt tables are not "
            "handled.",
        )
    return well("work.beat", f"last sweep: {swept_seconds:.0f} s ago")


def _check_partitions(
    client: redis.Redis, present: Sequence[Presence], partitions: int
) -> Finding:
    strange = sorted(
        key.decode()
        for key in client.scan_iter(match=STREAMS, count=1000)
        if key not in {stream_key(each).encode() for each in range(partitions)}
        and client.xlen(key)
    )
    others = [one.name for one in present if one.partitions != partitions]
    if strange or others:
        found = [f"{key} has entries that no worker reads" for key in strange]
        found += [f"{name} has another number" for name in others]
        return fail(
            "work.partitions",
            f"{partitions} here; {'; '.join(found)}",
            "Set the same PENSTOCK_PARTITIONS for all processes. Use the larger number "
            "until all streams are empty.",
        )
    return well("work.partitions", f"{partitions}; all processes agree")


def _check_retention(client: redis.Redis, connection: Connection) -> Finding:
    if apart := read_clocks(connection, client).find_disagreement():
        return fail(
            "work.retention",
            f"retention paused: {apart}",
            "Synchronize the clocks of all hosts with NTP. If nothing was applied for "
            "an hour, start the workers. Retention resumes when imports or heartbeats "
            "are applied again.",
        )
    return well("work.retention", "clocks agree")


def _check_geo(connection: Connection) -> Finding:
    unlocated = count_unlocated(connection)
    if unlocated:
        return warn(
            "work.geo",
            f"{unlocated} of the latest imports requested detect_geo; GEOIP_DATABASE "
            "is not set",
            "Set GEOIP_DATABASE to a MaxMind City database for every worker, or do not "
            "send detect_geo.",
        )
    return well("work.geo", "no detect_geo without GEOIP_DATABASE")


def _check_dead_letters(connection: Connection) -> Finding:
    groups = list_letter_groups(connection, Selection())
    if groups:
        return warn(
            "work.dead-letters",
            f"{sum(group.open for group in groups)} open in "
            f"{count(len(groups), 'group')}",
            "Inspect them with `penstock dead-letters list`, then replay or discard "
            "them.",
        )
    return well("work.dead-letters", "none open")


def _check_endpoints(endpoints: Sequence[EndpointState]) -> Finding:
    disabled = [
        f"{one.id} ({one.name}){describe_reason(one.disabled_reason)}"
        for one in endpoints
        if one.disabled_at
    ]
    if disabled:
        return warn(
            "work.endpoints",
            f"disabled: {', '.join(disabled)}",
            "No events are sent to them. Re-enable them with `penstock endpoint enable "
            "ID`, or remove their triggers from the catalog.",
        )
    return well("work.endpoints", f"{len(endpoints)}, none disabled")


def _check_phones(connection: Connection) -> Finding:
    phones = sample_phones(connection, _SAMPLED_PHONES)
    wrong = [(id_, one) for id_, one in phones if not can_be_dialled(one)]
    if not wrong:
        return well("work.phones", f"{len(phones)} sampled, all valid")
    named = ", ".join(phone for _, phone in wrong[:3])
    of = ", ".join(str(id_) for id_ in sorted({id_ for id_, _ in wrong}))
    return warn(
        "work.phones",
        f"{len(wrong)} of {len(phones)} sampled are invalid, such as {named}"
        f" (database {of})",
        "Set phone_region of the database: numbers without a country code are then "
        "read as numbers of that region. To preview and rewrite: penstock profiles "
        "phones --database ID",
    )
