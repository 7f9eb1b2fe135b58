"""An embedded PostgreSQL: its data directory, its program, and whether it answers."""

import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ingest.domain.errors import PenstockError
from ingest.local import accounts
from ingest.local.binaries import Binaries, find_postgres
from ingest.local.processes import (
    ProcessUser,
    Program,
    ask_stranger,
    command_line,
    end_stranger,
    identity,
    launch_argv,
)
from ingest.local.state import keep_password, keep_port, write_private

_USER = _DATABASE = "penstock"
_INITDB_SECONDS = 120
_STRANGER_SECONDS = 10.0

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    # A path of a socket may be 107 bytes at most, and a checkout may lie deep.
    "unix_socket_directories": "",
    "cluster_name": "penstock",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    # A batch takes an advisory lock for each of its match keys.
    "max_locks_per_transaction": "256",
    "wal_compression": "on",
    # Its log must not quote what a statement was given: errors do, and the client is
    # told of them. In this order of levels LOG and worse stay.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
#: For tests: nothing that is written need survive the machine.
_FLEETING_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "64MB",
}


class PostgresRefused(PenstockError):
    """PostgreSQL cannot be set up, or cannot run on the data that are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One data directory and what serves it."""

    binaries: Binaries
    account: ProcessUser
    data: Path
    port: int
    password: str
    log: Path
    durable: bool

    def url(self, database: str = _DATABASE) -> str:
        """Return the URL of `database`."""
        return f"postgresql://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"


def _locale_choices(version: tuple[int, ...]) -> tuple[tuple[str, ...], ...]:
    """List locale options, the preferred one first; only the first needs no OS help."""
    if version >= (17,):
        builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        return (("--locale=C", *builtin),)
    return (("--locale=C.UTF-8",), ("--locale=C",))


def _run_initdb(cluster: Cluster, half: Path, locale: tuple[str, ...]) -> str:
    """Set up a data directory in `half`; return what went wrong, or nothing."""
    password_file = half.with_name(f"{half.name}.password")
    write_private(password_file, cluster.password)
    accounts.give(password_file, cluster.account)
    argv = (
        str(cluster.binaries.directory / "initdb"),
        f"--pgdata={half}",
        f"--username={_USER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        *locale,
        *(() if cluster.durable else ("--no-sync",)),
    )
    try:
        done = subprocess.run(  # noqa: S603 - our own launcher
            launch_argv(argv, cluster.account, signal.SIGKILL),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            timeout=_INITDB_SECONDS,
        )
    finally:
        password_file.unlink()
    return "" if done.returncode == 0 else (done.stderr + done.stdout).strip()


def _set_up(cluster: Cluster) -> None:
    """Make the data directory aside and rename it: a half-made one never counts."""
    half = cluster.data.with_name(f"{cluster.data.name}.tmp")
    fault = ""
    for locale in _locale_choices(cluster.binaries.version):
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700, parents=True)
        accounts.give(half, cluster.account)
        fault = _run_initdb(cluster, half, locale)
        if not fault:
            half.replace(cluster.data)
            return
    raise PostgresRefused(f"initdb failed: {fault}")


def _check_major(home: Path, major: int) -> None:
    """Refuse to start empty where another major version has left data."""
    others = sorted(path.name for path in home.glob("pg[0-9][0-9]") if path.is_dir())
    if others and f"pg{major}" not in others:
        raise PostgresRefused(
            f"{home / others[-1]} contains data of PostgreSQL {others[-1][2:]}, but "
            f"these programs are {major}. Set PENSTOCK_POSTGRES_BIN to the directory "
            "of that version, or choose another --state-dir."
        )


def clear_stale(data: Path) -> None:
    """End the server that a dead supervisor left on `data`, and its pid file.

    PostgreSQL refuses to start while the number in that file is any live process.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    name = identity(pid)
    # The trailing space keeps pg1 from being taken for pg18.
    if name is not None and f" -D {data} " in command_line(pid):
        ask_stranger(pid, name, signal.SIGINT)
        end_stranger(pid, name, _STRANGER_SECONDS)
    pid_file.unlink(missing_ok=True)


def prepare_postgres(
    state: Path,
    *,
    durable: bool,
    environ: Mapping[str, str],
    account: ProcessUser | None = None,
) -> Cluster:
    """Find the programs and set up the data directory, unless it is there."""
    binaries = find_postgres(environ)
    account = account or accounts.choose_account(binaries)
    home = accounts.choose_home(state, account)
    major = binaries.version[0]
    _check_major(home, major)
    data = home / f"pg{major}"
    if data.exists():
        accounts.check_owner(data, account)
        clear_stale(data)

    cluster = Cluster(
        binaries=accounts.reachable_binaries(binaries, home, account),
        account=account,
        data=data,
        port=keep_port(state, "postgres"),
        password=keep_password(state, "postgres"),
        log=state / "logs" / "postgres.log",
        durable=durable,
    )
    if not data.exists():
        _set_up(cluster)
    return cluster


def postgres_program(cluster: Cluster) -> Program:
    """Describe the server's process."""
    options = _OPTIONS if cluster.durable else {**_OPTIONS, **_FLEETING_OPTIONS}
    return Program(
        name="postgres",
        argv=(
            str(cluster.binaries.server),
            *("-D", str(cluster.data), "-p", str(cluster.port)),
            *(part for item in options.items() for part in ("-c", "=".join(item))),
        ),
        log=cluster.log,
        directory=Path("/"),
        account=cluster.account,
        # A fast shutdown: rolls back what is open and writes a checkpoint.
        stop_signal=signal.SIGINT,
        grace_seconds=30.0,
        orphan_seconds=_STRANGER_SECONDS,
    )


def probe_postgres(cluster: Cluster) -> str | None:
    """Make our database if there is none; return why that cannot be done yet."""
    try:
        with psycopg.connect(
            cluster.url("postgres"), autocommit=True, connect_timeout=2
        ) as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %(name)s",
                {"name": _DATABASE},
            ).fetchone()
            if known is None:
                connection.execute("CREATE DATABASE penstock")
    except psycopg.OperationalError as error:
        return str(error).strip().splitlines()[-1]
    return None
