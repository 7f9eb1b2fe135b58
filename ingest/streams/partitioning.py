"""The number of partitions: one for every process, kept in Redis with the streams.

The count tells to which stream the imports of a key go. Intakes with different counts
would part them, and their order would be lost; a worker with a smaller one would never
read the other streams. So each new connection that appends to the streams, or reads
them, looks whether its process has the number that the deployment has.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import redis

from ingest.domain.errors import PartitionsDiffer, PenstockError
from ingest.streams.connections import connect_blocking
from ingest.streams.lanes import lane_keys
from ingest.streams.queues import PARTITIONS_KEY, STREAMS, parse_stream_key, stream_key

#: What processes that append to the streams, or read them, call their connections.
INTAKE_CLIENT = "penstock-intake"
CONSUME_CLIENT = "penstock-consume"
FILES_CLIENT = "penstock-files"
WORKER_CLIENT = "penstock-worker"
_MEMBERS = (INTAKE_CLIENT, CONSUME_CLIENT, FILES_CLIENT, WORKER_CLIENT)


class PartitionsInUse(PenstockError):
    """The number of partitions cannot be changed now; the message says why."""


def check_partitions(redis_url: str, count: int) -> None:
    """Raise PartitionsDiffer if the deployment has another number than `count`.

    For the start of a process. A Redis that is away is waited for by what connects
    later, which looks again.
    """
    client = connect_blocking(redis_url, client_name="penstock-check", partitions=count)
    try:
        client.ping()
    except PartitionsDiffer:
        raise
    except (redis.RedisError, OSError):
        pass
    finally:
        client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsInUse:
    """The streams that there are in Redis, and who works with them."""

    #: None until the first process has told.
    count: int | None
    #: Waiting entries by partition, whatever the count says.
    waiting: Mapping[int, int]
    #: Connections by the name that processes give theirs.
    connected: Mapping[str, int]


class Partitions:
    """The number of partitions as an operator sees and changes it."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect_blocking(redis_url, client_name="penstock-partitions")

    def close(self) -> None:
        """Give up the connection."""
        self._redis.close()

    def look(self) -> StreamsInUse:
        """Return what there is."""
        known = self._redis.get(PARTITIONS_KEY)
        numbers = sorted(
            parse_stream_key(key.decode()) for key in self._redis.scan_iter(STREAMS)
        )
        return StreamsInUse(
            count=None if known is None else int(known),
            waiting={each: int(self._redis.xlen(stream_key(each))) for each in numbers},
            connected=_count_members(self._redis.client_list()),
        )

    def change(self, count: int) -> None:
        """Make it `count`; raise PartitionsInUse, having changed nothing.

        The number is changed first and who is connected looked at after it: whoever
        connects in between has seen the new one.
        """
        before = self.look()
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.set(PARTITIONS_KEY, count)
        pipeline.client_list()
        for number in before.waiting:
            pipeline.xlen(stream_key(number))
        _, clients, *waiting = pipeline.execute()
        try:
            _refuse_if_used(_count_members(clients), sum(waiting))
        except PartitionsInUse:
            self._restore(before.count)
            raise
        beyond = [
            key
            for number in before.waiting
            if number >= count
            for key in lane_keys(number)
        ]
        if beyond:
            self._redis.delete(*beyond)

    def _restore(self, count: int | None) -> None:
        if count is None:
            self._redis.delete(PARTITIONS_KEY)
        else:
            self._redis.set(PARTITIONS_KEY, count)


def _count_members(clients: Iterable[Mapping[str, str]]) -> Mapping[str, int]:
    names = Counter(client.get("name", "") for client in clients)
    return {name: names[name] for name in _MEMBERS if names[name]}


def _refuse_if_used(connected: Mapping[str, int], waiting: int) -> None:
    reasons = [f"{count} connections of {name}" for name, count in connected.items()]
    if waiting:
        reasons.append(f"{waiting} waiting entries")
    if reasons:
        raise PartitionsInUse(
            f"Cannot change the partition count: {' and '.join(reasons)}. Stop intakes"
            " and consumers, wait until the backlog is empty, stop the workers, and run"
            " this again"
        )
