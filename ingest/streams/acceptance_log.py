"""The journals of acceptance, and the streams beside them, as the ledger reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis import Redis

from ingest.domain.entry_ids import entry_order, entry_time
from ingest.streams.connections import connect_blocking
from ingest.streams.queues import journal_key, stream_key
from ingest.wire.acceptance_log import FIELD, Mark, load_marks, peek_mark

#: Settled records are kept for so long, so that an audit can look at them once more.
KEPT_MILLISECONDS = 60_000
_PAGE = 1000
#: The first entries may be heartbeats.
_HEAD = 3
_START = "0-0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The imports that one flight to Redis carried into one partition."""

    id: str
    marks: list[Mark]

    @property
    def accepted_at(self) -> datetime:
        """When Redis took it."""
        return entry_time(self.id)


class Journal:
    """Reads the journals, and drops what is settled."""

    def __init__(self, redis_url: str, partitions: int) -> None:
        self._redis: Redis = connect_blocking(redis_url, client_name="penstock-ledger")
        self.partitions = range(partitions)

    def close(self) -> None:
        """Give up the connection."""
        self._redis.close()

    def read(
        self, partition: int, after: str = _START, until: str = "+", count: int = _PAGE
    ) -> list[Record]:
        """Return the first `count` records between the two."""
        rows: Any = self._redis.xrange(
            journal_key(partition), f"({after}", until, count=count
        )
        return [
            Record(id=id_.decode(), marks=load_marks(fields.get(FIELD, b"")))
            for id_, fields in rows
        ]

    def read_all(self, partition: int, after: str, until: str) -> list[Record]:
        """Return every record between the two, however many."""
        records: list[Record] = []
        while page := self.read(partition, after, until):
            records += page
            after = page[-1].id
        return records

    def find_ends(self, partition: int) -> tuple[str, str]:
        """Return the last record and the last entry of one moment."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.xrevrange(journal_key(partition), count=1)
        pipeline.xrevrange(stream_key(partition), count=1)
        last_record, last_entry = (
            rows[0][0].decode() if rows else _START for rows in pipeline.execute()
        )
        return last_record, last_entry

    def find_head(self, partition: int) -> Mark | None:
        """Return the import that waits first; None for none among the first entries."""
        rows: Any = self._redis.xrange(stream_key(partition), count=_HEAD)
        marks = (peek_mark(fields.get(b"import", b"")) for _, fields in rows)
        return next((mark for mark in marks if mark), None)

    def read_waiting(
        self, partition: int, after: str = _START, until: str | None = None
    ) -> Iterator[Mark]:
        """Return the imports that wait, in order; an entry may be none of them.

        Up to the entry `until`, or the last of now: more may come than are read.
        """
        until = until or self.find_ends(partition)[1]
        while True:
            rows: Any = self._redis.xrange(
                stream_key(partition), f"({after}", until, count=_PAGE
            )
            for _, fields in rows:
                if mark := peek_mark(fields.get(b"import", b"")):
                    yield mark
            if len(rows) < _PAGE:
                return
            after = rows[-1][0].decode()

    def drop_settled(self, partition: int, position: str) -> None:
        """Drop the records that were settled long before `position`."""
        oldest = entry_order(position)[0] - KEPT_MILLISECONDS
        if oldest > 0:
            self._redis.xtrim(journal_key(partition), minid=oldest, approximate=True)
