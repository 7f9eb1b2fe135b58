"""Poison of every kind becomes a dead letter, alone; its neighbours are applied."""

from typing import Any

import orjson
import pytest
import redis

from ingest.domain.imports import Import, State
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.streams.queues import stream_key
from ingest.wire.entries import encode
from ingest.wire.profile_schemas import ProfileSchemas
from tests.conftest import Connection
from tests.drains import make_drain
from tests.factories import make_import
from tests.pipeline import Pipeline


def by_email(email: str, data: dict[str, Any] | None = None, **more: Any) -> Import:
    return make_import("email", data, key={"email": email}, **more)


def damaged(**members: object) -> bytes:
    """An import's entry with members that no release of ours wrote."""
    entry = orjson.loads(encode(by_email("bad@example.com")))
    return orjson.dumps(entry | members)


def drained(settings: Settings) -> None:
    drain = make_drain(settings)
    try:
        drain.run(lambda _: None)
    finally:
        drain.close()


@pytest.mark.parametrize(
    ("fields", "error_class"),
    [
        pytest.param({"import": b"\xff\x00"}, "MalformedEntry", id="not JSON"),
        pytest.param({"import": damaged(v=2)}, "UnknownForm", id="unknown version"),
        pytest.param({"import": damaged(fresh=1)}, "UnknownForm", id="unknown member"),
        pytest.param({"import": b"[" * 100_000}, "MalformedEntry", id="recursing"),
        pytest.param(
            {"import": damaged(database_id=2**40)}, "MalformedEntry", id="huge database"
        ),
        pytest.param({"import": damaged(door="\0")}, "MalformedEntry", id="NUL"),
        pytest.param({"message": b"Ada"}, "MalformedEntry", id="no field import"),
    ],
)
def test_an_entry_nobody_can_decode_is_kept_whole_and_stops_nobody(
    settings: Settings,
    client: redis.Redis,
    connection: Connection,
    fields: dict[Any, Any],
    error_class: str,
) -> None:
    before = by_email("ann@example.com", {"_fname": "first"})
    after = by_email("ann@example.com", {"_fname": "last"})
    client.xadd(stream_key(0), {"import": encode(before)})
    client.xadd(stream_key(0), fields)
    client.xadd(stream_key(0), {"import": encode(after)})
    client.xadd(stream_key(1), {"import": encode(by_email("bob@example.com"))})

    drained(settings)

    assert [client.xlen(stream_key(number)) for number in range(4)] == [0, 0, 0, 0]
    names = connection.execute("SELECT fields ->> '_fname' FROM profiles ORDER BY 1")
    assert names.fetchall() == [("last",), (None,)]
    row = connection.execute(
        "SELECT import_id, payload, error_class, place FROM dead_letters"
    ).fetchone()
    kept = fields.get("import") or b'{"message":"Ada"}'
    assert row == (None, kept, error_class, "ingest/wire/entries.py decode")


def test_an_entry_whose_database_is_gone_is_rejected_and_stops_nobody(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    lost = by_email("lost@example.com", database_id=77)
    for import_ in (lost, by_email("ann@example.com")):
        client.xadd(stream_key(0), {"import": encode(import_)})

    drained(settings)

    states = connection.execute("SELECT state, error FROM imports ORDER BY import_id")
    assert states.fetchall() == [("rejected", 404), ("created", 0)]
    assert client.xlen(stream_key(0)) == 0


def test_what_nests_deeper_than_the_rules_can_follow_stops_nobody(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    # orjson writes nothing as deep as what it reads.
    payload = encode(by_email("deep@example.com")).replace(
        b'"data":{}', b'"data":{"_fname":' + b'{"a":' * 900 + b"1" + b"}" * 901
    )
    client.xadd(stream_key(0), {"import": payload})
    client.xadd(stream_key(0), {"import": encode(by_email("ann@example.com"))})

    drained(settings)

    states = connection.execute("SELECT state FROM imports ORDER BY accepted_at")
    assert [state for (state,) in states] == ["rejected", "created"]
    assert client.xlen(stream_key(0)) == 0


def fail(ip: str) -> None:
    raise RuntimeError(f"a bug\0 that says {ip}\ud800")


def test_a_bug_of_ours_in_the_merge_buries_its_import_alone(
    connection: Connection,
) -> None:
    # A locator is asked while an import is read; this one has a bug.
    schemas = ProfileSchemas(load_catalog(connection), fail)
    pipeline = Pipeline(connection, schemas)
    imports = [
        by_email(
            f"n{number}@example.com", {"_ip": "8.8.8.8"}, detect_geo=number in (2, 5)
        )
        for number in range(7)
    ]

    outcomes = pipeline.apply(*imports)

    assert [one.state is State.DEAD for one in outcomes] == [
        number in (2, 5) for number in range(7)
    ]
    rows = connection.execute(
        "SELECT import_id, database_id, error_class, fingerprint FROM dead_letters"
    ).fetchall()
    assert {row[0] for row in rows} == {imports[2].import_id, imports[5].import_id}
    assert [row[1:3] for row in rows] == [(1, "RuntimeError")] * 2
    assert len({row[3] for row in rows}) == 1


def test_what_postgres_refuses_is_grouped_by_the_constraint(
    connection: Connection,
) -> None:
    for name in ("ada", "bob"):
        connection.execute(
            f"ALTER TABLE profiles ADD CONSTRAINT no_{name}"
            f" CHECK (fields ->> '_fname' IS DISTINCT FROM '{name}')"
        )
    names = ("ada", "bob", "ada", "eve")

    Pipeline(connection).apply(
        *(by_email(f"n{n}@example.com", {"_fname": x}) for n, x in enumerate(names))
    )

    groups = connection.execute(
        "SELECT error_class, count(*) FROM dead_letters GROUP BY fingerprint, 1"
        " ORDER BY 1"
    )
    assert groups.fetchall() == [
        ("CheckViolation[no_ada]", 2),
        ("CheckViolation[no_bob]", 1),
    ]
