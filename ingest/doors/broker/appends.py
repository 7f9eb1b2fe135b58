"""Acceptance of messages: a batch of imports, and a note that results are owed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.domain.lanes import Lane
from ingest.doors.accept import Accepted
from ingest.doors.appends import BlockingAppends
from ingest.settings import Settings
from ingest.streams.partitioning import CONSUME_CLIENT
from ingest.streams.queues import pending_result, pending_results_key
from ingest.wire.messages import ImportMessage, dump_pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An import that may be queued, and the message that asked for it."""

    accepted: Accepted
    order: ImportMessage


class BrokerAppends:
    """Appends imports to their streams, and notes that their results are owed."""

    def __init__(self, settings: Settings, *, door: str, reply_to: str) -> None:
        self._appends = BlockingAppends(
            settings, client_name=CONSUME_CLIENT, lane=Lane.LIVE, reply_to=reply_to
        )
        self._pending = pending_results_key(door)

    def start(self) -> None:
        """Start ringing for drains."""
        self._appends.start()

    def close(self) -> None:
        """Ring what is pending, then disconnect."""
        self._appends.close()

    def has_room(self) -> bool:
        """Say whether imports may be appended; raise Unavailable without Redis."""
        return self._appends.has_room()

    def append(self, batch: Sequence[Taken]) -> None:
        """Append all of `batch` in its order, or none; raise Unavailable for none.

        After a lost reply nobody knows which; the import ids make a repeat harmless.
        """
        if not batch:
            return
        now = time.time()
        imports = [taken.accepted for taken in batch]
        owed = {
            pending_result(
                one.import_.import_id, one.import_.fingerprint
            ): dump_pending(taken.order, now)
            for one, taken in zip(imports, batch, strict=True)
        }
        self._appends.append(imports, {self._pending: owed})
