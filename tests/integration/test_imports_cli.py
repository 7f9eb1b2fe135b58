"""`penstock imports`, `profiles` and `events` on a real database and Redis."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner, Result
from msgspec import structs

from ingest.cli import main
from ingest.commands.imports import WAITING
from ingest.domain.identities import derive_import_id
from ingest.domain.imports import Import
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.streams.queues import stream_key
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger
from tests.factories import make_import
from tests.pipeline import Pipeline

ROOT = Path(__file__).parents[2]
Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings) -> Run:
    environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env=environ)

    return invoke


@pytest.fixture
def listened(connection: Connection) -> None:
    """Every import is told to an endpoint."""
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={1: make_endpoint()},
            triggers={1: make_trigger()},
        )
        save_catalog(connection, declared)


def make_update(points: object = 1, email: str = "ada@example.com") -> Import:
    return make_import("email", {"points": points}, key={"email": email})


def test_a_receipt_explains_the_match_and_the_change(
    run: Run, listened: None, connection: Connection
) -> None:
    first, second = make_update(1), make_update(2)
    Pipeline(connection).apply(first, second)

    shown = run("imports", "show", str(second.import_id))
    document = json.loads(
        run("imports", "show", str(second.import_id), "--json").output
    )

    assert shown.exit_code == 0
    for text in ("updated", "by its own email", "points", "CRM"):
        assert text in shown.output
    assert document["changes"] == [{"path": "points", "old": 1, "new": 2}]
    assert document["match"].endswith("by its own email.")
    (event,) = document["events"]
    assert event["deliveries"][0]["state"] == "pending"


def test_a_receipt_says_what_is_wrong_and_what_to_do(
    run: Run, connection: Connection
) -> None:
    refused = make_update("many")
    Pipeline(connection).apply(refused)

    shown = run("imports", "show", str(refused.import_id))
    document = json.loads(
        run("imports", "show", str(refused.import_id), "--json").output
    )

    assert shown.exit_code == 0
    assert "data.points" in shown.output
    assert "Use a whole number" in shown.output
    (fault,) = document["faults"]
    assert fault["text"] == "Must be an integer: data.points"
    assert fault["reason"] == "invalid_integer"
    assert fault["remedy"] == "Use a whole number, such as 42."


def test_what_still_waits_is_told_apart_from_what_is_unknown(
    run: Run, settings: Settings
) -> None:
    waiting, unknown = make_update(), make_update()
    with redis.Redis.from_url(settings.redis_url) as client:
        client.xadd(stream_key(3), {"i": encode(waiting)})

    shown = run("imports", "show", str(waiting.import_id))
    missing = run("imports", "show", str(unknown.import_id))

    assert shown.exit_code == WAITING
    assert "is accepted and waiting" in shown.output
    assert missing.exit_code == 1
    assert "No receipt for import" in missing.output


def test_a_named_import_that_waits_is_found_too(run: Run, settings: Settings) -> None:
    named = derive_import_id("feedback", "1", "1", "order-7")
    with redis.Redis.from_url(settings.redis_url) as client:
        entry = encode(structs.replace(make_update(), import_id=named))
        client.xadd(stream_key(0), {"i": entry})

    assert run("imports", "show", str(named)).exit_code == WAITING


def test_imports_and_profiles_are_found_by_a_term(
    run: Run, connection: Connection
) -> None:
    created = make_update()
    (outcome,) = Pipeline(connection).apply(created)

    by_email = run("imports", "find", "ADA@example.com")
    by_id = json.loads(run("imports", "find", str(created.import_id), "--json").output)

    assert outcome.profile_id is not None
    assert outcome.profile_id in by_email.output
    assert by_id["imports"][0]["state"] == "created"
    assert run("imports", "find", "bob@example.com").exit_code == 1
    assert run("imports", "find", "  ").exit_code == 2


def test_the_latest_are_listed_with_the_last_at_the_end(
    run: Run, connection: Connection
) -> None:
    pipeline = Pipeline(connection)
    sent = [make_update(points) for points in (1, "x", 3)]
    for each in sent:
        pipeline.apply(each)

    lines = run("imports", "list", "--json").stdout.splitlines()
    page = run("imports", "list", "-n", "2")
    failed = run("imports", "list", "--failed").stdout

    listed = [json.loads(line)["import_id"] for line in lines]
    assert listed == [str(each.import_id) for each in sent]
    cursor = page.stderr.split()[-1]
    older = run("imports", "list", "--before", cursor, "--json").stdout.splitlines()
    assert [json.loads(line)["import_id"] for line in older] == listed[:1]
    assert str(sent[1].import_id) in failed
    assert str(sent[0].import_id) not in failed


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("imports", "show", "seven"), 2),
        (("imports", "list", "--state", "lost"), 2),
        (("imports", "list", "--since", "yesterday"), 2),
        (("imports", "list", "--before", "x"), 1),
        (("events", "list", "--before", "x"), 1),
        (("events", "show", "00000000-0000-0000-0000-000000000000"), 1),
        (("profiles", "show", "nobody@example.com"), 1),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_line(
    run: Run, arguments: tuple[str, ...], status: int
) -> None:
    result = run(*arguments)

    assert result.exit_code == status
    assert "Traceback" not in result.output
    assert "Error: " in result.output


def test_what_is_applied_is_followed_until_interrupted(
    connection: Connection, settings: Settings
) -> None:
    pipeline = Pipeline(connection)
    first, second = make_update(1), make_update(2)
    pipeline.apply(first)
    argv = [sys.executable, "-m", "ingest.cli", "imports", "list", "-f", "--json"]
    with subprocess.Popen(
        argv,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": settings.database_url},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        before = json.loads(process.stdout.readline())
        pipeline.apply(second)
        after = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()

    assert before["import_id"] == str(first.import_id)
    assert after["import_id"] == str(second.import_id)
    assert rest == ""
    assert process.returncode == 0


def test_a_profile_is_shown_with_its_history(run: Run, connection: Connection) -> None:
    pipeline = Pipeline(connection)
    sent = [make_update(points) for points in (1, 2, 3)]
    for each in sent:
        pipeline.apply(each)

    shown = run("profiles", "show", "ada@example.com", "--imports", "2")
    document = json.loads(run("profiles", "show", "ada@example.com", "--json").stdout)

    assert shown.exit_code == 0
    assert "points" in shown.stdout
    assert str(sent[2].import_id) in shown.stdout
    assert str(sent[0].import_id) not in shown.stdout
    assert "--before" in shown.stderr
    assert document["profile"]["points"] == 3
    assert [each["state"] for each in document["imports"]] == [
        "updated",
        "updated",
        "created",
    ]
    assert document["next"] is None


def test_several_profiles_are_told_apart(run: Run, connection: Connection) -> None:
    pipeline = Pipeline(connection)
    ids = [
        pipeline.create({"email": f"{name}@b.cd", "phones": ["+442079460018"]})
        for name in "xy"
    ]

    result = run("profiles", "show", "+44 20 7946 0018")

    assert result.exit_code == 1
    assert "2 profiles found" in result.output
    assert all(f"show {id_} --database 1" in result.output for id_ in ids)


def test_deliveries_are_listed_and_an_event_shown(
    run: Run, listened: None, connection: Connection
) -> None:
    Pipeline(connection).apply(make_update(), make_update(email="b@example.com"))
    connection.execute(
        """
        INSERT INTO delivery_attempts
        SELECT event_id, endpoint_id, 1, now(), 12, 503, 'HTTP 503' FROM deliveries
        """
    )

    listed = run("events", "list", "--json", "-n", "1")
    line = json.loads(listed.stdout)
    shown = run("events", "show", line["event_id"])
    document = json.loads(run("events", "show", line["event_id"], "--json").stdout)

    assert line["last_error"] == "HTTP 503"
    assert "--before" in listed.stderr
    assert "HTTP 503" in run("events", "list", "--state", "pending").stdout
    for text in ("pending", "CRM", "Tell", "12 ms", "503"):
        assert text in shown.stdout
    assert document["deliveries"][0]["attempts"][0]["status"] == 503
    assert run("events", "list", "--state", "failed").stdout == ""
