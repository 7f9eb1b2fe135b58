"""Checks of the schema: migrations, indexes, catalog, tokens, receipts, keys."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from ingest.doctor.findings import Finding, Severity, fail, warn, well
from ingest.doctor.zones import check_zones
from ingest.domain.counts import count
from ingest.domain.key_makers import describe_makers, list_makers
from ingest.domain.plans import (
    DeclaredCatalog,
    list_confirming,
    list_undecided,
    list_unheard,
)
from ingest.store.catalog.load import load_declared
from ingest.store.consents.months import find_missing_months
from ingest.store.database import Connection
from ingest.store.migrate import find_unfinished, load_applied, read_migrations
from ingest.store.profiles.key_makers import load_makers
from ingest.store.profiles.key_rebuild import sample
from ingest.store.receipts.days import list_days
from ingest.store.servers import (
    find_invalid_indexes,
    find_unanalyzed_tables,
    find_unique_indexes,
)
from ingest.store.tokens import load_tokens

#: Indexes that keep values unique and imports from being applied twice.
UNIQUE_INDEXES = frozenset({
    "imports_pkey",
    "profiles_pkey",
    "match_keys_pkey",
    "match_keys_exclusive",
    "segment_members_pkey",
    "partitions_pkey",
    "entry_is_unique",
    "sequence_is_unique",
    "deliveries_pkey",
    "secret_hash_is_unique",
})  # fmt: skip


def check_schema(
    connection: Connection, today: date, *, has_secret: bool
) -> Iterator[Finding]:
    """Check the tables and their contents; if any is missing, only the migrations."""
    migrations = _check_migrations(load_applied(connection))
    yield migrations
    if migrations.level is not Severity.FAIL:
        yield _check_indexes(connection)
        yield _check_statistics(connection)
        yield from _check_catalog(connection, has_secret=has_secret)
        yield _check_days(connection, today)
        yield _check_months(connection, today)
        yield check_zones(connection, today)
        yield _check_keys(connection)


def _check_migrations(applied: Mapping[str, str]) -> Finding:
    ours = {each.name: each.checksum for each in read_migrations()}
    unfinished = find_unfinished(applied)
    missing = sorted(ours.keys() - applied.keys() - set(unfinished))
    if missing:
        found = f"missing: {', '.join(missing)}"
        return fail("schema.migrations", found, "Run: penstock migrate")
    changed = sorted(
        name for name in ours if applied.get(name, ours[name]) != ours[name]
    )
    if changed:
        return fail(
            "schema.migrations",
            f"applied with different text: {', '.join(changed)}",
            "Restore the migration files of the release that applied them.",
        )
    if unfinished:
        return warn(
            "schema.migrations",
            f"the upgrade is not finished: {', '.join(unfinished)}",
            "When no process of the previous release runs: penstock migrate --finish. "
            "Until then every import also writes the tables of that release.",
        )
    newer = len(applied.keys() - ours.keys())
    found = f"{len(ours)} applied" + (f", {newer} of a newer release" if newer else "")
    return well("schema.migrations", found)


def _check_indexes(connection: Connection) -> Finding:
    invalid = find_invalid_indexes(connection)
    if invalid:
        return fail(
            "schema.indexes",
            f"invalid: {', '.join(invalid)}",
            "Run for each: REINDEX INDEX CONCURRENTLY name. Then drop the indexes left "
            "by earlier attempts (their names end in _ccnew or _ccold).",
        )
    absent = sorted(UNIQUE_INDEXES - find_unique_indexes(connection))
    if absent:
        return fail(
            "schema.indexes",
            f"missing: {', '.join(absent)}",
            "Stop the workers and recreate them as in the migrations. Without them, "
            "imports can be applied twice and profiles duplicated.",
        )
    return well("schema.indexes", f"{len(UNIQUE_INDEXES)} unique indexes, all valid")


def _check_statistics(connection: Connection) -> Finding:
    """Check that tables are analyzed, which they are not just after a restore."""
    unknown = find_unanalyzed_tables(connection)
    if unknown:
        return warn(
            "schema.statistics",
            f"never analyzed: {', '.join(unknown)}",
            f"Run: ANALYZE {', '.join(unknown)}. Do this after every restore. If "
            "autovacuum does not analyze within minutes, set `autovacuum = on`. "
            "Without statistics, console and CLI queries may be slow; imports are not.",
        )
    return well("schema.statistics", "all tables with rows are analyzed")


def _check_confirmation(
    declared: DeclaredCatalog, *, has_secret: bool
) -> Iterator[Finding]:
    """Check that people get the links by which they are to confirm (D2)."""
    confirming = list_confirming(declared)
    if not confirming:
        return
    unheard = list_unheard(declared)
    if unheard:
        yield warn(
            "schema.confirmation",
            f"no trigger sends links: {', '.join(unheard)}",
            "Declare a trigger with the event confirmation_requested for each "
            "database, or remove confirm from the resource.",
        )
    if not has_secret:
        yield warn(
            "schema.confirmation",
            f"PENSTOCK_SECRET is not set here; needed by {', '.join(confirming)}",
            "Set it for all intakes, upkeep workers, and this command: openssl rand "
            "-hex 32. Without it, no link is sent or valid.",
        )
    elif not unheard:
        yield well("schema.confirmation", ", ".join(confirming))


def _check_catalog(connection: Connection, *, has_secret: bool) -> Iterator[Finding]:
    declared = load_declared(connection)
    databases = len(declared.databases)
    if databases:
        yield well("schema.catalog", count(databases, "profile database"))
    else:
        yield fail(
            "schema.catalog", "no profile databases", "Run: penstock catalog apply FILE"
        )
    if undecided := list_undecided(declared):
        yield well("schema.consent", f"no policy: {', '.join(undecided)}")
    yield from _check_confirmation(declared, has_secret=has_secret)
    tokens = len(load_tokens(connection))
    if tokens:
        yield well("schema.tokens", f"{tokens} active")
    else:
        yield warn(
            "schema.tokens", "no active tokens", "Run: penstock token create NAME"
        )


def _check_days(connection: Connection, today: date) -> Finding:
    days = list_days(connection)
    wanted = [today, today + timedelta(days=1)]
    if absent := [str(day) for day in wanted if day not in days]:
        return warn(
            "schema.receipts",
            f"no table for {', '.join(absent)}",
            "Check that beat and the upkeep worker run: they create these tables "
            "hourly. Until then receipts go to the default table, which retention "
            "cannot drop.",
        )
    return well(
        "schema.receipts", f"tables for {count(len(days), 'day')}, up to {max(days)}"
    )


def _check_months(connection: Connection, today: date) -> Finding:
    if absent := find_missing_months(connection, today):
        return warn(
            "schema.history",
            f"no table {', '.join(absent)}",
            "Check that beat and the upkeep worker run: they create these tables "
            "hourly. Until then earlier statuses go to the default table, which is "
            "cleaned row by row. A month that has rows there gets no table of its own.",
        )
    return well("schema.history", "tables of this month and the next")


def _check_keys(connection: Connection) -> Finding:
    """Compare the library versions of the stored match keys, and check a sample."""
    difference = describe_makers(load_makers(connection).made_by, list_makers())
    lacking, orphans, looked_at = sample(connection)
    found = [f"made by {difference}"] if difference else []
    if lacking:
        found.append(f"{lacking} of {looked_at} sampled profiles lack match keys")
    if lacking or difference:
        return warn(
            "schema.keys",
            "; ".join(found),
            "Run: penstock keys rebuild. Until then an import may not find a profile "
            "by its email or phone, and create a duplicate.",
        )
    if orphans:
        return warn(
            "schema.keys",
            f"{orphans} sampled match keys belong to no profile",
            "They are ignored. When no worker of another release runs: "
            "penstock keys prune",
        )
    return well("schema.keys", f"{looked_at} sampled profiles, all complete")
