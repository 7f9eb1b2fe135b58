"""What is measured: a Penstock that we start for it, or one that runs already."""

import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import click
import orjson

_START_SECONDS = 180.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where imports go, and with which right."""

    host: str
    port: int
    token: str
    #: Postgres and Redis, where they are ours to ask for their versions.
    database_url: str | None = None
    redis_url: str | None = None
    #: Of everything that was started for it, by what it is.
    pids: Mapping[str, int | list[int]] = field(default_factory=dict)


def _make_target(url: str, token: str, **servers: Any) -> Target:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise click.UsageError(f"Only http://host:port can be measured, not {url}")
    return Target(host=parts.hostname, port=parts.port or 80, token=token, **servers)


def _read_ready_line(process: subprocess.Popen[bytes]) -> bytes:
    """Wait for the one line that `penstock up --json` prints."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(_START_SECONDS) else b""
    if not line:
        raise click.ClickException("penstock up did not become ready; see above")
    return line


@contextmanager
def _started_target(options: tuple[str, ...]) -> Iterator[Target]:
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as state_dir:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ingest.cli", "up", "--json"),
                *("--http-port", "0", "--state-dir", state_dir, *options),
            ],
            stdout=subprocess.PIPE,
        )
        try:
            ready = orjson.loads(_read_ready_line(process))
            yield _make_target(
                ready["http"],
                ready["token"],
                database_url=ready["database"],
                redis_url=ready["redis"],
                pids=ready["pids"],
            )
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


@contextmanager
def find_target(options: tuple[str, ...]) -> Iterator[Target]:
    """Yield the target of PENSTOCK_URL and PENSTOCK_TOKEN, else one of our own.

    Ours keeps its state in a temporary directory and takes `options` of `penstock up`.
    """
    url, token = os.environ.get("PENSTOCK_URL"), os.environ.get("PENSTOCK_TOKEN")
    if url and token:
        yield _make_target(url, token)
    elif url or token:
        raise click.UsageError("Set both PENSTOCK_URL and PENSTOCK_TOKEN, or neither.")
    else:
        with _started_target(options) as target:
            yield target
