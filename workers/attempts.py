"""Run a task's work once; a fault that passes is logged and left to the sweep."""

import logging
from collections.abc import Callable

import kombu.exceptions
import psycopg
import redis

from ingest import metrics
from ingest.domain.errors import PenstockError
from workers.outages import Outages, missing_server

logger = logging.getLogger(__name__)

#: Postgres or Redis is away, restarting, or chose us to end a deadlock.
TRANSIENT = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # An operator bounds how long a transaction may be silent.
    psycopg.errors.IdleInTransactionSessionTimeout,
    redis.RedisError,
    kombu.exceptions.OperationalError,
)

_outages = Outages()


def attempt(work: Callable[[], None], task: str) -> bool:
    """Run `work`; return False when a transient fault ended it.

    That is logged; that a server is away, once an outage and process, and once when
    it is back.
    """
    try:
        work()
    except TRANSIENT as error:
        name = type(error).__name__
        metrics.TASKS_PUT_OFF.labels(task, name).inc()
        if server := missing_server(error):
            _outages.miss(server, task)
            return False
        # What libraries say may quote what they were given; what we say does not.
        reason = {"reason": str(error)} if isinstance(error, PenstockError) else {}
        logger.warning(
            "task put off", extra={"task": task, "error_class": name, **reason}
        )
        return False
    _outages.meet(task)
    return True
