"""Backlog of the partitions in Redis, with their commits in Postgres."""

import redis
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.progress import Flow, Holder
from ingest.store.leases import Lease, list_leases
from ingest.streams.queues import SWEPT_KEY, stream_key


def load_flows(
    client: redis.Redis, connection: Connection[TupleRow], partitions: int
) -> list[Flow]:
    """Return the backlog and the last commit of each partition."""
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    for partition in range(partitions):
        pipeline.xlen(stream_key(partition))
        pipeline.xrange(stream_key(partition), count=1)
    (seconds, micros), *replies = pipeline.execute()
    now = seconds + micros / 1e6
    leases = {lease.partition: lease for lease in list_leases(connection)}
    return [
        Flow(
            partition=partition,
            waiting=int(length),
            oldest_seconds=now - _accepted_at(head[0][0]) if head else None,
            drained_seconds=lease.drained_seconds if lease else None,
            holder=_holder(lease),
        )
        for partition, (length, head) in enumerate(
            zip(replies[::2], replies[1::2], strict=True)
        )
        for lease in [leases.get(partition)]
    ]


def _accepted_at(entry_id: bytes) -> float:
    """Return the time at which Redis stored an entry."""
    return int(entry_id.partition(b"-")[0]) / 1000


def _holder(lease: Lease | None) -> Holder | None:
    if lease is None or lease.holder is None:
        return None
    return Holder(
        name=lease.holder,
        is_working=bool(lease.is_working),
        seconds=lease.holder_seconds or 0.0,
    )


def find_swept_seconds(client: redis.Redis) -> float | None:
    """Return how long ago the sweep ran; None if it never has."""
    swept = client.get(SWEPT_KEY)
    return None if swept is None else float(client.time()[0] - int(swept))
