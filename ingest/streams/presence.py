"""Presence of workers: each reports every two seconds that its main loop turns."""

from dataclasses import asdict, dataclass

import orjson
import redis

from ingest.streams.queues import PRESENCE_PREFIX, presence_key

#: Who is not heard of for this long is not there.
_LIFE_SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A Celery worker that is there, and how it is set up."""

    #: Queue and host, such as `drains@worker-1`.
    name: str
    partitions: int
    batch_size: int
    #: Where it counts; empty for nowhere.
    metrics_dir: str

    @property
    def queue(self) -> str:
        """The queue it serves."""
        return self.name.partition("@")[0]

    @property
    def host(self) -> str:
        """Its host."""
        return self.name.partition("@")[2]


def announce(client: redis.Redis, presence: Presence) -> None:
    """Say that the worker is there, for the next seconds."""
    client.set(
        presence_key(presence.name), orjson.dumps(asdict(presence)), ex=_LIFE_SECONDS
    )


def find_present(client: redis.Redis) -> list[Presence]:
    """Return the workers that are there, by name."""
    keys = sorted(client.scan_iter(match=f"{PRESENCE_PREFIX}*", count=1000))
    found = client.mget(keys) if keys else []
    return [Presence(**orjson.loads(each)) for each in found if each is not None]
