"""Notices workers of the group that live and make no progress; a thread beside it."""

import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread

from ingest.doctor.health import Health, look
from ingest.domain.progress import STALL_SECONDS
from ingest.streams.queues import DRAINS, UPKEEP

#: Asks for the restart of a child, and says why.
Restart = Callable[[str, str], None]

#: A stall is one when it is seen this often in a row: a server that has just come back
#: leaves old entries, too, which are then taken within a second or two.
_LOOKS = 3
#: Looks in the time of a stall, and how many such times what was restarted is given
#: before it is looked at again.
_LOOKS_A_STALL = 6
_STALLS_OF_GRACE = 2


class StallWatch:
    """Counts how often in a row each child was seen without progress."""

    def __init__(self, restart: Restart, seconds: float = STALL_SECONDS) -> None:
        self._restart = restart
        self._seen: Counter[str] = Counter()
        #: How long without progress a stall is.
        self.seconds = seconds

    def note(self, blamed: Mapping[str, str]) -> float:
        """Take one look's findings, reasons by child; return when to look again."""
        for name in [name for name in self._seen if name not in blamed]:
            del self._seen[name]
        self._seen.update(blamed.keys())
        ripe = [name for name, count in self._seen.items() if count >= _LOOKS]
        for name in ripe:
            self._restart(name, blamed[name])
            del self._seen[name]
        return self.seconds * (_STALLS_OF_GRACE if ripe else 1 / _LOOKS_A_STALL)


def blame(health: Health, seconds: float = STALL_SECONDS) -> dict[str, str]:
    """Return which children of this host should be restarted, and why."""
    sweep = health.blame_sweep(seconds)
    drains = health.blame_drains(socket.gethostname())
    reasons = {DRAINS: drains, UPKEEP: sweep, "beat": sweep}
    return {name: reason for name, reason in reasons.items() if reason}


@contextmanager
def watching(
    database_url: str, redis_url: str, partitions: int, watch: StallWatch
) -> Iterator[None]:
    """Let `watch` look at the group's workers as long as the block lasts."""
    ended = Event()

    def work() -> None:
        pause = watch.note({})
        while not ended.wait(pause):
            health = look(database_url, redis_url, partitions, watch.seconds)
            pause = watch.note(blame(health, watch.seconds))

    thread = Thread(target=work, name="stall-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
