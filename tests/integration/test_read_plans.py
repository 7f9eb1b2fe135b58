"""Reading, listing and deleting use indexes, on 100,000 profiles."""

from collections.abc import Callable

import psycopg
import pytest

from ingest.domain.lookups import EMAIL, PHONE, PROFILE_ID, Lookup, Search
from ingest.store.catalog import load_catalog
from ingest.store.deletions import delete_profile
from ingest.store.profiles import list_ids, load_profiles
from ingest.store.workspaces import read_workspace, want
from tests.conftest import Connection

ROWS = 100_000
TABLES = (
    "profiles",
    "match_keys",
    "subscriptions",
    "segment_members",
    "imports",
    "events",
)


@pytest.fixture
def filled(connection: Connection) -> Connection:
    """ROWS profiles, each with two keys, a subscription, a segment and a receipt."""
    connection.execute(
        """
        INSERT INTO profiles (database_id, id, email, phones, created_at, updated_at)
        SELECT 1, lpad(to_hex(n), 24, '0'), 'p' || n || '@example.com',
               ARRAY['+1' || (2000000000 + n)], now(), now()
          FROM generate_series(1, %(rows)s) AS n
        """,
        {"rows": ROWS},
    )
    connection.execute(
        """
        INSERT INTO match_keys
        SELECT 1, 'email', email, id, true FROM profiles
         UNION ALL
        SELECT 1, 'phone', phones[1], id, false FROM profiles;

        INSERT INTO subscriptions
        SELECT 1, id, 1, 'email', email, jsonb_build_object('email', email),
               'subscribed', 0, '{}', '{}', false, now(), now()
          FROM profiles;

        INSERT INTO segment_members SELECT 1, id, 1, now() FROM profiles;

        INSERT INTO imports
               (import_id, database_id, door, operation, matching, state, error,
                error_text, profile_id, accepted_at, started_at, applied_at)
        SELECT gen_random_uuid(), 1, 'http', 'import', 'email', 'created', 0, '', id,
               now(), now(), now()
          FROM profiles;

        INSERT INTO events
               (id, import_id, database_id, profile_id, kind, sequence, detail,
                created_at)
        SELECT gen_random_uuid(), gen_random_uuid(), 1, id, 'import', 0, '{}', now()
          FROM profiles;

        ANALYZE
        """
    )
    return connection


def explain(connection: Connection, work: Callable[[], object]) -> list[str]:
    """Return the plan of each statement that `work` runs, as it ran."""
    plans: list[str] = []

    def keep(diagnostic: psycopg.errors.Diagnostic) -> None:
        plans.append(str(diagnostic.message_primary))

    connection.execute("LOAD 'auto_explain'")
    connection.execute("SET auto_explain.log_level = notice")
    connection.execute("SET auto_explain.log_min_duration = 0")
    connection.add_notice_handler(keep)
    work()
    connection.remove_notice_handler(keep)
    return [plan for plan in plans if any(table in plan for table in TABLES)]


def whole_reads(plans: list[str]) -> list[str]:
    return [
        plan
        for plan in plans
        if any(f"Seq Scan on {table}" in plan for table in TABLES)
    ]


def test_a_page_from_the_middle_is_read_by_index(filled: Connection) -> None:
    ids: list[str] = []

    def read() -> None:
        ids.extend(list_ids(filled, 1, f"{ROWS // 2:024x}", 100))
        load_profiles(filled, [(1, id_) for id_ in ids])

    plans = explain(filled, read)

    assert ids == [f"{ROWS // 2 + n:024x}" for n in range(1, 101)]
    assert len(plans) >= 4
    assert whole_reads(plans) == []


def test_a_profile_is_read_and_deleted_by_index(filled: Connection) -> None:
    catalog = load_catalog(filled)
    searches = {
        76: Search(lookups=(Lookup(PROFILE_ID, f"{76:024x}"),)),
        77: Search(
            lookups=(
                Lookup(EMAIL, "p77@example.com"),
                Lookup("email_sub", "p77@example.com"),
            )
        ),
        78: Search(lookups=(Lookup(PHONE, "+12000000078"),)),
    }

    def read_and_delete() -> None:
        for number, search in searches.items():
            with filled.transaction():
                workspace = read_workspace(filled, catalog, want(1, search))
                found = workspace.find(1, search)
                assert found is not None
                assert found[0].id == f"{number:024x}"
                delete_profile(filled, catalog, 1, search)

    plans = explain(filled, read_and_delete)

    assert len(plans) >= 30
    assert whole_reads(plans) == []
