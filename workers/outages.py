"""A server that is away: said once when it is missed, and once when it is back."""

import logging
import time

import kombu.exceptions
import redis

from ingest.store.faults import is_away

logger = logging.getLogger(__name__)

#: How Celery begins to say that it cannot reach the broker.
_COMPLAINT = "consumer: Cannot connect to"


def missing_server(error: Exception) -> str | None:
    """Name the server that is away; None when it answered, and with this error."""
    if isinstance(error, redis.RedisError | kombu.exceptions.OperationalError):
        return None if isinstance(error, redis.ResponseError) else "redis"
    return "postgres" if is_away(error) else None


class Outages:
    """The unavailable server that one process waits for, and since when."""

    def __init__(self) -> None:
        #: Server → the task that missed it first, and when.
        self._missed: dict[str, tuple[str, float]] = {}

    def miss(self, server: str, task: str) -> None:
        """Note that `task` does without `server`; say so the first time."""
        if server not in self._missed:
            self._missed[server] = task, time.monotonic()
            logger.warning("server unavailable", extra={"server": server, "task": task})

    def meet(self, task: str) -> None:
        """Note that `task` has what it needs; say so if it had missed something."""
        for server, (by, since) in list(self._missed.items()):
            if by == task:
                del self._missed[server]
                seconds = round(time.monotonic() - since, 1)
                logger.warning(
                    "server available", extra={"server": server, "seconds": seconds}
                )


class OnceAnOutage(logging.Filter):
    """Lets Celery say once that it cannot reach the broker, not at each attempt."""

    def __init__(self) -> None:
        super().__init__()
        self._is_away = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop a complaint that was made before; pass whatever else is said."""
        if str(record.msg).startswith(_COMPLAINT):
            was_away, self._is_away = self._is_away, True
            return not was_away
        if str(record.msg).startswith("Connected to"):
            self._is_away = False
        return True
