"""Notices workers of the group that live and make no progress; a thread beside it."""

import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread

from ingest.doctor.health import Health, look
from ingest.queues import DRAINS, UPKEEP

#: Asks for the restart of a child, and says why.
Restart = Callable[[str, str], None]

_LOOK_SECONDS = 5.0
#: A stall is one when it is seen this often in a row: a server that has just come back
#: leaves old entries, too, which are then taken within a second or two.
_LOOKS = 3
#: Given to what was restarted, before it is looked at again.
_GRACE_SECONDS = 60.0


class StallWatch:
    """Counts how often in a row each child was seen without progress."""

    def __init__(self, restart: Restart) -> None:
        self._restart = restart
        self._seen: Counter[str] = Counter()

    def note(self, blamed: Mapping[str, str]) -> bool:
        """Take one look's findings, reasons by child; say whether any was restarted."""
        for name in [name for name in self._seen if name not in blamed]:
            del self._seen[name]
        self._seen.update(blamed.keys())
        ripe = [name for name, count in self._seen.items() if count >= _LOOKS]
        for name in ripe:
            self._restart(name, blamed[name])
            del self._seen[name]
        return bool(ripe)


def blame(health: Health) -> dict[str, str]:
    """Return which children of this host should be restarted, and why."""
    sweep = health.blame_sweep()
    drains = health.blame_drains(socket.gethostname())
    reasons = {DRAINS: drains, UPKEEP: sweep, "beat": sweep}
    return {name: reason for name, reason in reasons.items() if reason}


@contextmanager
def watching(
    database_url: str, redis_url: str, partitions: int, restart: Restart
) -> Iterator[None]:
    """Look at the group's workers every few seconds as long as the block lasts."""
    ended = Event()
    watch = StallWatch(restart)

    def work() -> None:
        pause = _LOOK_SECONDS
        while not ended.wait(pause):
            restarted = watch.note(blame(look(database_url, redis_url, partitions)))
            pause = _GRACE_SECONDS if restarted else _LOOK_SECONDS

    thread = Thread(target=work, name="stall-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
