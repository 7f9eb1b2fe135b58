"""Delivers events: a thread beside the tasks, with a lane for each endpoint.

Tasks only wake it, so that no slow endpoint holds a worker. The outbox is the truth:
what a lane had claimed when its process died is due again when its lease ends.
"""

import asyncio
import functools
import logging
import ssl
from asyncio import AbstractEventLoop, Task
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar

import psycopg

from ingest.domain.addresses import parse_allow_list
from ingest.domain.confirmation_tokens import make_links
from ingest.settings import Settings
from ingest.store.database import Connection, LateConnection
from ingest.store.events.deliveries import find_targets
from ingest.telemetry.tracing import Tracer, open_tracer
from workers.delivery_lanes import DeliveryLane, Means
from workers.resolver import Resolver
from workers.webhooks import TIMEOUT_SECONDS

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: How long lanes are waited for that do not end in time.
_CANCEL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Running:
    lane: DeliveryLane
    task: Task[None]


def make_means(
    settings: Settings, tracer: Tracer | None = None, resolver: Resolver | None = None
) -> Means:
    """Return the clients that send as the settings say."""
    return Means(
        broker_url=settings.events_broker or settings.redis_url,
        context=ssl.create_default_context(),
        allowed=parse_allow_list(settings.webhook_allow),
        resolver=resolver or Resolver(),
        links=make_links(settings.secret, settings.public_url),
        tracer=tracer or open_tracer("penstock-deliveries", {}),
    )


class Dispatcher:
    """Delivers whatever is due; one per worker process, started when first woken."""

    def __init__(
        self,
        settings: Settings,
        tracer: Tracer | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._settings = settings
        self._means = make_means(settings, tracer, resolver)
        self._loop: AbstractEventLoop | None = None
        self._thread: Thread | None = None
        # One thread: the connection is used by one at a time.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="deliveries-database")
        self._database = LateConnection(
            settings.database_url, application_name="penstock-deliveries"
        )
        self._lanes: dict[int, _Running] = {}
        self._visit: Task[None] | None = None
        self._visit_again = False
        self._stopping = False

    def wake(self) -> None:
        """Look for what is due; never blocks."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = Thread(
                target=self._loop.run_forever, name="deliveries", daemon=True
            )
            self._thread.start()
        self._loop.call_soon_threadsafe(self._start_visit)

    def close(self) -> None:
        """Finish what is under way, claim nothing more, and stop."""
        if self._loop is None or self._thread is None:
            return
        finished = asyncio.run_coroutine_threadsafe(self._finish(), self._loop)
        finished.result(timeout=2 * TIMEOUT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._executor.shutdown()
        self._database.close()
        self._loop = None

    async def _finish(self) -> None:
        self._stopping = True
        if self._visit is not None:
            await asyncio.wait([self._visit])
        for running in self._lanes.values():
            running.lane.stop()
        tasks = [running.task for running in self._lanes.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=TIMEOUT_SECONDS)
        for task in tasks:
            task.cancel()
        if tasks:
            # They end at once, but for what a thread of theirs does.
            await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)

    def _start_visit(self) -> None:
        if self._stopping:
            return
        if self._visit is not None and not self._visit.done():
            self._visit_again = True
            return
        self._visit_again = False
        self._visit = asyncio.get_running_loop().create_task(self._look())
        self._visit.add_done_callback(self._end_visit)

    async def _look(self) -> None:
        """Open a lane for each endpoint that something is due at."""
        for target in await self._query(find_targets):
            if target.id in self._lanes:
                self._lanes[target.id].lane.wake(target)
            else:
                lane = DeliveryLane(target, self._query, self._means)
                task = asyncio.get_running_loop().create_task(lane.run())
                self._lanes[target.id] = _Running(lane, task)
                task.add_done_callback(functools.partial(self._end_lane, target.id))

    def _end_visit(self, visit: Task[None]) -> None:
        if _complain(visit):
            return
        if self._visit_again:
            self._start_visit()

    def _end_lane(self, number: int, lane: Task[None]) -> None:
        del self._lanes[number]
        if not _complain(lane):
            # For what came due between its last look and now.
            self._start_visit()

    async def _query(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` on the connection, in its thread."""
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, self._run, work
        )

    def _run(self, work: Callable[[Connection], _T]) -> _T:
        try:
            return work(self._database.get())
        except psycopg.Error:
            self._database.close()
            raise


def _complain(task: Task[None]) -> bool:
    """Log what ended `task`, if something did; the next wake tries again."""
    if task.cancelled():
        return True
    error = task.exception()
    if error is None:
        return False
    known = isinstance(error, psycopg.Error)
    logger.log(
        logging.WARNING if known else logging.ERROR,
        "delivery postponed",
        extra={"error_class": type(error).__name__},
        exc_info=None if known else error,
    )
    return True
