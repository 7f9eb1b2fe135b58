"""Checks of Postgres: durability, and room for locks, WAL, and connections."""

from collections.abc import Iterator

from ingest.doctor.findings import Finding, fail, grade, warn, well
from ingest.store.database import Connection
from ingest.store.servers import ServerFacts, load_server_facts

_OLDEST_VERSION = 140000
_WAL_MEBIBYTES = 4096
#: Email, phone and a subscription or two, each locked by its name.
_LOCKS_PER_IMPORT = 4
#: Tables and indexes that a batch touches, partitions of receipts included.
_LOCKS_PER_BATCH = 150


def check_postgres(
    connection: Connection, *, partitions: int, batch_size: int
) -> Iterator[Finding]:
    """Check the server's version, durability and room."""
    facts = load_server_facts(connection)
    return judge_server(facts, partitions=partitions, batch_size=batch_size)


def judge_server(
    facts: ServerFacts, *, partitions: int, batch_size: int
) -> Iterator[Finding]:
    """Check the facts of the server."""
    yield _check_version(facts)
    yield from _check_durability(facts)
    yield _check_wal(facts.max_wal_size)
    # One drain works on a partition, so no more batches than those run at once.
    yield _check_locks(facts, partitions, batch_size)
    yield grade(
        "postgres.connections",
        facts.connections / facts.max_connections,
        f"{facts.connections} of {facts.max_connections}",
        "Raise `max_connections`, or run fewer processes.",
        bounds=(0.8, 0.95),
    )


def _check_version(facts: ServerFacts) -> Finding:
    if facts.version < _OLDEST_VERSION:
        return fail("postgres.version", facts.version_text, "Upgrade to PostgreSQL 14.")
    return well("postgres.version", facts.version_text)


def _check_durability(facts: ServerFacts) -> Iterator[Finding]:
    lost = "With `off`, a crash can lose imports: entries are deleted after the commit."
    for name, found in (
        ("fsync", facts.fsync),
        ("full_page_writes", facts.full_page_writes),
        ("synchronous_commit", facts.synchronous_commit),
    ):
        if found == "off":
            yield fail(f"postgres.{name}", found, f"Set `{name} = on`. {lost}")
        else:
            yield well(f"postgres.{name}", found)


def _check_wal(mebibytes: int) -> Finding:
    found = f"{mebibytes} MiB"
    if mebibytes >= _WAL_MEBIBYTES:
        return well("postgres.max_wal_size", found)
    return warn(
        "postgres.max_wal_size",
        found,
        "Set `max_wal_size = 4GB` or more. With less, checkpoints under load are too "
        "frequent, and each one writes complete pages again.",
    )


def _check_locks(facts: ServerFacts, partitions: int, batch_size: int) -> Finding:
    sessions = facts.max_connections + facts.max_prepared_transactions
    room = facts.max_locks_per_transaction * sessions
    needed = partitions * (batch_size * _LOCKS_PER_IMPORT + _LOCKS_PER_BATCH)
    found = (
        f"{room} locks available; {partitions} batches of {batch_size} may need "
        f"{needed}"
    )
    if room >= needed:
        return well("postgres.max_locks_per_transaction", found)
    return warn(
        "postgres.max_locks_per_transaction",
        found,
        "Raise `max_locks_per_transaction`; 256 is enough for the default settings. "
        "Until then batches are smaller than PENSTOCK_BATCH_SIZE, and fewer imports "
        "are applied per second.",
    )
