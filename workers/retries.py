"""Run a task's work once; a fault that passes is logged and left to the sweep."""

import logging
from collections.abc import Callable

import kombu.exceptions
import redis

from ingest.domain.errors import PenstockError
from ingest.store.faults import is_servers
from ingest.store.suppressions.key import NoSuppressionKey
from ingest.telemetry import metrics
from workers.outages import Outages, missing_server

logger = logging.getLogger(__name__)

_outages = Outages()


def is_transient(error: BaseException) -> bool:
    """Tell whether `error` is a server's, so that the same work may succeed later.

    Whatever an import's content provokes is not: it would fail each time.
    """
    queue_errors = redis.RedisError | kombu.exceptions.OperationalError
    if isinstance(error, queue_errors | NoSuppressionKey):
        return True
    return is_servers(error)


def attempt(work: Callable[[], None], task: str) -> bool:
    """Run `work`; return False when a transient fault ended it.

    That is logged; that a server is away, once an outage and process, and once when
    it is back.
    """
    try:
        work()
    # Nothing narrower covers what both servers' libraries raise.
    except Exception as error:
        if not is_transient(error):
            raise
        _put_off(error, task)
        return False
    _outages.meet(task)
    return True


def _put_off(error: Exception, task: str) -> None:
    name = type(error).__name__
    metrics.TASKS_RETRIED.labels(task, name).inc()
    if server := missing_server(error):
        _outages.miss(server, task)
        return
    # What libraries say may quote what they were given; what we say does not.
    reason = {"reason": str(error)} if isinstance(error, PenstockError) else {}
    logger.warning("task retried", extra={"task": task, "error_class": name, **reason})
