"""Answers requests for dry runs, and for decisions on held imports, one by one.

In a thread of the upkeep worker: a request of a thousand imports takes a second, and
its tasks may not wait. One at a time, so that requests take little from imports.
"""

import logging
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any

from redis.exceptions import RedisError

from ingest.domain.imports import Import, Outcome
from ingest.geo import open_locator
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.streams.connections import connect_blocking
from ingest.streams.queues import (
    DRY_RUNS_KEY,
    dry_run_answer_key,
    dry_run_key,
    stream_key,
)
from ingest.telemetry import metrics
from ingest.wire.dry_runs import (
    DryRunAnswer,
    HeldDecision,
    UndoPreview,
    UndoPreviewed,
    dump_answer,
    load_request,
)
from ingest.wire.entries import decode
from ingest.wire.profile_schemas import ProfileSchemas
from workers.database_session import DatabaseSession
from workers.dry_runs import dry_run
from workers.held import HeldCases
from workers.retries import is_transient
from workers.undo_previews import summarize_undo

logger = logging.getLogger(__name__)

#: How long an answer is kept for its caller, who listens.
_ANSWER_SECONDS = 60
#: For one command that waits: less than a socket that says nothing is given.
_LISTEN_SECONDS = 1.0
#: Between two looks at a Redis that is away.
_AWAY_SECONDS = 1.0
#: What others have locked for longer is not waited for.
_LOCK_BRIEFLY = "SET LOCAL lock_timeout = '2s'"
_FAILED = "The dry run could not be done now; nothing was written"


class DryRunServer:
    """Takes requests from Redis, and leaves their answers there."""

    def __init__(
        self, settings: Settings, listen_seconds: float = _LISTEN_SECONDS
    ) -> None:
        # How long a stop may take.
        self._listen_seconds = listen_seconds
        self._settings = settings
        self._batch_size = settings.batch_size
        self._redis = connect_blocking(
            settings.redis_url, client_name="penstock-dry-runs"
        )
        self._session = DatabaseSession(settings, "penstock-dry-runs")
        self._stopping = Event()
        self._thread = Thread(target=self._serve, name="dry-runs", daemon=True)

    def start(self) -> None:
        """Start to take requests."""
        self._thread.start()

    def close(self) -> None:
        """Finish the request at hand, and stop."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._redis.close()
        self._session.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                self._take_one()
            # Redis is away; who asked is told so by its intake.
            except (RedisError, OSError):
                self._stopping.wait(_AWAY_SECONDS)

    def _take_one(self) -> None:
        # The client's types do not know that it returns bytes.
        told: Any = self._redis.blpop([DRY_RUNS_KEY], self._listen_seconds)
        if told is None:
            return
        request_id = told[1].decode()
        # None where its caller waits no longer.
        payload: Any = self._redis.getdel(dry_run_key(request_id))
        if payload is None:
            return
        answer = self._answer(payload)
        key = dry_run_answer_key(request_id)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.rpush(key, dump_answer(answer))
        pipeline.expire(key, _ANSWER_SECONDS)
        pipeline.execute()

    def _answer(self, payload: bytes) -> DryRunAnswer:
        """Try what is asked; whatever goes wrong is told, and nothing is written."""
        try:
            request = load_request(payload)
            behind = sum(self._redis.xlen(stream_key(n)) for n in request.partitions)
            if request.held is not None:
                return DryRunAnswer(outcomes=self._decide(request.held))
            if request.undo is not None:
                return DryRunAnswer(undo=self._preview(request.undo))
            outcomes = self._try([decode(one) for one in request.imports])
        # The thread goes on, whatever a request has in it.
        except Exception as error:
            self._session.drop_broken()
            if not is_transient(error):
                name = type(error).__name__
                logger.exception("dry run failed", extra={"error_class": name})
            return DryRunAnswer(failure=_FAILED)
        for outcome in outcomes:
            metrics.DRY_RUNS.labels(outcome.state).inc()
        metrics.note_memory("upkeep")
        return DryRunAnswer(outcomes=outcomes, behind=behind)

    def _decide(self, told: HeldDecision) -> list[Outcome]:
        """Decide held imports: that is done here for those who ask over HTTP."""
        cases = HeldCases(
            self._session.connect(),
            geoip_database=self._settings.geoip_database,
            limits=self._settings.profile_limits,
        )
        if told.case_id is not None and told.merge is not None:
            return cases.preview_merge(told.case_id, decode(told.merge))
        if told.case_id is None:
            return cases.decide_listed(
                told.import_ids, told.decision, dry_run=told.dry_run
            )
        return cases.decide(told.case_id, told.decision, dry_run=told.dry_run)

    def _preview(self, wanted: UndoPreview) -> UndoPreviewed:
        """Preview an undo: that reads only, and locks nothing."""
        connection = self._session.connect()
        catalog = load_catalog(connection, self._settings.profile_limits)
        locate = open_locator(self._settings.geoip_database)
        return summarize_undo(connection, wanted, ProfileSchemas(catalog, locate))

    def _try(self, imports: Sequence[Import]) -> list[Outcome]:
        """Try `imports`, no more at a time than a batch has: locks are held briefly."""
        connection = self._session.connect()
        outcomes: list[Outcome] = []
        for start in range(0, len(imports), self._batch_size):
            chunk = imports[start : start + self._batch_size]
            with connection.transaction(force_rollback=True):
                connection.execute(_LOCK_BRIEFLY)
                schemas = self._session.hold_schemas(connection)
                outcomes += dry_run(connection, chunk, schemas, self._session.room)
        return outcomes
