"""What must be in Postgres: migrations, unique indexes, a catalogue, receipts' days."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.doctor.findings import Finding, fail, warn, well
from ingest.domain.key_makers import describe_makers, list_makers
from ingest.store.catalog import load_declared
from ingest.store.key_makers import load_makers
from ingest.store.key_rebuild import sample
from ingest.store.migrate import load_applied, read_migrations
from ingest.store.receipt_days import list_days
from ingest.store.servers import (
    find_invalid_indexes,
    find_superseded_indexes,
    find_unanalyzed_tables,
    find_unique_indexes,
)
from ingest.store.tokens import load_tokens

#: The judges: who holds a value, and whether an import has been applied.
UNIQUE_INDEXES = frozenset({
    "imports_pkey",
    "profiles_pkey",
    "match_keys_pkey",
    "match_keys_exclusive",
    "subscriptions_pkey",
    "segment_members_pkey",
    "partitions_pkey",
    "entry_is_unique",
    "sequence_is_unique",
    "deliveries_pkey",
    "secret_hash_is_unique",
})  # fmt: skip


def check_schema(connection: Connection[TupleRow], today: date) -> Iterator[Finding]:
    """Check what the tables are and hold; nothing more where there are none."""
    migrations = _check_migrations(load_applied(connection))
    yield migrations
    if not migrations.advice:
        yield _check_indexes(connection)
        yield _check_statistics(connection)
        yield from _check_catalog(connection)
        yield _check_days(connection, today)
        yield _check_keys(connection)


def _check_migrations(applied: Mapping[str, str]) -> Finding:
    ours = {each.name: each.checksum for each in read_migrations()}
    missing = sorted(ours.keys() - applied.keys())
    if missing:
        found = f"missing: {', '.join(missing)}"
        return fail("schema.migrations", found, "Run: penstock migrate")
    changed = sorted(name for name in ours if applied[name] != ours[name])
    if changed:
        return fail(
            "schema.migrations",
            f"applied with another text: {', '.join(changed)}",
            "Restore the files of the release that applied them.",
        )
    newer = len(applied.keys() - ours.keys())
    found = f"{len(ours)} applied" + (f", {newer} of a newer release" if newer else "")
    return well("schema.migrations", found)


def _check_indexes(connection: Connection[TupleRow]) -> Finding:
    invalid = find_invalid_indexes(connection)
    if invalid:
        return fail(
            "schema.indexes",
            f"invalid: {', '.join(invalid)}",
            "Run for each: REINDEX INDEX CONCURRENTLY name; then drop what is left of "
            "the attempts before (names ending in _ccnew or _ccold).",
        )
    absent = sorted(UNIQUE_INDEXES - find_unique_indexes(connection))
    if absent:
        return fail(
            "schema.indexes",
            f"absent: {', '.join(absent)}",
            "Stop the workers and make them again, as the migrations do: they decide "
            "that nothing is applied twice and that nobody is two profiles.",
        )
    if superseded := find_superseded_indexes(connection):
        return warn(
            "schema.indexes",
            f"of the release before: {', '.join(superseded)}",
            "Once no worker of that release runs: DROP INDEX CONCURRENTLY "
            f"{', '.join(superseded)}. Until then every import pays for it.",
        )
    return well("schema.indexes", f"{len(UNIQUE_INDEXES)} unique ones, all valid")


def _check_statistics(connection: Connection[TupleRow]) -> Finding:
    """Check that Postgres knows the tables; the first minute and a restore lack it."""
    unknown = find_unanalyzed_tables(connection)
    if unknown:
        return warn(
            "schema.statistics",
            f"never analyzed: {', '.join(unknown)}",
            f"Run: ANALYZE {', '.join(unknown)}. After a restore it is part of it; if "
            "autovacuum does not do it within minutes, set `autovacuum = on`. Imports "
            "do not depend on it; what operators ask may be slow.",
        )
    return well("schema.statistics", "every table that holds rows is analyzed")


def _check_catalog(connection: Connection[TupleRow]) -> Iterator[Finding]:
    databases = len(load_declared(connection).databases)
    if databases:
        yield well("schema.catalogue", f"{databases} databases")
    else:
        yield fail(
            "schema.catalogue", "no databases", "Run: penstock catalog apply FILE"
        )
    tokens = len(load_tokens(connection))
    if tokens:
        yield well("schema.tokens", f"{tokens} good ones")
    else:
        yield warn(
            "schema.tokens", "none that is good", "Run: penstock token create NAME"
        )


def _check_days(connection: Connection[TupleRow], today: date) -> Finding:
    days = list_days(connection)
    wanted = [today, today + timedelta(days=1)]
    if absent := [str(day) for day in wanted if day not in days]:
        return warn(
            "schema.receipts",
            f"no table for {', '.join(absent)}",
            "The upkeep worker and beat make them hourly: do they run? Receipts go to "
            "the default table meanwhile, which no retention drops whole.",
        )
    return well("schema.receipts", f"tables for {len(days)} days, to {max(days)}")


def _check_keys(connection: Connection[TupleRow]) -> Finding:
    """Compare who made the match keys with who we are; and look at some of them."""
    difference = describe_makers(load_makers(connection).made_by, list_makers())
    lacking, orphans, looked_at = sample(connection)
    found = [f"made by {difference}"] if difference else []
    if lacking:
        found.append(f"{lacking} of {looked_at} sampled profiles lack keys")
    if lacking or difference:
        return warn(
            "schema.keys",
            "; ".join(found),
            "Run: penstock keys rebuild. Until then a profile may not be found by its "
            "email or phone, and an import creates another.",
        )
    if orphans:
        return warn(
            "schema.keys",
            f"{orphans} sampled keys lead to profiles that do not hold them",
            "They are passed over. Once no worker of another release runs: "
            "penstock keys prune",
        )
    return well("schema.keys", f"those of {looked_at} sampled profiles are right")
