"""Checks of this host: its clock, and the directory of its metrics."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import redis

from ingest.doctor.findings import Finding, fail, warn, well
from ingest.status.clocks import read_redis_clock
from ingest.store.database import Connection
from ingest.store.servers import load_clock
from ingest.streams.presence import Presence

#: Two readings of one clock differ by what asking takes.
_SKEW_SECONDS = 1.0
_FAR_SECONDS = 60.0

Clock = Callable[[], datetime]


def check_clocks(
    client: redis.Redis | None, connection: Connection | None, clock: Clock
) -> Iterator[Finding]:
    """Compare the clocks of the servers that answer with this host's."""
    if client is not None:
        skew = _measure(clock, lambda: read_redis_clock(client))
        yield _judge_skew("host.clock-redis", skew)
    if connection is not None:
        skew = _measure(clock, lambda: load_clock(connection))
        yield _judge_skew("host.clock-postgres", skew)


def _measure(clock: Clock, ask: Clock) -> float:
    """Return by how many seconds the other is ahead, half of the asking left out."""
    before = clock()
    there = ask()
    after = clock()
    return (there - before - (after - before) / 2).total_seconds()


def _judge_skew(check: str, skew: float) -> Finding:
    found = f"{skew:+.3f} s"
    if abs(skew) < _SKEW_SECONDS:
        return well(check, found)
    return (fail if abs(skew) >= _FAR_SECONDS else warn)(
        check,
        found,
        "Run NTP on every host. Import IDs, receipt partitions, and delivery times "
        "depend on these clocks.",
    )


def check_metrics(directory: str, present: Sequence[Presence]) -> Finding:
    """Check that this host's processes write metrics where the exporter reads them."""
    here = socket.gethostname()
    theirs = {one.metrics_dir for one in present if one.host == here}
    if not directory and len(theirs) == 1:
        (directory,) = theirs
    if not directory:
        return warn(
            "host.metrics",
            "PROMETHEUS_MULTIPROC_DIR is not set",
            "Set it to one directory shared by all Penstock processes on the host. "
            "Without it the exporter sees no counters.",
        )
    if not (Path(directory).is_dir() and os.access(directory, os.W_OK | os.X_OK)):
        return fail(
            "host.metrics",
            f"{directory} is not writable",
            "Create the directory and make it writable for the user of every process. "
            "Processes do not start without it.",
        )
    if others := theirs - {directory}:
        return warn(
            "host.metrics",
            f"{directory} here; workers: {', '.join(sorted(others)) or 'none'}",
            "Set the same PROMETHEUS_MULTIPROC_DIR for all processes of a host.",
        )
    return well("host.metrics", directory)
