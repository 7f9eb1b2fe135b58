"""Events that one request has together: which of them, and under which ID (T6)."""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID, uuid5

from ingest.domain.errors import InvalidValue

#: Events of one request, at most.
LARGEST_BATCH = 1000
#: Bytes of the events of one request, unless a single one has more.
LARGEST_BODY = 1_000_000
#: How long an event waits for others, where the endpoint does not say.
DEFAULT_LINGER = timedelta(seconds=1)
#: The type of the message that has them.
BATCH = "batch"

_LINGER = re.compile(r"([0-9]{1,2})s")
_LONGEST_LINGER = 60
#: The namespace of the ids of batches.
_BATCHES = UUID("b2a9f0f4-31d4-5b0c-8c53-2f4f2a6d1e07")


def parse_linger(raw: object) -> timedelta:
    """Read `1s` to `60s`; the default for none at all."""
    if raw == "":
        return DEFAULT_LINGER
    found = _LINGER.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        raise InvalidValue("Must be a duration (such as 1s or 30s)")
    if not 1 <= int(found[1]) <= _LONGEST_LINGER:
        raise InvalidValue("Out of range (from 1s to 60s)")
    return timedelta(seconds=int(found[1]))


def name_batch(event_ids: Iterable[UUID]) -> UUID:
    """Return the ID of a batch: the same for the same events in the same order."""
    return uuid5(_BATCHES, ",".join(map(str, event_ids)))


def count_fitting(sizes: Sequence[int]) -> int:
    """Return how many of the first events fit into one request, one at least.

    `sizes` are those of their messages, in bytes.
    """
    total = 0
    for index, size in enumerate(sizes):
        # A comma, too.
        total += size + 1
        if index and total > LARGEST_BODY:
            return index
    return len(sizes)


def find_linger(
    count: int, waited: timedelta | None, batch: int, linger: timedelta
) -> timedelta | None:
    """Return how much longer to wait for a fuller batch; None to send what there is.

    `count` events are due, and the oldest of them has waited for `waited`.
    """
    if waited is None or count >= batch or waited >= linger:
        return None
    return linger - waited
