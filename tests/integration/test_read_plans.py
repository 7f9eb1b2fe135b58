"""Reading, listing and deleting use indexes, on 100,000 profiles."""

import pytest

from ingest.domain.lookups import EMAIL, PHONE, PROFILE_ID, Lookup, Search
from ingest.store.catalog.load import load_catalog
from ingest.store.profiles.deletions import delete_profile
from ingest.store.profiles.profile_rows import list_ids, load_profiles
from ingest.store.profiles.workspaces import read_workspace, want
from tests.conftest import Connection
from tests.plans import about, reading_whole, store_profiles, store_receipts, watching

ROWS = 100_000
TABLES = (
    "profiles",
    "match_keys",
    "segment_members",
    "imports",
    "events",
)


@pytest.fixture(scope="module")
def filled(module_connection: Connection) -> Connection:
    """ROWS profiles, each with three keys, a subscription, a segment and a receipt."""
    connection = module_connection
    store_profiles(connection, ROWS)
    store_receipts(connection)
    connection.execute(
        """
        INSERT INTO events
               (id, import_id, database_id, profile_id, kind, sequence, detail,
                created_at)
        SELECT gen_random_uuid(), gen_random_uuid(), 1, id, 'import', 0, '{}', now()
          FROM profiles;

        ANALYZE
        """
    )
    return connection


def test_a_page_from_the_middle_is_read_by_index(filled: Connection) -> None:
    with watching(filled) as plans:
        ids = list_ids(filled, 1, f"{ROWS // 2:024x}", 100)
        load_profiles(filled, [(1, id_) for id_ in ids])

    assert ids == [f"{ROWS // 2 + n:024x}" for n in range(1, 101)]
    assert len(about(plans, TABLES)) >= 3
    assert reading_whole(plans, TABLES) == []


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

    with filled.transaction(force_rollback=True), watching(filled) as plans:
        for number, search in searches.items():
            with filled.transaction():
                workspace = read_workspace(filled, catalog, want(1, search))
                found = workspace.find(1, search)
                assert found is not None
                assert found[0].id == f"{number:024x}"
                delete_profile(filled, catalog, 1, search)

    assert len(about(plans, TABLES)) >= 30
    assert reading_whole(plans, TABLES) == []
