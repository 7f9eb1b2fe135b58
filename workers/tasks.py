"""Thin tasks: what each does is in the module it calls."""

import functools
import os
import socket
import time

from celery.signals import worker_process_shutdown, worker_ready, worker_shutdown
from celery.worker.consumer import Consumer

from ingest.streams.queues import (
    BELL_EXPIRES_SECONDS,
    DELIVER_TASK,
    DRAIN_TASK,
    DRAINS,
    HEARTBEAT_TASK,
    KEEP_PEOPLE_TASK,
    KEEP_ROLLUPS_TASK,
    KEEP_SEGMENTS_TASK,
    KEEP_SUPPRESSIONS_TASK,
    PARTITION_RECEIPTS_TASK,
    SETTLE_TASK,
    SWEEP_TASK,
    UPKEEP,
)
from ingest.streams.states import Streams, open_streams
from ingest.streams.stream import Stream, open_stream
from ingest.telemetry import metrics
from ingest.telemetry.tracing import Tracer, open_tracer
from workers import upkeep
from workers.app import app, settings
from workers.delivery_dispatcher import Dispatcher
from workers.drain import Drain
from workers.dry_run_server import DryRunServer
from workers.people_keeper import PeopleKeeper
from workers.retries import attempt
from workers.rollup_keeper import RollupKeeper
from workers.segment_keeper import SegmentKeeper
from workers.suppression_keeper import SuppressionKeeper


@functools.cache
def _tracer() -> Tracer:
    """Return this process's tracer."""
    return open_tracer("penstock-worker")


@functools.cache
def _drain() -> Drain:
    """Return this process's drain; its connections belong to the process."""
    # Containers share process ids, and the listener's place goes by this name.
    name = f"penstock-drain-{socket.gethostname()}-{os.getpid()}"
    return Drain(settings, name=name, announce=hint, tracer=_tracer())


@functools.cache
def _stream() -> Stream:
    """Return this process's connection to Redis: hints, heartbeats, the sweep."""
    return open_stream(settings.redis_url, settings.partitions)


@functools.cache
def _dispatcher() -> Dispatcher:
    """Return this process's dispatcher."""
    return Dispatcher(settings, _tracer())


def ring(partition: int) -> None:
    """Ask for a drain of `partition`."""
    app.send_task(
        DRAIN_TASK,
        args=[partition],
        queue=DRAINS,
        expires=BELL_EXPIRES_SECONDS,
        ignore_result=True,
    )


def hint() -> None:
    """Say that events wait for delivery; the schedule says so each second anyway."""
    app.send_task(
        DELIVER_TASK,
        queue=UPKEEP,
        expires=BELL_EXPIRES_SECONDS,
        ignore_result=True,
    )


@functools.cache
def _dry_runs() -> DryRunServer:
    """Return this worker's server of dry runs."""
    return DryRunServer(settings)


@worker_ready.connect
def _serve_dry_runs(sender: Consumer, **_: object) -> None:
    """Answer dry runs where upkeep is done: beside drains, which are to apply."""
    if UPKEEP in sender.app.amqp.queues.consume_from:
        _dry_runs().start()


@worker_shutdown.connect
def _end_dry_runs(**_: object) -> None:
    if _dry_runs.cache_info().currsize:
        _dry_runs().close()


@app.task(name=DELIVER_TASK)
def deliver() -> None:
    """Wake the dispatcher; its thread delivers while other tasks go on."""
    attempt(_stream().answer_hint, DELIVER_TASK)
    _dispatcher().wake()


@worker_shutdown.connect
@worker_process_shutdown.connect
def _finish_deliveries(**_: object) -> None:
    """Finish what is under way, so that no receiver is told twice of it."""
    if _dispatcher.cache_info().currsize:
        _dispatcher().close()
    if _tracer.cache_info().currsize:
        _tracer().close()


@app.task(name=DRAIN_TASK)
def drain(partition: int) -> None:
    """Apply what waits, on `partition` and everywhere else.

    `partition` tells a reader of the queue why the bell rang; the drain looks at all.
    """
    if not attempt(functools.partial(_drain().run, ring), DRAIN_TASK):
        _drain().close()
    metrics.note_memory("drain")


@app.task(name=SWEEP_TASK)
def sweep() -> None:
    """Ring for each partition that has waiting entries."""
    attempt(functools.partial(upkeep.sweep, _stream(), ring), SWEEP_TASK)
    metrics.note_memory("upkeep")


@app.task(name=HEARTBEAT_TASK)
def heartbeat() -> None:
    """Send a heartbeat through every stream."""
    work = functools.partial(
        upkeep.send_heartbeats, _stream(), settings.partitions, ring
    )
    attempt(work, HEARTBEAT_TASK)


@app.task(name=SETTLE_TASK)
def settle() -> None:
    """Find every accepted import again, or name it as missing."""
    attempt(functools.partial(upkeep.settle, settings), SETTLE_TASK)


@functools.cache
def _segment_keeper() -> SegmentKeeper:
    """Return this process's keeper of dynamic segments."""
    return SegmentKeeper(settings)


#: A task that goes on with segments is waited for this long before the schedule's does.
_GOES_ON_SECONDS = 2.0
_goes_on_until = 0.0


@app.task(name=KEEP_SEGMENTS_TASK)
def keep_segments(goes_on: bool = False) -> None:
    """Move profiles whose time has come, and build segments.

    While there is more to be done it sends itself again, behind the tasks that wait:
    `goes_on` then. There is one of those at a time.
    """
    global _goes_on_until  # noqa: PLW0603 - of this process, as is what it keeps
    if not goes_on and time.monotonic() < _goes_on_until:
        return
    _goes_on_until = 0.0
    left: list[bool] = []

    def work() -> None:
        stream = _stream()
        run = _segment_keeper().run
        left.append(run(is_awaited=stream.has_upkeep, is_busy=stream.waiting))

    if not attempt(work, KEEP_SEGMENTS_TASK):
        _segment_keeper().close()
    elif left == [True]:
        _goes_on_until = time.monotonic() + _GOES_ON_SECONDS
        app.send_task(
            KEEP_SEGMENTS_TASK,
            kwargs={"goes_on": True},
            queue=UPKEEP,
            expires=_GOES_ON_SECONDS,
            ignore_result=True,
        )


@functools.cache
def _suppression_keeper() -> SuppressionKeeper:
    """Return this process's keeper of suppression lists."""
    return SuppressionKeeper(settings)


@app.task(name=KEEP_SUPPRESSIONS_TASK)
def keep_suppressions() -> None:
    """Lower what was stored before its contact went on a list."""
    if not attempt(_suppression_keeper().run, KEEP_SUPPRESSIONS_TASK):
        _suppression_keeper().close()


@functools.cache
def _people_keeper() -> PeopleKeeper:
    """Return this process's keeper of the search of people."""
    return PeopleKeeper(settings)


@app.task(name=KEEP_PEOPLE_TASK)
def keep_people() -> None:
    """Write what people are found by, behind the receipts."""

    def work() -> None:
        _people_keeper().run(is_busy=_stream().waiting)

    if not attempt(work, KEEP_PEOPLE_TASK):
        _people_keeper().close()


@functools.cache
def _rollup_keeper() -> RollupKeeper:
    """Return this process's keeper of roll-ups."""
    return RollupKeeper(settings)


@functools.cache
def _streams() -> Streams:
    """Return this process's reader of all streams."""
    return open_streams(settings.redis_url, settings.partitions)


@app.task(name=KEEP_ROLLUPS_TASK)
def keep_rollups() -> None:
    """Count the receipts and attempts of the minutes that have ended."""

    def work() -> None:
        _rollup_keeper().run(_streams().read)

    if not attempt(work, KEEP_ROLLUPS_TASK):
        _rollup_keeper().close()


@worker_ready.connect
def _make_days(sender: Consumer, **_: object) -> None:
    """Make the days' tables when upkeep starts: beat's first time is an hour away."""
    if UPKEEP in sender.app.amqp.queues.consume_from:
        app.send_task(PARTITION_RECEIPTS_TASK, queue=UPKEEP, ignore_result=True)


@app.task(name=PARTITION_RECEIPTS_TASK)
def partition_receipts() -> None:
    """Make the coming days' tables of receipts and drop those past retention."""
    work = functools.partial(upkeep.partition_receipts, settings)
    attempt(work, PARTITION_RECEIPTS_TASK)
