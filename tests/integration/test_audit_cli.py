"""`penstock audit` as an operator and a script run it, while imports flow."""

import json
import threading
from pathlib import Path
from typing import Any

import redis
from click.testing import CliRunner, Result
from prometheus_client import generate_latest
from uuid_utils.compat import uuid7

from ingest.cli import main
from ingest.commands.consume import Door
from ingest.exporter.registry import open_registry
from ingest.settings import Settings
from ingest.streams.queues import stream_key
from tests.consumers import consuming, make_message
from tests.drains import draining
from tests.intakes import ServedIntake, make_document, wait_until

AT_ONCE = {"Prefer": "respond-async"}
BATCH = "/api/v1.1/profiles/import_batch"


def run(settings: Settings, *options: str, **more: Any) -> Result:
    servers = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    return CliRunner().invoke(main, ["audit", *options], env=servers, **more)


def is_drained(client: redis.Redis) -> bool:
    return not any(client.xlen(stream_key(number)) for number in range(4))


def test_a_new_installation_is_balanced(settings: Settings) -> None:
    result = run(settings)

    assert result.exit_code == 0
    assert "No imports accepted yet." in result.output


def test_every_door_s_imports_are_accounted_for(
    intake: ServedIntake, client: redis.Redis, token: str
) -> None:
    elements = [{"email": f"b{number}@example.com"} for number in range(30)]
    for number in range(5):
        client.xadd("database_import", {"message": make_message(number)})
    with draining(intake.settings), consuming(intake.settings, Door()):
        intake.post(make_document(token))
        intake.post(make_document(token), {"Idempotency-Key": "k"})
        intake.post(make_document(token), {"Idempotency-Key": "k"})
        intake.post({"token": token, "db_id": 1, "data": elements}, path=BATCH)
        intake.post(make_document(token, data={"points": "many"}))
        wait_until(lambda: client.xlen("database_import") == 0)
        wait_until(lambda: is_drained(client))
    intake.post(make_document(token), AT_ONCE)

    result = run(intake.settings, "--json")

    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    (one,) = told["databases"]
    assert (told["balanced"], told["missing"]) == (True, [])
    # Two of the first three, for one was sent again.
    assert one["accepted"] == 2 + 30 + 1 + 5 + 1
    assert (one["rejected"], one["waiting"], one["repeated"]) == (1, 1, 1)
    assert one["created"] + one["updated"] + one["unchanged"] == 37


def test_the_account_is_balanced_at_every_moment_of_a_flow(
    intake: ServedIntake, token: str
) -> None:
    ended = threading.Event()

    def send(start: int) -> None:
        number = start
        while not ended.is_set():
            emails = [f"n{number}x{n}@example.com" for n in range(20)]
            data = [{"email": email} for email in emails]
            document = {"token": token, "db_id": 1, "data": data, "sync": False}
            assert intake.post(document, path=BATCH).status_code == 202
            number += 1000

    senders = [threading.Thread(target=send, args=[number]) for number in range(3)]
    for sender in senders:
        sender.start()
    with draining(intake.settings):
        try:
            results = [run(intake.settings, "--json") for _ in range(10)]
        finally:
            # First: a drain that is fed goes on.
            ended.set()
            for sender in senders:
                sender.join()

    assert [result.exit_code for result in results] == [0] * 10, results[-1].output
    accepted = [
        one["accepted"]
        for result in results
        for one in json.loads(result.output)["databases"]
    ]
    assert accepted == sorted(accepted)
    assert accepted[-1] > accepted[0]


def test_missing_imports_are_named_and_measured(
    intake: ServedIntake, client: redis.Redis, token: str
) -> None:
    lost = intake.post(make_document(token), AT_ONCE).json()["import_id"]
    kept = intake.post(make_document(token), AT_ONCE).json()["import_id"]
    taken = intake.worker.take()
    client.xdel(stream_key(taken.partition), taken.entry.id)

    table, document = run(intake.settings), run(intake.settings, "--json")
    with open_registry(intake.settings, None) as registry:
        exposition = generate_latest(registry).decode()

    assert (table.exit_code, document.exit_code) == (1, 1)
    assert f"missing: {lost}, database 1" in table.output
    assert kept not in table.output
    told = json.loads(document.output)
    assert not told["balanced"]
    assert [one["import_id"] for one in told["missing"]] == [lost]
    assert told["databases"][0]["imbalance"] == 1
    assert 'penstock_ledger_imbalance{database="1"} 1.0' in exposition
    assert 'penstock_ledger_imbalance{database="2"} 0.0' in exposition


def test_one_database_is_told_of_alone(
    intake: ServedIntake, client: redis.Redis, token: str
) -> None:
    intake.post(make_document(token), AT_ONCE)
    taken = intake.worker.take()
    client.xdel(stream_key(taken.partition), taken.entry.id)
    intake.post(make_document(token, db_id=2), AT_ONCE)

    one, two = (run(intake.settings, "--database", number) for number in "12")

    assert (one.exit_code, two.exit_code) == (1, 0)
    assert "missing" not in two.output


def test_a_producer_s_list_is_checked(
    intake: ServedIntake, client: redis.Redis, token: str, tmp_path: Path
) -> None:
    with draining(intake.settings):
        applied = intake.post(make_document(token)).headers["Import-Id"]
        wait_until(lambda: is_drained(client))
    waiting = intake.post(make_document(token), AT_ONCE).json()["import_id"]
    unknown = str(uuid7())
    listed = tmp_path / "ids"
    listed.write_text(f"{applied}\n{waiting}\n\n")

    found = run(intake.settings, "--ids", str(listed))
    missing = run(intake.settings, "--ids", "-", input=f"{unknown}\n{applied}\n")
    as_json = run(intake.settings, "--ids", "-", "--json", input=unknown)
    malformed = run(intake.settings, "--ids", "-", input="nonsense")

    assert (found.exit_code, found.output) == (0, "0 of 2 imports missing\n")
    assert missing.exit_code == 1
    assert missing.stdout.split() == [unknown]
    assert json.loads(as_json.stdout) == {"checked": 1, "missing": [unknown]}
    assert malformed.exit_code == 2
    assert "Line 1 must be an import ID" in malformed.output


def test_what_cannot_be_told_is_said_so(
    intake: ServedIntake, client: redis.Redis, token: str, tmp_path: Path
) -> None:
    with draining(intake.settings):
        intake.post(make_document(token))
        wait_until(lambda: is_drained(client))
    client.flushdb()

    wiped = run(intake.settings)
    restarted = run(intake.settings, "--restart")
    nowhere = "postgresql://nobody@127.0.0.1:9/nowhere"
    no_postgres = run(intake.settings, "--database-url", nowhere)
    no_redis = run(intake.settings, "--redis-url", "redis://127.0.0.1:9")

    assert wiped.exit_code == 3
    assert "Redis was wiped" in wiped.output
    assert restarted.exit_code == 0
    assert (no_postgres.exit_code, no_redis.exit_code) == (3, 3)
