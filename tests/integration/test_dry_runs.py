"""A run tells what would happen, and nothing happens."""

from typing import Any

import psycopg
import pytest

from ingest.domain.imports import State
from ingest.store.catalog.load import load_catalog
from ingest.wire.profile_schemas import ProfileSchemas
from tests.conftest import Connection
from tests.factories import make_import
from tests.pipeline import Pipeline
from workers.dry_runs import dry_run

TABLES = ("profiles", "match_keys", "subscriptions", "imports", "events")


@pytest.fixture
def schemas(connection: Connection) -> ProfileSchemas:
    return ProfileSchemas(load_catalog(connection))


def ada(**data: Any) -> dict[str, Any]:
    return {"email": "ada@example.com", **data}


def test_a_dry_run_says_what_applying_would(
    pipeline: Pipeline, schemas: ProfileSchemas
) -> None:
    known = pipeline.create(ada(_fname="Ada"))
    imports = [
        make_import("email", ada(_fname="Augusta")),
        make_import("email", {"email": "new@example.com"}),
        make_import("email", ada(email="no address")),
        make_import("email", ada(_fname="Augusta")),
    ]

    tried = dry_run(pipeline.connection, imports, schemas)
    applied = pipeline.apply(*imports)

    states = [State.UPDATED, State.CREATED, State.REJECTED, State.UNCHANGED]
    assert [outcome.state for outcome in tried] == states
    assert [outcome.import_id for outcome in tried] == [
        one.import_id for one in imports
    ]
    assert tried[0] == applied[0]
    assert tried[0].profile_id == known
    assert tried[0].changes == {"_fname": ("Ada", "Augusta")}
    assert tried[2] == applied[2]


def test_a_dry_run_writes_nothing(pipeline: Pipeline, schemas: ProfileSchemas) -> None:
    pipeline.create(ada())
    before = [pipeline.count(table) for table in TABLES]

    dry_run(
        pipeline.connection,
        [make_import("email", ada(_fname="X")), make_import("phone", {"phones": "1"})],
        schemas,
    )

    assert [pipeline.count(table) for table in TABLES] == before
    (outcome,) = pipeline.apply(make_import("email", ada()))
    assert outcome.state is State.UNCHANGED


def test_an_import_that_has_a_receipt_is_rehearsed_all_the_same(
    pipeline: Pipeline, schemas: ProfileSchemas
) -> None:
    import_ = make_import("email", ada(points={"action": "incr", "value": 2}))
    pipeline.apply(import_)

    (outcome,) = dry_run(pipeline.connection, [import_], schemas)

    assert outcome.import_id == import_.import_id
    assert outcome.changes == {"points": (2, 4)}


def test_nobody_waits_for_a_rehearsal_that_is_over(
    pipeline: Pipeline, schemas: ProfileSchemas, database_url: str
) -> None:
    pipeline.create(ada())

    dry_run(pipeline.connection, [make_import("email", ada(_fname="A"))], schemas)

    with psycopg.connect(database_url) as other:
        other.execute("SET lock_timeout = '1s'")
        other.execute("SELECT 1 FROM profiles FOR UPDATE")
        locks = other.execute("SELECT count(*) FROM pg_locks WHERE locktype='advisory'")
        assert locks.fetchone() == (0,)
