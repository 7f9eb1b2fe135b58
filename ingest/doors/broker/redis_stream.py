"""Messages in a Redis stream, read by a consumer group.

Any client can `XADD database_import * message '{"account_id": 1, …}'`; results are
entries of the stream `database_import_result`, each with a field `message` too.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any

import orjson
from redis.exceptions import RedisError, ResponseError
from redis.typing import EncodableT, FieldT

from ingest.domain.errors import Unavailable
from ingest.doors.broker.sources import Message, Refusal
from ingest.streams.connections import connect_blocking
from ingest.wire.messages import MessageResult, dump_result

GROUP = "penstock"

_BLOCK_MILLISECONDS = 1000
#: A consumer that holds nothing and has not asked for so long is no more.
_FORGOTTEN_MILLISECONDS = 3_600_000
#: Results past which the oldest go, though their time has not come.
_MAX_RESULTS = 1_000_000
#: How many of an entry's fields are named, and how much of each name.
_SHOWN_NAMES = 5
_SHOWN_CHARACTERS = 40


class StreamSource:
    """One member of the group that reads a stream."""

    def __init__(
        self,
        redis_url: str,
        stream: str,
        *,
        consumer: str,
        count: int,
        claim_after_seconds: float,
    ) -> None:
        self._redis = connect_blocking(redis_url, client_name="penstock-consume")
        self._stream = stream
        self._consumer = consumer
        self._count = count
        self._claim_after_seconds = claim_after_seconds
        self._claims_at = 0.0
        self._is_open = False
        # Whether this very consumer may have read what it did not acknowledge.
        self._holds = False

    @property
    def name(self) -> str:
        """The name that tells this source's messages from another's."""
        return f"redis:{self._stream}"

    def read(self) -> Sequence[Message]:
        """Return what this consumer or a dead one left, else what is new."""
        try:
            self._open()
            rows = self._read_held() or self._claim() or self._read_fresh()
            return self._load(rows)
        except (RedisError, OSError) as error:
            raise Unavailable("The source cannot be read") from error

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Drop `messages` from the group and from the stream."""
        ids = [message.tag for message in messages]
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.xack(self._stream, GROUP, *ids)
        pipeline.xdel(self._stream, *ids)
        try:
            pipeline.execute()
        except (RedisError, OSError) as error:
            raise Unavailable("The messages cannot be acknowledged") from error

    def keep_alive(self) -> None:
        """Do nothing: what another claims meanwhile is still applied once."""

    def close(self) -> None:
        """Leave the group, unless messages are left that another must claim."""
        with suppress(RedisError, OSError):
            for member in self._redis.xinfo_consumers(self._stream, GROUP):
                if member["name"] == self._consumer.encode() and not member["pending"]:
                    self._redis.xgroup_delconsumer(self._stream, GROUP, self._consumer)
        self._redis.close()
        self._is_open = False

    def _open(self) -> None:
        if self._is_open:
            return
        try:
            self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        for member in self._redis.xinfo_consumers(self._stream, GROUP):
            if not member["pending"] and member["idle"] > _FORGOTTEN_MILLISECONDS:
                self._redis.xgroup_delconsumer(self._stream, GROUP, member["name"])
        self._is_open = self._holds = True

    def _read_held(self) -> list[Any]:
        """Read again what this consumer had in hand when it was interrupted."""
        rows = self._read("0", block=None) if self._holds else []
        self._holds = bool(rows)
        return rows

    def _claim(self) -> list[Any]:
        """Take over what a consumer has held for too long."""
        now = time.monotonic()
        if now < self._claims_at:
            return []
        _, rows, *_ = self._redis.xautoclaim(
            self._stream,
            GROUP,
            self._consumer,
            min_idle_time=int(self._claim_after_seconds * 1000),
            count=self._count,
        )
        if not rows:
            self._claims_at = now + self._claim_after_seconds / 2
        return list(rows)

    def _read_fresh(self) -> list[Any]:
        return self._read(">", block=_BLOCK_MILLISECONDS)

    def _read(self, after: str, *, block: int | None) -> list[Any]:
        streams: dict[Any, Any] = {self._stream: after}
        replies: Any = self._redis.xreadgroup(
            GROUP, self._consumer, streams, count=self._count, block=block
        )
        return list(replies[0][1]) if replies else []

    def _load(self, rows: list[Any]) -> list[Message]:
        """Read rows; those deleted from the stream since they were read are let go."""
        gone = [id_ for id_, fields in rows if not fields]
        if gone:
            self._redis.xack(self._stream, GROUP, *gone)
        return [
            _message(self._stream, id_.decode(), fields)
            for id_, fields in rows
            if fields
        ]


def _message(stream: str, entry_id: str, fields: dict[bytes, bytes]) -> Message:
    body, flaw = fields.get(b"message"), ""
    if body is None:
        # It is refused, and what it was can be seen where it is buried.
        texts = {
            name.decode(errors="replace"): value.decode(errors="replace")
            for name, value in fields.items()
        }
        body, flaw = orjson.dumps([texts]), _explain(stream, list(texts))
    # An id could be given again, by a producer's choice or in a restored Redis.
    digest = blake2b(body, digest_size=16).hexdigest()
    return Message(
        id=f"{entry_id} {digest}",
        body=body,
        tag=entry_id,
        milliseconds=int(entry_id.partition("-")[0]),
        flaw=flaw,
    )


def _explain(stream: str, names: Sequence[str]) -> str:
    """Say what an entry lacks, what it has instead, and how it is to be written."""
    shown = ", ".join(name[:_SHOWN_CHARACTERS] for name in names[:_SHOWN_NAMES])
    more = ", …" if len(names) > _SHOWN_NAMES else ""
    return (
        f"The entry has no field `message`, only {shown}{more}. Write the import as"
        f" JSON into that field: XADD {stream} '*' message '{{\"account_id\": 1, …}}'"
    )


class StreamOutlet:
    """The streams of results and of messages that can never be imported."""

    def __init__(self, redis_url: str, stream: str, *, ttl_seconds: float) -> None:
        self._redis = connect_blocking(redis_url, client_name="penstock-results")
        self._results = f"{stream}_result"
        self._dead = f"{stream}_dead"
        self._ttl_milliseconds = int(ttl_seconds * 1000)

    def publish(self, results: Sequence[MessageResult]) -> None:
        """Append `results`."""
        pipeline = self._redis.pipeline(transaction=False)
        for result in results:
            fields: dict[FieldT, EncodableT] = {b"message": dump_result(result)}
            pipeline.xadd(self._results, fields, maxlen=_MAX_RESULTS)
        try:
            pipeline.execute()
        except (RedisError, OSError) as error:
            raise Unavailable("The results cannot be sent") from error

    def dead_letter(self, refusals: Sequence[Refusal]) -> None:
        """Append the messages as they came, each with what was wrong with it."""
        pipeline = self._redis.pipeline(transaction=False)
        for refusal in refusals:
            fields: dict[FieldT, EncodableT] = {
                b"message": refusal.message.body,
                b"id": refusal.message.tag.encode(),
                b"error": refusal.result.error,
                b"error_text": refusal.result.error_text.encode(),
            }
            pipeline.xadd(self._dead, fields)
        try:
            pipeline.execute()
        except (RedisError, OSError) as error:
            raise Unavailable("The dead messages cannot be sent") from error

    def expire(self) -> None:
        """Drop results that are past their time, by the clock that dates them."""
        try:
            seconds, _ = self._redis.time()
            oldest = seconds * 1000 - self._ttl_milliseconds
            self._redis.xtrim(self._results, minid=oldest, approximate=False)
        except (RedisError, OSError) as error:
            raise Unavailable("Expired results cannot be deleted") from error

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()
