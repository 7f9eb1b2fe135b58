"""`penstock doctor`: each check is made to fail, as far as the servers allow."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import pytest
import redis
from click.testing import CliRunner

from ingest.cli import main
from ingest.doctor.examination import Subject, examine
from ingest.doctor.findings import Finding, Severity
from ingest.doctor.postgres_server import judge_server
from ingest.settings import Settings
from ingest.store.consents.months import create_months
from ingest.store.database import connect
from ingest.store.partitions.leases import ensure_partitions, lease_partition
from ingest.store.receipts.days import create_daily_partitions
from ingest.store.servers import load_server_facts
from ingest.streams.presence import Presence, announce
from ingest.streams.queues import DRAINS, SWEPT_KEY, UPKEEP, stream_key
from tests.conftest import Connection
from tests.declared import change_database
from tests.factories import make_import
from tests.pipeline import Pipeline
from tests.plans import store_profiles, store_receipts
from tests.suppressions import suppress
from workers.people_keeper import PeopleKeeper

HERE = socket.gethostname()
SETTINGS_OF_REDIS = (
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory-policy",
    "maxmemory",
)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    opened = redis.Redis.from_url(redis_url, decode_responses=True)
    kept = {name: str(opened.config_get(name)[name]) for name in SETTINGS_OF_REDIS}
    yield opened
    for name, value in kept.items():
        opened.config_set(name, value)
    opened.close()


@pytest.fixture
def subject(settings: Settings, client: redis.Redis, tmp_path: Path) -> Subject:
    """A deployment at work: workers are there, the sweep runs, days are made."""
    for queue in (DRAINS, UPKEEP):
        say_present(client, queue, str(tmp_path))
    client.set(SWEPT_KEY, client.time()[0])
    with connect(settings.database_url) as opened:
        create_daily_partitions(opened, datetime.now(UTC).date(), 3)
        create_months(opened, datetime.now(UTC).date(), 2)
    keep_people(settings)
    return Subject(
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        partitions=4,
        batch_size=200,
        max_waiting=10,
        metrics_dir=str(tmp_path),
    )


def say_present(
    client: redis.Redis, queue: str, metrics_dir: str, partitions: int = 4
) -> None:
    presence = Presence(
        name=f"{queue}@{HERE}",
        partitions=partitions,
        batch_size=200,
        metrics_dir=metrics_dir,
    )
    announce(client, presence)


def keep_people(settings: Settings) -> None:
    keeper = PeopleKeeper(settings)
    while keeper.run():
        pass
    keeper.close()


def make_url(redis_url: str, user: str) -> str:
    parts = urlsplit(redis_url)
    return f"redis://{user}:any@{parts.hostname}:{parts.port}/0"


def look(subject: Subject) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(subject)}


#: What tests' servers are told to do without.
FLEETING = {
    "redis.appendonly": Severity.FAIL,
    "postgres.fsync": Severity.FAIL,
    "postgres.full_page_writes": Severity.FAIL,
    "postgres.synchronous_commit": Severity.FAIL,
}


def test_a_deployment_at_work_is_well_but_for_what_tests_do_without(
    subject: Subject,
) -> None:
    found = look(subject)

    wrong = {check: each.level for check, each in found.items() if each.advice}
    assert wrong == FLEETING
    assert all(each.found for each in found.values())
    assert len(found) == 40


@pytest.mark.parametrize("secret", ["22" * 32, ""])
def test_a_secret_that_suppression_lists_were_not_made_with_is_found(
    subject: Subject,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    secret: str,
) -> None:
    monkeypatch.setenv("PENSTOCK_SECRET", "11" * 32)
    suppress(connection, "ann@example.com")
    assert look(subject)["work.suppression"].found == "0 suppressed contacts on 1 list"
    monkeypatch.setenv("PENSTOCK_SECRET", secret)
    finding = look(subject)["work.suppression"]
    assert finding.level is Severity.FAIL
    assert "PENSTOCK_SECRET" in finding.found


@pytest.mark.parametrize(
    ("setting", "value", "level"),
    [
        pytest.param("appendfsync", "everysec", Severity.WARN, id="a second"),
        pytest.param("appendfsync", "no", Severity.FAIL, id="never"),
        pytest.param("no-appendfsync-on-rewrite", "yes", Severity.WARN, id="rewrite"),
        pytest.param("maxmemory-policy", "allkeys-lru", Severity.FAIL, id="eviction"),
        pytest.param(
            "maxmemory-policy", "volatile-ttl", Severity.FAIL, id="keys with TTL"
        ),
    ],
)
def test_settings_of_redis_that_lose_imports_are_found(
    subject: Subject, client: redis.Redis, setting: str, value: str, level: Severity
) -> None:
    client.config_set(setting, value)

    finding = look(subject)[f"redis.{setting}"]

    assert (finding.level, finding.found) == (level, value)
    assert setting in finding.advice or "`no`" in finding.advice


@pytest.mark.parametrize(
    ("share", "level"),
    [(0.5, Severity.OK), (0.85, Severity.WARN), (0.99, Severity.FAIL)],
)
def test_memory_is_measured_against_its_limit(
    subject: Subject, client: redis.Redis, share: float, level: Severity
) -> None:
    used = client.info("memory")["used_memory"]
    client.config_set("maxmemory", str(int(used / share)))

    assert look(subject)["redis.memory"].level is level


def test_a_redis_that_keeps_its_settings_to_itself_is_told(
    subject: Subject, client: redis.Redis
) -> None:
    client.acl_setuser(
        "shy", enabled=True, nopass=True, keys="*", commands=["+@all", "-config"]
    )
    url = make_url(subject.redis_url, "shy")

    found = look(replace(subject, redis_url=url))
    client.acl_deluser("shy")

    assert found["redis.settings"].level is Severity.WARN
    assert "redis.appendfsync" not in found


@pytest.mark.parametrize(
    ("broken", "check", "others"),
    [
        pytest.param(
            {"redis_url": "redis://127.0.0.1:9/0"},
            "redis.answers",
            "postgres.version",
            id="Redis",
        ),
        pytest.param(
            {"database_url": "postgresql://nobody@127.0.0.1:9/none"},
            "postgres.answers",
            "redis.version",
            id="Postgres",
        ),
    ],
)
def test_a_server_that_is_away_is_one_finding(
    subject: Subject, broken: dict[str, str], check: str, others: str
) -> None:
    found = look(replace(subject, **broken))  # type: ignore[arg-type]

    assert found[check].level is Severity.FAIL
    assert found[others].level is Severity.OK
    assert not any(each.startswith("work.") for each in found)


@pytest.mark.parametrize(
    ("facts", "check", "level"),
    [
        pytest.param(
            {"max_wal_size": 512}, "max_wal_size", Severity.WARN, id="small log"
        ),
        pytest.param({"version": 130011}, "version", Severity.FAIL, id="old version"),
        pytest.param({"fsync": "on"}, "fsync", Severity.OK, id="durable"),
    ],
)
def test_settings_of_postgres_that_only_a_restart_changes_are_judged(
    connection: Connection, facts: dict[str, Any], check: str, level: Severity
) -> None:
    server = replace(load_server_facts(connection), **facts)

    found = {
        finding.check: finding
        for finding in judge_server(server, partitions=4, batch_size=200)
    }

    assert found[f"postgres.{check}"].level is level


def test_a_commit_that_waits_for_no_disk_is_a_loss(
    subject: Subject, connection: Connection
) -> None:
    connection.execute(
        f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = 'local'"
    )
    well = look(subject)["postgres.synchronous_commit"]
    connection.execute(
        f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = 'off'"
    )
    lossy = look(subject)["postgres.synchronous_commit"]

    assert (well.level, lossy.level) == (Severity.OK, Severity.FAIL)


def test_batches_larger_than_the_lock_table_are_found(subject: Subject) -> None:
    finding = look(replace(subject, batch_size=5000))[
        "postgres.max_locks_per_transaction"
    ]

    assert finding.level is Severity.WARN
    assert "PENSTOCK_BATCH_SIZE" in finding.advice


def test_a_partition_that_fails_again_and_again_is_found(
    subject: Subject, client: redis.Redis, connection: Connection
) -> None:
    ensure_partitions(connection, 4)
    first = str(client.xadd(stream_key(2), {"import": "x"}))
    for _ in range(10):
        assert lease_partition(connection, 2) is not None
    quiet = look(subject)["work.attempts"]
    lease_partition(connection, 2)

    finding = look(subject)["work.attempts"]

    assert quiet.level is Severity.OK
    assert finding.level is Severity.FAIL
    assert f"partition 2: 11 failed attempts in a row, at entry {first}" in (
        finding.found
    )
    assert "penstock dead-letters add" in finding.advice


def test_sessions_near_their_limit_are_found(
    subject: Subject, connection: Connection
) -> None:
    (limit,) = connection.execute("SHOW max_connections").fetchone() or ("0",)
    with ExitStack() as stack:
        for _ in range(int(int(limit) * 0.82)):
            stack.enter_context(connect(subject.database_url))
        finding = look(subject)["postgres.connections"]

    assert finding.level is Severity.WARN


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param(
            "DELETE FROM migrations WHERE name LIKE '0004%'", "missing: 0004", id="one"
        ),
        pytest.param("DROP TABLE migrations", "missing: 0001", id="all"),
        pytest.param(
            "UPDATE migrations SET checksum = 'x' WHERE name LIKE '0002%'",
            "different text: 0002",
            id="changed",
        ),
    ],
)
def test_a_schema_behind_this_release_is_found_and_nothing_more_asked(
    subject: Subject, connection: Connection, change: str, found: str
) -> None:
    connection.execute(change)

    findings = look(subject)

    assert findings["schema.migrations"].level is Severity.FAIL
    assert found in findings["schema.migrations"].found
    assert "work.progress" not in findings


def test_migrations_of_a_newer_release_are_no_fault(
    subject: Subject, connection: Connection
) -> None:
    connection.execute("INSERT INTO migrations VALUES ('9999_later.sql', 'x')")

    finding = look(subject)["schema.migrations"]

    assert finding.level is Severity.OK
    assert "1 of a newer release" in finding.found


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param(
            "UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 'match_keys_exclusive'::regclass",
            "invalid: match_keys_exclusive",
            id="invalid",
        ),
        pytest.param(
            "DROP INDEX match_keys_exclusive",
            "missing: match_keys_exclusive",
            id="absent",
        ),
    ],
)
def test_a_unique_index_that_decides_nothing_is_found(
    subject: Subject, connection: Connection, change: str, found: str
) -> None:
    connection.execute(change)

    finding = look(subject)["schema.indexes"]

    assert (finding.level, finding.found) == (Severity.FAIL, found)


def test_an_empty_catalog_and_no_token_are_found(
    subject: Subject, connection: Connection
) -> None:
    connection.execute("UPDATE tokens SET revoked_at = now()")
    connection.execute("TRUNCATE databases CASCADE")

    found = look(subject)

    assert found["schema.catalog"].level is Severity.FAIL
    assert found["schema.tokens"].level is Severity.WARN


def test_tables_that_were_filled_and_never_analyzed_are_named(
    subject: Subject, connection: Connection
) -> None:
    for table in ("profiles", "imports_default", "imports_named"):
        connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    assert look(subject)["schema.statistics"].level is Severity.OK
    store_profiles(connection, 5_000)
    store_receipts(connection)
    connection.execute("ANALYZE match_keys, segment_members, segment_due")

    finding = look(subject)["schema.statistics"]

    assert finding.level is Severity.WARN
    assert finding.found == "never analyzed: profiles, imports"
    assert "ANALYZE profiles, imports" in finding.advice
    connection.execute("ANALYZE imports, profiles")
    assert look(subject)["schema.statistics"].level is Severity.OK


def test_an_upgrade_that_was_not_finished_is_told(
    subject: Subject, connection: Connection
) -> None:
    connection.execute("DELETE FROM migrations WHERE name LIKE '0027%'")

    findings = look(subject)

    finding = findings["schema.migrations"]
    assert finding.level is Severity.WARN
    assert "not finished: 0027_subscriptions_view.sql" in finding.found
    assert "penstock migrate --finish" in finding.advice
    # The rest is looked at as ever.
    assert findings["schema.indexes"].level is Severity.OK


def test_days_that_were_not_made_ahead_are_found(
    subject: Subject, connection: Connection
) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    connection.execute(f"DROP TABLE imports_{tomorrow:%Y%m%d}")

    finding = look(subject)["schema.receipts"]

    assert (finding.level, finding.found) == (Severity.WARN, f"no table for {tomorrow}")


def test_months_that_were_not_made_ahead_are_found(
    subject: Subject, connection: Connection
) -> None:
    today = datetime.now(UTC).date()
    next_month = (today.replace(day=1) + timedelta(days=32)).strftime("%Y%m")
    connection.execute(f"DROP TABLE consent_history_{next_month}")

    finding = look(subject)["schema.history"]

    assert finding.level is Severity.WARN
    assert finding.found == f"no table consent_history_{next_month}"
    with connect(subject.database_url) as opened:
        create_months(opened, today, 2)
    assert look(subject)["schema.history"].level is Severity.OK


def test_zones_that_postgres_does_not_know_are_found(
    subject: Subject, connection: Connection
) -> None:
    change_database(connection, timezone="Europe/Moscow")
    same = look(subject)["schema.zones"]
    # A restore may lead to a server whose data is older.
    connection.execute("UPDATE databases SET timezone = 'Mars/Base' WHERE id = 1")
    unknown = look(subject)["schema.zones"]

    assert (same.level, same.found) == (Severity.OK, "1 zone; the same for two years")
    assert unknown.level is Severity.WARN
    assert unknown.found == "Postgres does not know Mars/Base"


@pytest.mark.parametrize(
    ("waiting", "level"), [(6, Severity.WARN), (10, Severity.FAIL)]
)
def test_a_backlog_near_its_bound_is_found(
    subject: Subject, client: redis.Redis, waiting: int, level: Severity
) -> None:
    for number in range(waiting):
        client.xadd(stream_key(number % 4), {"import": "x"})

    assert look(subject)["work.backlog"].level is level


def test_entries_that_wait_while_nobody_commits_are_found(
    subject: Subject, client: redis.Redis
) -> None:
    minute_ago = (client.time()[0] - 60) * 1000
    client.xadd(stream_key(2), {"import": "x"}, id=f"{minute_ago}-0")

    finding = look(subject)["work.progress"]

    assert finding.level is Severity.FAIL
    assert re.search(
        "partition 2: 1 import waiting, the oldest for 6. s; no worker", finding.found
    )


@pytest.mark.parametrize("queue", [DRAINS, UPKEEP])
def test_a_worker_that_is_not_there_is_found(
    subject: Subject, client: redis.Redis, queue: str
) -> None:
    client.delete(f"penstock:present:{queue}@{HERE}")

    finding = look(subject)["work.workers"]

    assert finding.level is Severity.FAIL
    assert f"none for queue {queue}" in finding.found


@pytest.mark.parametrize("seconds", [60, None])
def test_a_sweep_that_stopped_is_found(
    subject: Subject, client: redis.Redis, seconds: int | None
) -> None:
    if seconds is None:
        client.delete(SWEPT_KEY)
    else:
        client.set(SWEPT_KEY, client.time()[0] - seconds)

    finding = look(subject)["work.beat"]

    assert finding.level is Severity.FAIL
    assert ("never" if seconds is None else "6") in finding.found


def test_another_count_of_partitions_is_found(
    subject: Subject, client: redis.Redis
) -> None:
    say_present(client, DRAINS, subject.metrics_dir, partitions=8)
    client.xadd(stream_key(6), {"import": "x"})

    finding = look(subject)["work.partitions"]

    assert finding.level is Severity.FAIL
    assert f"drains@{HERE} has another number" in finding.found
    assert f"{stream_key(6)} has entries that no worker reads" in finding.found


@pytest.mark.fact("P.1-lag")
@pytest.mark.parametrize(
    ("column", "level", "says"),
    [
        ("caught_up_at = now() - interval '59 s'", Severity.OK, "59 s behind"),
        ("caught_up_at = now() - interval '61 s'", Severity.WARN, "1 min 1 s behind"),
        ("fill_database = 1, expected = 4, filled = 1", Severity.WARN, "25 %"),
        ("indexed = false", Severity.WARN, "the extension pg_trgm is missing"),
    ],
)
def test_a_search_of_people_that_is_behind_is_found(
    subject: Subject,
    connection: Connection,
    column: LiteralString,
    level: Severity,
    says: str,
) -> None:
    connection.execute(f"UPDATE people_search_progress SET {column}")

    finding = look(subject)["work.people-search"]

    assert finding.level is level
    assert says in finding.found


def test_dead_letters_and_disabled_endpoints_are_found(
    subject: Subject, connection: Connection
) -> None:
    connection.execute(
        "INSERT INTO dead_letters (partition, entry_id, payload, error, traceback,"
        " created_at) VALUES (0, '1-0', 'x', 'E: x', '', now())"
    )
    connection.execute("UPDATE endpoints SET disabled_at = now()")

    found = look(subject)

    assert found["work.dead-letters"].level is Severity.WARN
    assert found["work.dead-letters"].found == "1 open in 1 group"
    assert found["work.endpoints"].level is Severity.WARN


@pytest.mark.parametrize(
    ("hours", "level"), [(0, Severity.OK), (0.01, Severity.WARN), (-2, Severity.FAIL)]
)
def test_a_clock_that_is_wrong_is_found(
    subject: Subject, hours: float, level: Severity
) -> None:
    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(hours=hours)

    found = {each.check: each for each in examine(subject, clock)}

    assert found["host.clock-redis"].level is level
    assert found["host.clock-postgres"].level is level


def test_a_metrics_directory_nobody_shares_is_found(
    subject: Subject, client: redis.Redis, tmp_path: Path
) -> None:
    other = replace(subject, metrics_dir=str(tmp_path / "none"))
    missing = look(other)["host.metrics"]
    (tmp_path / "none").mkdir()
    differing = look(other)["host.metrics"]
    client.flushdb()
    unset = look(replace(subject, metrics_dir=""))["host.metrics"]

    assert (missing.level, differing.level) == (Severity.FAIL, Severity.WARN)
    assert str(tmp_path) in differing.found
    assert (unset.level, unset.found) == (
        Severity.WARN, "PROMETHEUS_MULTIPROC_DIR is not set",
    )  # fmt: skip


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_says_what_it_found_and_how_bad_it_is(
    subject: Subject, as_json: bool
) -> None:
    environ = {
        "DATABASE_URL": subject.database_url,
        "REDIS_URL": subject.redis_url,
        "PROMETHEUS_MULTIPROC_DIR": subject.metrics_dir,
    }
    arguments = ["doctor", "--json"] if as_json else ["doctor"]

    result = CliRunner().invoke(main, arguments, env=environ)

    assert result.exit_code == 2
    if as_json:
        found = {each["check"]: each for each in json.loads(result.stdout)}
        assert found["postgres.fsync"]["level"] == "failed"
        assert found["work.beat"]["advice"] == ""
    else:
        assert "36 ok, 0 warnings, 4 failed" in result.stdout
        assert "→ Set `appendonly yes`" in result.stdout


def test_addresses_that_nobody_could_look_up_are_told(
    subject: Subject, connection: Connection
) -> None:
    assert look(subject)["work.geo"].level is Severity.OK
    key, data = {"email": "a@example.com"}, {"_ip": "8.8.8.8"}
    Pipeline(connection).apply(make_import("email", data, key=key, detect_geo=True))

    found = look(subject)["work.geo"]

    assert found.level is Severity.WARN
    assert found.found.startswith("1 of the latest imports")


def test_clocks_that_stop_retention_are_told(
    subject: Subject, connection: Connection
) -> None:
    assert look(subject)["work.retention"].level is Severity.OK
    Pipeline(connection).create({"email": "a@example.com"})
    connection.execute("UPDATE imports SET applied_at = now() + INTERVAL '2 hours'")

    found = look(subject)["work.retention"]

    assert found.level is Severity.FAIL
    assert "the newest receipt is 2.0 h ahead" in found.found
