"""What a batch adds to the ledger."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from ingest.domain.imports import Outcome, State
from ingest.store.ledger import REPEATED, Counts
from ingest.streams.stream import entry_order
from ingest.wire.acceptance_log import peek_mark
from workers.shares import Share


def tally(shares: Iterable[Share], outcomes: Iterable[Outcome]) -> dict[int, Counts]:
    """Count what came of each entry, by partition, once however often it is read.

    An outcome is of the entry that this batch was the first to apply. All other entries
    name an import that has one already: a repeat of it, unless they have been read
    before, which is up to the position of their share.
    """
    fresh = {outcome.import_id: outcome.state for outcome in outcomes}
    return {share.partition: _tally(share, fresh) for share in shares}


def _tally(share: Share, fresh: dict[UUID, State]) -> Counts:
    """Count the entries of `share`, and take their outcomes out of `fresh`."""
    read_before = entry_order(share.position)
    counts: Counts = Counter()
    for one in share.accepted:
        import_ = one.import_
        if state := fresh.pop(import_.import_id, None):
            counts[import_.database_id, state] += 1
        elif entry_order(one.entry_id) > read_before:
            counts[import_.database_id, REPEATED] += 1
    for letter in share.letters:
        # Of another release's form perhaps, and an import all the same.
        mark = peek_mark(letter.payload)
        if mark and entry_order(letter.entry_id) > read_before:
            counts[mark.database_id, State.DEAD] += 1
    return counts
