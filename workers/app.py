"""The Celery application: doorbells in one queue, upkeep in another."""

import functools
import logging
import os
from contextlib import suppress
from typing import Any

import redis
from celery import Celery
from celery.signals import (
    celeryd_after_setup,
    heartbeat_sent,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_ready,
)
from celery.worker import WorkController
from celery.worker.consumer import Consumer, connection, consumer

from ingest.domain.errors import PartitionsDiffer
from ingest.garbage import collect_rarely
from ingest.geo import open_locator
from ingest.settings import read_settings
from ingest.streams.connections import REPEATS, connect_blocking
from ingest.streams.partitioning import check_partitions
from ingest.streams.presence import Presence, announce
from ingest.streams.queues import (
    CELERY_KEY_PREFIX,
    DELIVER_TASK,
    DRAIN_TASK,
    DRAINS,
    HEARTBEAT_SECONDS,
    HEARTBEAT_TASK,
    KEEP_PEOPLE_TASK,
    KEEP_ROLLUPS_TASK,
    KEEP_SEGMENTS_TASK,
    KEEP_SUPPRESSIONS_TASK,
    PARTITION_RECEIPTS_TASK,
    SETTLE_TASK,
    SWEEP_TASK,
    UPKEEP,
    worker_key,
)
from ingest.telemetry import metrics
from ingest.telemetry.logs import configure_logging
from workers.outages import OnceAnOutage
from workers.parents import end_with_parent

logger = logging.getLogger(__name__)

settings = read_settings()

app = Celery("penstock", broker=settings.redis_url, include=["workers.tasks"])
app.conf.update(
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=False,  # a doorbell that is lost is rung again by the sweep
    task_routes={
        DRAIN_TASK: {"queue": DRAINS},
        SWEEP_TASK: {"queue": UPKEEP},
        SETTLE_TASK: {"queue": UPKEEP},
        PARTITION_RECEIPTS_TASK: {"queue": UPKEEP},
        DELIVER_TASK: {"queue": UPKEEP},
        HEARTBEAT_TASK: {"queue": UPKEEP},
        KEEP_SEGMENTS_TASK: {"queue": UPKEEP},
        KEEP_SUPPRESSIONS_TASK: {"queue": UPKEEP},
        KEEP_PEOPLE_TASK: {"queue": UPKEEP},
        KEEP_ROLLUPS_TASK: {"queue": UPKEEP},
    },
    worker_prefetch_multiplier=1,
    # Whatever a child has gathered in memory ends with it; its counts are kept.
    worker_max_tasks_per_child=10_000,
    worker_hijack_root_logger=False,
    # Remote control notices a Redis that has restarted; without it a worker can hang.
    worker_enable_remote_control=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "global_keyprefix": CELERY_KEY_PREFIX,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    },
    beat_schedule={
        "send missing doorbells": {
            "task": SWEEP_TASK,
            "schedule": 1.0,
            "options": {"expires": 2},
        },
        "deliver due events": {
            "task": DELIVER_TASK,
            "schedule": 1.0,
            "options": {"expires": 2},
        },
        "send heartbeats": {
            "task": HEARTBEAT_TASK,
            "schedule": float(HEARTBEAT_SECONDS),
            "options": {"expires": HEARTBEAT_SECONDS},
        },
        "reconcile the acceptance logs": {
            "task": SETTLE_TASK,
            "schedule": 2.0,
            "options": {"expires": 4},
        },
        "keep dynamic segments": {
            "task": KEEP_SEGMENTS_TASK,
            "schedule": 1.0,
            "options": {"expires": 2},
        },
        "keep suppression lists": {
            "task": KEEP_SUPPRESSIONS_TASK,
            "schedule": 1.0,
            "options": {"expires": 2},
        },
        "keep the search of people": {
            "task": KEEP_PEOPLE_TASK,
            "schedule": 1.0,
            "options": {"expires": 2},
        },
        # A minute is counted ten seconds after it has ended, at the latest.
        "count by the minute": {
            "task": KEEP_ROLLUPS_TASK,
            "schedule": 10.0,
            "options": {"expires": 10},
        },
        "create and drop receipt tables": {
            "task": PARTITION_RECEIPTS_TASK,
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
    },
)


@setup_logging.connect
def _log_as_json(**_: object) -> None:
    configure_logging(settings.log_level)
    once = OnceAnOutage()
    for module in (consumer, connection):
        logging.getLogger(module.__name__).addFilter(once)


#: What this worker's processes are for; children inherit it.
_roles: list[str] = []


@celeryd_after_setup.connect
def _learn_role(instance: WorkController, **_: object) -> None:
    """Tell drains from upkeep by the queues that the worker was told to serve."""
    queues = instance.app.amqp.queues.consume_from
    _roles[:] = ["drain" if DRAINS in queues else "upkeep"]


@worker_init.connect
def _check_partitions(**_: object) -> None:
    """Do not start beside processes that spread imports otherwise."""
    try:
        check_partitions(settings.redis_url, settings.partitions)
    except PartitionsDiffer as error:
        raise SystemExit(str(error)) from error


@worker_process_init.connect
def _count_process(**_: object) -> None:
    for role in _roles:
        metrics.note_start(role)


@worker_process_init.connect
def _tune_garbage(**_: object) -> None:
    collect_rarely()


@worker_process_init.connect
def _die_with_the_worker(**_: object) -> None:
    """End this pool process when its worker is killed, rather than work on alone."""
    end_with_parent()


@worker_ready.connect
def _tell_ready(sender: Consumer, **_kwargs: object) -> None:
    """Leave a key for whoever waits for the worker, such as the supervisor."""
    name = sender.hostname.partition("@")[0]
    # It is said once: a Redis that starts again is waited for.
    client = connect_blocking(
        settings.redis_url, client_name="penstock-presence", repeats=REPEATS
    )
    client.set(worker_key(name), b"ready")
    client.close()


@functools.cache
def _redis() -> redis.Redis:
    return connect_blocking(
        settings.redis_url, client_name="penstock-presence", timeout_seconds=2
    )


@heartbeat_sent.connect
def _tell_present(sender: Any, **_kwargs: object) -> None:
    """Say from the main loop that it turns, and how the worker is set up."""
    presence = Presence(
        name=sender.eventer.hostname,
        partitions=settings.partitions,
        batch_size=settings.batch_size,
        metrics_dir=os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""),
    )
    # Whoever looks for it finds that it has expired.
    with suppress(redis.RedisError):
        announce(_redis(), presence)


@worker_ready.connect
def _check_geo_database(**_: object) -> None:
    """Say what is wrong with the file at start, rather than at the first import."""
    if not settings.geoip_database:
        logger.info("geo database not configured")
    open_locator(settings.geoip_database)
