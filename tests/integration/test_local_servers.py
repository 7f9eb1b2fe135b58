"""Embedded servers for real: set-up, data over restarts, and what is left behind."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from ingest.local.binaries import find_postgres
from ingest.local.postgres import PostgresRefused
from ingest.local.processes import Isolation, ProcessUser, identity
from ingest.local.servers import (
    Server,
    ServerNotReady,
    embedded_servers,
    start_postgres,
    start_valkey,
)
from ingest.local.state import StateInUse
from tests.groups import wait_for

ROOT = Path(__file__).parents[2]
NOBODY = ProcessUser(isolation=Isolation.USER, uid=65534, gid=65534)


def ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def find_cluster(state: Path) -> Path:
    """Return the data directory, which is named after the major version."""
    (found,) = state.glob("pg[0-9]*")
    return found


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with a stopped PostgreSQL, to start from without initdb."""
    state = tmp_path_factory.mktemp("kept")
    start_postgres(state, durable=False).stop()
    return state


@pytest.fixture
def state(kept: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(kept, tmp_path / "state", symlinks=True))


@pytest.fixture(scope="module")
def postgres(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests only look at."""
    state = tmp_path_factory.mktemp("postgres") / "state"
    server = start_postgres(Path(shutil.copytree(kept, state, symlinks=True)))
    yield server
    server.stop()


def test_postgres_listens_on_this_machine_with_a_password_only(
    postgres: Server,
) -> None:
    stranger = re.sub(r":[^:@]+@", ":wrong@", postgres.url)

    assert ask(postgres.url, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(postgres.url, "SHOW unix_socket_directories") == ""
    with pytest.raises(psycopg.OperationalError, match="password authentication"):
        psycopg.connect(stranger)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        pytest.param("fsync", "on", id="durable"),
        pytest.param("synchronous_commit", "on", id="commits are durable"),
        pytest.param("max_locks_per_transaction", "256", id="many advisory locks"),
        pytest.param("max_wal_size", "4GB", id="rare checkpoints"),
        pytest.param("server_encoding", "UTF8", id="encoding"),
    ],
)
def test_postgres_runs_with_our_settings(
    postgres: Server, setting: str, value: str
) -> None:
    assert ask(postgres.url, f"SHOW {setting}") == value


def test_letters_beyond_ascii_have_a_lower_case(postgres: Server) -> None:
    assert ask(postgres.url, "SELECT lower('ÄÖЖ')") == "äöж"


def test_no_password_is_in_a_command_line(state: Path) -> None:
    with embedded_servers(state, durable=True) as urls:
        everybody_reads = subprocess.run(
            ["ps", "-eo", "args"], check=True, capture_output=True, text=True
        ).stdout
        passwords = re.findall(r":([^:@/]+)@", f"{urls.database_url} {urls.redis_url}")

    assert len(passwords) == 2
    assert not [password for password in passwords if password in everybody_reads]


def test_data_and_urls_outlive_a_restart(state: Path) -> None:
    with embedded_servers(state, durable=True) as urls:
        execute(urls.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis.from_url(urls.redis_url) as client:
            client.xadd("stream", {"key": "value"}, id="1-1")

    with embedded_servers(state, durable=True) as again:
        assert again == urls
        assert ask(again.database_url, "SELECT answer FROM kept") == 42
        with redis.Redis.from_url(again.redis_url) as client:
            assert client.xlen("stream") == 1


def test_the_data_of_a_killed_valkey_are_all_there(tmp_path: Path) -> None:
    server = start_valkey(tmp_path)
    with redis.Redis.from_url(server.url) as client:
        for number in range(500):
            client.xadd("stream", {"number": number})
    server.process.kill()
    server.process.wait()

    again = start_valkey(tmp_path)
    with redis.Redis.from_url(again.url) as client:
        assert client.xlen("stream") == 500
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        policy = client.config_get("maxmemory-policy")
    again.stop()
    assert policy == {"maxmemory-policy": "noeviction"}


def test_valkey_wants_its_password(tmp_path: Path) -> None:
    server = start_valkey(tmp_path, durable=False)
    stranger = redis.Redis.from_url(re.sub(r"//:[^@]+@", "//", server.url))

    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    server.stop()


def test_secrets_and_data_are_private(state: Path) -> None:
    start_valkey(state, durable=False).stop()

    secrets = [*state.glob("*.password"), state / "valkey" / "valkey.conf"]
    assert len(secrets) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert stat.S_IMODE(find_cluster(state).stat().st_mode) == 0o700


def test_a_directory_in_use_is_refused(state: Path) -> None:
    with (
        embedded_servers(state, durable=False),
        pytest.raises(StateInUse),
        embedded_servers(state, durable=False),
    ):
        pytest.fail("two pairs of servers on one directory")


def spawn_runner(state: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Start another process that runs both servers, and return their numbers."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from ingest.local.servers import start_postgres, start_valkey\n"
        "state = Path(sys.argv[1])\n"
        "print(start_postgres(state).pid, start_valkey(state).pid, flush=True)\n"
        "time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, state],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, [int(pid) for pid in process.stdout.readline().split()]


def test_servers_end_when_their_runner_is_killed(state: Path) -> None:
    runner, pids = spawn_runner(state)

    with runner:
        runner.kill()

    assert len(pids) == 2
    wait_for(lambda: not any(identity(pid) for pid in pids))


def test_servers_start_at_once_after_their_runner_was_killed(state: Path) -> None:
    runner, _ = spawn_runner(state)
    with runner:
        runner.kill()

    with embedded_servers(state, durable=True) as urls:
        assert ask(urls.database_url, "SELECT 1") == 1


def test_a_server_whose_runner_lost_it_is_ended_and_replaced(state: Path) -> None:
    lost = start_postgres(state)
    lost_valkey = start_valkey(state)

    with embedded_servers(state, durable=True) as urls:
        assert lost.process.wait(10) == 0
        assert lost_valkey.process.wait(10) == 0
        assert ask(urls.database_url, "SELECT 1") == 1
    # Their ports were free again.
    assert urls.database_url == lost.url
    assert urls.redis_url == lost_valkey.url


def test_a_pid_file_that_names_a_stranger_is_removed(state: Path) -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as stranger:
        (find_cluster(state) / "postmaster.pid").write_text(f"{stranger.pid}\n")
        (state / "valkey").mkdir()
        (state / "valkey" / "valkey.pid").write_text(f"{stranger.pid}\n")

        with embedded_servers(state, durable=False) as urls:
            assert ask(urls.database_url, "SELECT 1") == 1

        assert stranger.poll() is None


def test_a_half_made_data_directory_does_not_count(tmp_path: Path) -> None:
    major = find_postgres(os.environ).version[0]
    half_made = tmp_path / f"pg{major}.tmp"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text(str(major))

    server = start_postgres(tmp_path, durable=False)

    assert ask(server.url, "SELECT 1") == 1
    server.stop()
    assert not half_made.exists()


def test_data_of_another_major_version_are_not_started_beside(tmp_path: Path) -> None:
    (tmp_path / "pg13").mkdir()

    with pytest.raises(PostgresRefused, match="pg13 contains data of PostgreSQL 13"):
        start_postgres(tmp_path, durable=False)

    assert [each.name for each in tmp_path.glob("pg*")] == ["pg13"]


def test_a_server_that_cannot_start_says_why(state: Path) -> None:
    (find_cluster(state) / "global" / "pg_control").write_bytes(b"")

    with pytest.raises(ServerNotReady, match=r"^postgres: .*\n(.*\n)*.*pg_control"):
        start_postgres(state)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to give")
def test_root_runs_postgres_in_a_namespace_or_as_nobody(postgres: Server) -> None:
    isolation = postgres.program.account.isolation

    assert isolation in (Isolation.NAMESPACE, Isolation.USER)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_root_without_namespaces_runs_postgres_as_nobody() -> None:
    # pytest's own directories let nobody else through.
    state = Path(tempfile.mkdtemp())
    try:
        server = start_postgres(state, durable=False, account=NOBODY)

        assert Path(f"/proc/{server.pid}").stat().st_uid == NOBODY.uid
        assert ask(server.url, "SELECT 1") == 1
        server.stop()
        secret = state / "postgres.password"
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert secret.stat().st_uid == 0
    finally:
        shutil.rmtree(state)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_nobody_gets_programs_and_data_out_of_a_private_directory(
    tmp_path: Path,
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    wheel = find_postgres({}).directory.parent
    package = private / wheel.parent.name
    shutil.copytree(wheel, package / wheel.name, symlinks=True)
    libraries = wheel.parent.with_name(f"{wheel.parent.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, private / libraries.name, symlinks=True)
    environ = {"PENSTOCK_POSTGRES_BIN": str(package / wheel.name / "bin")}

    server = start_postgres(
        private / "state", durable=False, environ=environ, account=NOBODY
    )

    assert ask(server.url, "SELECT 1") == 1
    home = Path(server.program.argv[0]).parents[4]
    server.stop()
    assert server.process.returncode == 0
    assert home.parent == Path("/var/lib/penstock")
    shutil.rmtree(home)


DEBIAN = Path("/usr/lib/postgresql/15/bin")


@pytest.mark.skipif(not DEBIAN.exists(), reason="PostgreSQL 15 is not installed here")
def test_an_older_postgres_of_the_system_serves_as_well(tmp_path: Path) -> None:
    environ = {"PENSTOCK_POSTGRES_BIN": str(DEBIAN)}

    server = start_postgres(tmp_path, durable=False, environ=environ)

    assert str(ask(server.url, "SHOW server_version")).startswith("15.")
    assert (tmp_path / "pg15").is_dir()
    server.stop()


def test_ctrl_c_is_left_to_whoever_runs_the_servers(state: Path) -> None:
    runner, pids = spawn_runner(state)

    with runner:
        # The terminal sends it to the whole foreground group.
        assert all(os.getpgid(pid) != os.getpgid(runner.pid) for pid in pids)
        runner.send_signal(signal.SIGKILL)
