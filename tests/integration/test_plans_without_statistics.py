"""Statements are planned alike at any size, analyzed or not: by the one right index."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ingest.domain.lookups import EMAIL, Lookup, Search
from ingest.store.catalog.load import load_catalog
from ingest.store.database import connect
from ingest.store.people.progress import make_index
from ingest.store.profiles.deletions import delete_profile
from ingest.store.profiles.profile_rows import lock_profiles
from ingest.store.receipts.days import create_daily_partitions
from tests.conftest import Connection, Servers
from tests.databases import cloned
from tests.pipeline import Pipeline
from tests.plans import store_profiles, store_receipts, watching
from tests.statements import (
    Plan,
    Statement,
    explain,
    judge,
    list_statements,
    load_indexes,
)

ROWS = 100_000
FEW = 20
#: Tables that hold what is declared, not what is imported.
SMALL = frozenset({
    "accounts", "databases", "fields", "resources", "resource_fields", "segments",
    "endpoints", "triggers", "workflows", "tokens", "retired_secrets", "migrations",
    "catalog_version", "installation", "key_makers", "partitions", "journals", "ledger",
    "segment_builds", "suppression_lists", "suppression_scans", "suppression_key",
    "segment_activity", "column_maps", "people_search_progress", "turns", "rollups",
    "uploads",
})  # fmt: skip
#: What may be planned in several ways, or reads a table whole, and why it may. Whatever
#: is not named here is judged: a new statement is, until somebody gives a reason.
UNJUDGED = {
    "ingest/commands/demo_crash.py:_count": "the demo counts its own database",
    "ingest/commands/demo_crash.py:_count_applied": "the demo counts its own database",
    "ingest/store/catalog/statements.py:delete_members": "a segment is removed",
    "ingest/store/catalog/statements.py:fill_suppressions": "the catalog changes",
    "ingest/store/suppressions/entries.py:delete_entries": "operators remove",
    "ingest/store/suppressions/entries.py:delete_expired": "upkeep drops what is old",
    "ingest/store/suppressions/work.py:_is_scan_due": "a queue, nearly empty",
    "ingest/store/suppressions/work.py:count_work": "a queue, nearly empty",
    "ingest/store/suppressions/work.py:delete_work": "a queue, nearly empty",
    "ingest/store/suppressions/work.py:start_scans": "a queue, nearly empty",
    "ingest/store/suppressions/work.py:take_work": "a queue, read from its head",
    "ingest/store/dead_letters/write.py:claim_dead_letters": "operators replay",
    "ingest/store/dead_letters/write.py:resolve_dead_letters": "operators resolve",
    "ingest/store/events/delivery_pages.py:_LATEST": "operators look",
    "ingest/store/events/delivery_pages.py:_OF_STATE": "made of parts; operators look",
    "ingest/store/events/marks.py:forget_marks": "the catalog changes",
    "ingest/store/events/resends.py:resend_event": "an event has few deliveries",
    "ingest/store/profiles/exports.py:_OF_IDS": "one membership, by either index",
    "ingest/store/receipts/pages.py:_FAILED": "operators look",
    "ingest/store/receipts/pages.py:_LAST_FAILED": "operators look",
    "ingest/store/receipts/read.py:count_unlocated": "doctor reads the newest thousand",
    "ingest/store/receipts/read.py:load_lines": "operators look",
    "ingest/store/jobs/progress.py:find_job_of_file": "of one database, once a file",
    "ingest/store/jobs/progress.py:find_running_undo": "upkeep asks hourly",
    "ingest/store/jobs/progress.py:drop_jobs": "upkeep drops what is old",
    "ingest/store/profiles/merge_pages.py:_OF_DATABASE": "operators look",
    "ingest/store/profiles/merge_pages.py:_OF_PROFILES": "operators look",
    "ingest/store/profiles/key_makers.py:find_difference": "whether there is a profile",
    "ingest/store/receipts/undo_targets.py:_HELD_OF_TIME": "held imports are few",
    "ingest/store/held.py:list_cases": "operators look; held imports are few",
    "ingest/store/confirmations.py:count_unused": "counts, up to a bound",
    "ingest/store/overviews.py:select_held": "counts, up to a bound",
    "ingest/store/ledger.py:count_missing": "few are ever missing",
    "ingest/store/ledger.py:forget_found": "few are ever missing",
    "ingest/store/ledger.py:load_missing": "few are ever missing",
    "ingest/store/dead_letters/read.py:_GROUPS": "operators look",
    "ingest/store/dead_letters/read.py:count_overtaking": "operators replay",
    "ingest/store/dead_letters/read.py:find_letter_ids": "operators look",
    "ingest/store/overviews.py:select_dead_letters": "an index of open ones, whole",
    "ingest/store/receipts/days.py:_drop_untimed": "upkeep drops what is old",
    "ingest/store/consents/months.py:drop_months": "upkeep drops what is old",
    "ingest/commands/segment.py:_audit_all": "operators look",
    "ingest/store/segments/builds.py:request_builds": "whether there is a profile",
    "ingest/store/segments/builds.py:estimate_profiles": "once a build",
    "ingest/store/segments/activity.py:load_next_moves": "operators look, bounded",
    "ingest/store/segments/activity.py:count_some_members": "operators look, bounded",
    "ingest/store/people/find.py:_is_known": "operators look, for 300 ms",
    "ingest/store/people/find.py:_ALIKE_BEGUN": "operators look, for 300 ms",
    "ingest/store/people/find.py:_ALIKE_TRIGRAMS": "operators look, for 300 ms",
    "ingest/store/segments/members.py:count_members": "operators look",
    "ingest/store/rollups/counting.py:take_stale": "a queue, nearly empty",
    "ingest/store/rollups/reading.py:load_files": "the newest few, by their ids",
    "ingest/store/rollups/reading.py:load_marks": "open dead letters, up to a bound",
}


#: How each statement is planned, by the state of the tables.
Plans = dict[str, dict[Statement, Plan]]


@pytest.fixture(scope="module")
def plans(servers: Servers, template: str) -> Iterator[Plans]:
    with cloned(servers.database_url, template) as url, connect(url) as connection:
        create_daily_partitions(connection, datetime.now(UTC).date(), 1)
        # Its operators are those of an extension.
        assert make_index(connection)
        never_analyze(connection)
        found = {"empty": plan_all(connection)}
        fill(connection, ROWS)
        found["filled, never analyzed"] = plan_all(connection)
        connection.execute("ANALYZE")
        found["filled, analyzed"] = plan_all(connection)
        clear(connection)
        fill(connection, FEW)
        connection.execute("ANALYZE")
        found["few rows, analyzed"] = plan_all(connection)
        yield found


def test_every_statement_searches_by_the_best_index_at_any_size(plans: Plans) -> None:
    faults = {
        (state, statement.place): plan.faults
        for state, planned in plans.items()
        for statement, plan in planned.items()
        if plan.faults
    }

    assert faults == {}


def test_every_statement_is_planned_alike_at_any_size(plans: Plans) -> None:
    first, *others = plans.values()
    changing = {
        statement.place: [
            plan.searches,
            *(other[statement].searches for other in others),
        ]
        for statement, plan in first.items()
        if any(other[statement].searches != plan.searches for other in others)
    }

    assert changing == {}


def test_what_is_not_judged_still_exists() -> None:
    places = {statement.place for statement in list_statements()}

    assert UNJUDGED.keys() - places == set()


def test_everything_that_a_batch_and_a_deletion_run_is_judged(
    pipeline: Pipeline,
) -> None:
    search = Search(lookups=(Lookup(EMAIL, "anna@example.com"),))
    sms = {"channel": "sms", "phone": "+79000000000", "resource_id": 1}

    with watching(pipeline.connection) as seen:
        pipeline.create({"email": "anna@example.com", "subscriptions": [sms]})
        pipeline.create({"email": "anna@example.com", "phones": ["+79000000001"]})
        with pipeline.connection.transaction():
            catalog = load_catalog(pipeline.connection)
            delete_profile(pipeline.connection, catalog, 1, search)

    run = [squeeze(plan) for plan in seen]
    ran = {
        statement.place
        for statement in list_statements()
        if any(squeeze(statement.numbered) in plan for plan in run)
    }
    assert "ingest/store/profiles/lookups.py:_find_by_keys" in ran
    assert len(ran) >= 14
    assert ran & UNJUDGED.keys() == set()


def test_what_was_planned_while_nothing_was_there_is_planned_again(
    connection: Connection, database_url: str
) -> None:
    never_analyze(connection)
    connection.execute("ANALYZE")
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.prepare_threshold = 0

    def lock() -> str:
        with watching(connection) as seen:
            lock_profiles(connection, [(1, f"{number:024x}") for number in range(9)])
        return squeeze(seen[0])

    first = lock()
    with connect(database_url) as other:
        store_profiles(other, 1_000)
    kept = lock()
    connection.execute("DISCARD PLANS")  # As a drain does every now and then.

    assert "Index Cond" not in first
    assert "Index Cond" not in kept
    assert "Index Cond: ((database_id = wanted.database_id) AND (id = " in lock()


def squeeze(text: str) -> str:
    return " ".join(text.split())


def plan_all(connection: Connection) -> dict[Statement, Plan]:
    indexes = load_indexes(connection)
    return {
        each: judge(explain(connection, each), indexes, SMALL)
        for each in list_statements()
        if each.place not in UNJUDGED
    }


def tables(connection: Connection) -> list[str]:
    rows = connection.execute(
        """
        SELECT relname
          FROM pg_class
         WHERE relkind = 'r'
           AND relnamespace = 'public'::regnamespace
        """
    )
    return [name for (name,) in rows if name not in SMALL]


def never_analyze(connection: Connection) -> None:
    for table in tables(connection):
        connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")


def clear(connection: Connection) -> None:
    connection.execute(f"TRUNCATE {', '.join(tables(connection))}")


def fill(connection: Connection, count: int) -> None:
    """Store `count` rows in every table that grows with what is imported."""
    store_profiles(connection, count)
    store_receipts(connection)
    connection.execute(
        """
        INSERT INTO events
               (id, import_id, database_id, profile_id, profile_sequence, kind,
                sequence, detail, created_at)
        SELECT import_id, import_id, 1, profile_id,
               nextval('events_profile_sequence'), 'import', 0, '{}', now()
          FROM imports;
        INSERT INTO deliveries
               (event_id, endpoint_id, profile_key, profile_sequence, trigger_ids,
                next_attempt_at)
        SELECT events.id, endpoints.id, database_id || ':' || profile_id,
               profile_sequence, '{1}', now()
          FROM events, endpoints;
        INSERT INTO delivery_attempts
        SELECT event_id, endpoint_id, 1, now(), 5, 200, '' FROM deliveries;
        INSERT INTO job_rows SELECT import_id, '', NULL FROM imports;
        INSERT INTO jobs (id, name, database_id, parameters, created_at, updated_at)
        SELECT import_id, import_id::text, 1, '{}', now(), now() FROM imports;
        INSERT INTO dead_letters
               (import_id, partition, entry_id, payload, error, traceback, created_at)
        SELECT import_id, 0, import_id::text, '', 'KeyError', '', now() FROM imports;
        INSERT INTO profile_aliases
        SELECT database_id, reverse(id), id, NULL FROM profiles;
        INSERT INTO merges (merge_id, database_id, survivor_id, before, merged_at)
        SELECT import_id, 1, profile_id, '[]', now() FROM imports;
        INSERT INTO held_imports
        SELECT import_id, 1, gen_random_uuid(), 0, '', '', now(), now() FROM imports;
        INSERT INTO held_candidates SELECT 1, profile_id, import_id FROM imports;
        INSERT INTO merged_profiles SELECT 1, survivor_id, merge_id FROM merges;
        INSERT INTO confirmations
        SELECT import_id, 1, profile_id, 1, 'email', profile_id || '@example.com', 1,
               now(), now()
          FROM imports;
        INSERT INTO missing_imports SELECT import_id, 1, 0, now() FROM imports
        """
    )
