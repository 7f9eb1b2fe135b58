"""Thin tasks: what each does is in the module it calls."""

import functools
import os

from ingest.queues import (
    BELL_EXPIRES_SECONDS,
    DRAIN_TASK,
    DRAINS,
    PARTITION_RECEIPTS_TASK,
    SWEEP_TASK,
)
from workers import upkeep
from workers.app import app, settings
from workers.attempts import attempt
from workers.drain import Drain


@functools.cache
def _drain() -> Drain:
    """Return this process's drain; its connections belong to the process."""
    return Drain(settings, name=f"penstock-drain-{os.getpid()}")


def ring(partition: int) -> None:
    """Ask for a drain of `partition`."""
    app.send_task(
        DRAIN_TASK,
        args=[partition],
        queue=DRAINS,
        expires=BELL_EXPIRES_SECONDS,
        ignore_result=True,
    )


@app.task(name=DRAIN_TASK)
def drain(partition: int) -> None:
    """Apply what waits, on `partition` and everywhere else.

    `partition` tells a reader of the queue why the bell rang; the drain looks at all.
    """
    if not attempt(functools.partial(_drain().run, ring), DRAIN_TASK):
        _drain().close()


@app.task(name=SWEEP_TASK)
def sweep() -> None:
    """Ring for each partition that has waiting entries."""
    attempt(functools.partial(upkeep.sweep, settings, ring), SWEEP_TASK)


@app.task(name=PARTITION_RECEIPTS_TASK)
def partition_receipts() -> None:
    """Make the coming days' tables of receipts and drop those past retention."""
    work = functools.partial(upkeep.partition_receipts, settings)
    attempt(work, PARTITION_RECEIPTS_TASK)
