"""What an intake does when Postgres, Redis or its own process is disturbed."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import psycopg
import redis
from psycopg import sql

from ingest.settings import Settings
from ingest.store.database import connect
from ingest.streams.queues import (
    CELERY_KEY_PREFIX,
    DRAIN_TASK,
    DRAINS,
    LISTENER_KEY,
    bell_key,
    outcomes_channel,
)
from tests.conftest import Servers
from tests.intakes import (
    PROFILE_ID,
    ServedIntake,
    Worker,
    intake_process,
    make_document,
    served,
    wait_until,
)

AT_ONCE = {"Prefer": "respond-async"}
BELLS = CELERY_KEY_PREFIX + DRAINS


def test_an_import_rings_for_a_drain_of_its_partition(
    intake: ServedIntake, client: redis.Redis, token: str
) -> None:
    intake.post(make_document(token), AT_ONCE)
    partition = intake.worker.take().partition

    wait_until(lambda: client.llen(BELLS))
    (bell,) = client.lrange(BELLS, 0, -1)

    headers = json.loads(bell)["headers"]
    assert (headers["task"], headers["argsrepr"]) == (DRAIN_TASK, f"[{partition}]")
    assert headers["ignore_result"]
    assert headers["expires"] is not None


def test_one_bell_is_pending_however_many_imports_wait(
    intake: ServedIntake, client: redis.Redis, token: str
) -> None:
    intake.post(make_document(token), AT_ONCE)
    wait_until(lambda: client.llen(BELLS))
    # However long the others take here, the guard of the first is there.
    for partition in range(4):
        client.persist(bell_key(partition))
    for _ in range(19):
        intake.post(make_document(token), AT_ONCE)

    assert client.llen(BELLS) == 1


def test_no_bell_rings_while_a_drain_listens(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    client.set(LISTENER_KEY, "somebody")
    with served(settings) as intake:
        intake.post(make_document(token), AT_ONCE)

    assert client.llen(BELLS) == 0


def test_bells_ring_again_after_redis_dropped_every_connection(
    intake: ServedIntake, client: redis.Redis, token: str
) -> None:
    def rings() -> bool:
        intake.post(make_document(token), AT_ONCE)
        return client.llen(BELLS) > 0

    for _ in range(3):
        wait_until(rings)
        client.client_kill_filter(_type="normal", skipme=True)
        client.delete(BELLS, *(bell_key(partition) for partition in range(4)))
    wait_until(rings)

    assert intake.get("/health/ready").status_code == 200


def test_an_outcome_told_while_the_subscription_was_broken_is_heard(
    intake: ServedIntake,
    client: redis.Redis,
    pool: ThreadPoolExecutor,
    token: str,
) -> None:
    answer = pool.submit(intake.post, make_document(token), {"Prefer": "wait=60"})
    intake.worker.write_receipt(intake.worker.take())

    client.client_kill_filter(_type="pubsub")

    assert answer.result().json()["profile_id"] == PROFILE_ID


def test_a_message_that_is_no_outcome_disturbs_nobody(
    intake: ServedIntake,
    client: redis.Redis,
    pool: ThreadPoolExecutor,
    token: str,
) -> None:
    answer = pool.submit(intake.post, make_document(token))
    taken = intake.worker.take()
    (channel,) = client.pubsub_channels()
    for message in (b"", b"{}", b"[1]", b'[{"import_id": "x"}]', b'[{"import_id": 1}]'):
        client.publish(channel, message)
    intake.worker.apply()

    assert answer.result().json()["profile_id"] == PROFILE_ID
    assert channel == outcomes_channel(taken.entry.reply_to).encode()


def test_connections_that_redis_dropped_are_replaced(
    intake: ServedIntake, client: redis.Redis, token: str
) -> None:
    assert intake.post(make_document(token), AT_ONCE).status_code == 202

    client.client_kill_filter(_type="normal", skipme=True)

    wait_until(lambda: intake.post(make_document(token), AT_ONCE).status_code == 202)
    assert intake.get("/health/ready").status_code == 200


@contextmanager
def postgres_away(servers: Servers, database_url: str) -> Iterator[None]:
    """Refuse every connection to the test's database, and end those there are."""
    name = str(psycopg.conninfo.conninfo_to_dict(database_url)["dbname"])
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with connect(servers.database_url) as admin:
        admin.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [name],
        )
        yield
        admin.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


def test_imports_are_accepted_while_postgres_is_away(
    servers: Servers, intake: ServedIntake, token: str
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    with postgres_away(servers, intake.settings.database_url):
        ready = intake.get("/health/ready")
        accepted = intake.post(make_document(token), {"Prefer": "wait=1"})
        unknown = intake.post(make_document("f" * 32))
        receipt = intake.get(location, params={"token": token})
    wait_until(lambda: intake.get(location, params={"token": token}).status_code == 200)

    assert ready.status_code == 200
    assert accepted.status_code == 202
    assert unknown.json()["error"] == 403
    assert receipt.status_code == 503
    assert receipt.json() == {
        "error": 503,
        "error_text": "Receipts are temporarily unavailable",
    }


def test_a_terminated_intake_lets_waiting_callers_hear_their_outcome(
    settings: Settings, pool: ThreadPoolExecutor, token: str
) -> None:
    worker = Worker(settings)
    with intake_process(settings) as (process, url):
        answer = pool.submit(
            httpx.post,
            f"{url}/api/v1.1/profiles/import",
            json=make_document(token),
            timeout=30,
        )
        taken = worker.take()
        process.send_signal(signal.SIGTERM)
        worker.tell(taken, worker.write_receipt(taken))

        assert answer.result().json()["profile_id"] == PROFILE_ID
        _, log = process.communicate(timeout=30)

    assert process.returncode in (0, -signal.SIGTERM)
    assert all(json.loads(line)["event"] for line in log.splitlines())


def test_a_terminated_intake_tells_whose_upload_it_cuts_short_how_far_it_is(
    settings: Settings, pool: ThreadPoolExecutor, token: str
) -> None:
    # The server gives up waiting for requests after three seconds.
    short = replace(settings, wait_seconds=0.1)
    with intake_process(short) as (process, url):
        answer = pool.submit(
            httpx.post,
            f"{url}/api/v1.1/jobs/import?db_id=1",
            content=b"email\na@example.com\n",
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "text/csv",
                "Prefer": "wait=120",
            },
            timeout=60,
        )
        # It waits for the outcome, which nobody brings.
        Worker(settings).take()
        process.send_signal(signal.SIGTERM)

        told = answer.result()
        process.communicate(timeout=30)

    assert (told.status_code, told.json()["state"]) == (202, "applying")
    assert told.json()["rows"] == 1


def test_a_terminated_intake_tells_who_would_wait_too_long_that_it_is_accepted(
    settings: Settings, pool: ThreadPoolExecutor, token: str
) -> None:
    short = Settings(
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        wait_seconds=0.1,
    )
    with intake_process(short) as (process, url):
        answer = pool.submit(
            httpx.post,
            f"{url}/api/v1.1/profiles/import",
            json=make_document(token),
            headers={"Prefer": "wait=120"},
            timeout=30,
        )
        Worker(settings).take()
        # Redis answers again after the server has given up waiting, at three seconds.
        with redis.Redis.from_url(settings.redis_url) as client:
            client.execute_command("CLIENT", "PAUSE", "4000", "ALL")
        process.send_signal(signal.SIGTERM)

        accepted = answer.result()
        assert accepted.status_code == 202
        process.communicate(timeout=30)

    # What is told of it was written before the end.
    with served(settings) as other:
        told = other.get(
            f"/api/v1.1/imports/{accepted.json()['import_id']}?token={token}"
        )
        assert told.json()["state"] == "waiting"
