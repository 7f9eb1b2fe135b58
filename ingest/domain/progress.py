"""Progress of the partitions, measured by entries and commits, not by processes."""

from collections.abc import Iterable
from dataclasses import dataclass

from ingest.domain.counts import count

#: With work waiting, this long without a commit is no progress. Longer than any
#: hand-over between drains, and than the sweep takes to ring again.
STALL_SECONDS = 30.0
#: Where Postgres cuts the names of sessions.
_NAME_LENGTH = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The session of Postgres that has leased a partition, and its drain."""

    #: Such as `penstock-drain-worker-1-4711`; Postgres cuts it after 63 bytes.
    name: str
    #: Postgres works for it, or it waits there for a lock.
    is_working: bool
    #: Seconds since Postgres last heard from it or began to work.
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionProgress:
    """The backlog of one partition, and its last commit."""

    partition: int
    waiting: int
    #: Seconds that the oldest entry has waited; None when none does.
    oldest_seconds: float | None
    #: Seconds since the last commit; None when there was none yet.
    drained_seconds: float | None
    #: None without a lease.
    holder: Holder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """A stalled partition."""

    progress: PartitionProgress

    @property
    def text(self) -> str:
        """The backlog, its age, and who makes no progress."""
        at, waiting = self.progress.partition, count(self.progress.waiting, "import")
        waits = f"partition {at}: {waiting} waiting"
        waits += f", the oldest for {self.progress.oldest_seconds or 0:.0f} s"
        holder = self.progress.holder
        if holder is None:
            return f"{waits}; no worker is processing them"
        return (
            f"{waits}; leased by {holder.name}, no progress for {holder.seconds:.0f} s"
        )

    def is_of(self, host: str) -> bool:
        """Whether a worker of `host` is stalled; without a lease, any worker is."""
        if self.progress.holder is None:
            return True
        name, prefix = self.progress.holder.name, f"penstock-drain-{host}-"
        if len(name) == _NAME_LENGTH and prefix.startswith(name):
            return True
        return name.startswith(prefix) and name.removeprefix(prefix).isdecimal()


def find_stalls(
    progress: Iterable[PartitionProgress], seconds: float = STALL_SECONDS
) -> list[Stall]:
    """Return the partitions that have entries and made no progress for `seconds`.

    A batch that Postgres works on, however long, is progress. So is one whose drain
    has been heard of within `seconds`.
    """
    return [Stall(progress=one) for one in progress if _is_stalled(one, seconds)]


def _is_stalled(progress: PartitionProgress, seconds: float) -> bool:
    if progress.oldest_seconds is None or progress.oldest_seconds < seconds:
        return False
    if progress.drained_seconds is not None and progress.drained_seconds < seconds:
        return False
    if progress.holder is None:
        return True
    return not progress.holder.is_working and progress.holder.seconds >= seconds
