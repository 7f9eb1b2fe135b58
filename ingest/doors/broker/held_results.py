"""Second results, of imports that were held: published when they are decided (H2).

With the first result of a held import, what is owed moves to a hash of its own. There
it stays until the import has been decided, whoever restarts meanwhile.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from redis import Redis

from ingest.domain.errors import Unavailable
from ingest.store.database import Connection, LateConnection
from ingest.store.held import claim_results, list_databases
from ingest.store.receipts.write import find_answers
from ingest.streams.queues import held_results_key, parse_pending_result
from ingest.wire.messages import MessageResult, PendingResult, load_pending

_PAGE = 1000
_DAY_SECONDS = 86_400


class HeldResults:
    """The second results that a broker door owes."""

    def __init__(
        self,
        redis: Redis,
        send: Callable[[Sequence[MessageResult]], None],
        *,
        door: str,
        receipt_days: int,
    ) -> None:
        self._redis = redis
        self._send = send
        self._door = door
        self._receipt_seconds = receipt_days * _DAY_SECONDS
        #: The hash of what is owed.
        self.key = held_results_key(door)

    def sweep(self, database: LateConnection) -> None:
        """Publish the results of what has been decided; raise Unavailable.

        One consumer at a time does: each is published once, unless that consumer fails
        before it has noted so.
        """
        cursor = -1
        while cursor:
            # Bytes, which redis-py types as anything.
            page: Any
            cursor, page = self._redis.hscan(self.key, max(0, cursor), count=_PAGE)
            if not page:
                continue
            try:
                connection = database.get()
                with connection.transaction():
                    if not claim_results(connection, self._door):
                        return
                    self._publish_decided(connection, list(page))
            except psycopg.Error as error:
                raise Unavailable("Receipts are temporarily unavailable") from error

    def _publish_decided(self, connection: Connection, fields: list[bytes]) -> None:
        owed = self._read(fields)
        ids = {parse_pending_result(field) for field in owed}
        decided = ids - {*list_databases(connection, ids)}
        if not decided:
            return
        found = find_answers(connection, decided)
        # One may have been replayed since, and be held again.
        answers = {id_: one for id_, one in found.items() if not one.is_held}
        told = {
            field: pending.of(answers[import_id], was_held=True)
            for field, pending in owed.items()
            if (import_id := parse_pending_result(field)) in answers
        }
        if told:
            self._send(list(told.values()))
        expired = self._list_expired(owed, decided - {*found})
        if settled := [*told, *expired]:
            self._redis.hdel(self.key, *settled)

    def _read(self, fields: list[bytes]) -> dict[str, PendingResult]:
        """Read what is owed again: others may have published it before our turn."""
        values = self._redis.hmget(self.key, fields)
        return {
            field.decode(): load_pending(value)
            for field, value in zip(fields, values, strict=True)
            if value is not None
        }

    def _list_expired(
        self, owed: Mapping[str, PendingResult], lost: Collection[UUID]
    ) -> list[str]:
        """Return what nobody can tell any more: its receipt has expired, too."""
        before = time.time() - self._receipt_seconds
        return [
            field
            for field, pending in owed.items()
            if parse_pending_result(field) in lost and pending.at < before
        ]
