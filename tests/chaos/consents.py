"""What becomes of subscribers' statuses: what is expected, and what is found.

Whatever breaks meanwhile: no status forbids less than before but by a basis that says
so and is newer, each change is recorded once, what was kept is in the receipts, and who
is on a suppression list is not subscribed in the end.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ingest.domain.consent import BY_LIST, COMPLAINED, NO_BASIS, OLDER
from ingest.domain.statuses import PROHIBITION
from tests.chaos.status_stories import (
    KEEPER,
    Consents,
    StatusChange,
    StatusLine,
    StatusReceipt,
    StatusStory,
)
from tests.chaos.subscribers import (
    FOLLOWED,
    FORM,
    LISTED_STATUS,
    SUPPRESS_ON,
    Act,
    Move,
    Subscriber,
)

#: Why a status may have been kept, if not for a list.
_REASONS: Mapping[Act, Sequence[str]] = {
    Act.CLAIM: (NO_BASIS, COMPLAINED),
    Act.LATE_CLAIM: (OLDER,),
    Act.RAISE: (OLDER, COMPLAINED),
    Act.OPT_OUT: (NO_BASIS, COMPLAINED),
}


def find_lost_consents(
    subscribers: Iterable[Subscriber], left: Consents
) -> Iterator[str]:
    """Yield what is missing: receipts, increments, and lines of the history."""
    for story in _read_stories(subscribers, left):
        name, due = story.one.name, story.one.points
        for import_id in story.moves:
            if not story.imports[import_id]:
                yield f"{import_id} of {name} has no receipt"
        if story.points < due:
            yield f"{name} has {story.points} of {due} increments"
        yield from _find_unrecorded(story)


def find_doubled_consents(
    subscribers: Iterable[Subscriber], left: Consents
) -> Iterator[str]:
    """Yield what was applied, or recorded, more than once."""
    for story in _read_stories(subscribers, left):
        name, due = story.one.name, story.one.points
        for import_id in story.moves:
            if len(story.imports[import_id]) > 1:
                yield f"{import_id} of {name} has several receipts"
        if story.points > due:
            yield f"{name} has {story.points} increments, not {due}"
        recorded = Counter(
            (one.ended_by, one.place) for one in (*story.past, *story.unapplied)
        )
        for (ended_by, place), times in recorded.items():
            if times > 1:
                yield f"{ended_by} ended the status of {place} {times}x"


def find_wrong_consents(
    subscribers: Iterable[Subscriber], left: Consents
) -> Iterator[str]:
    """Yield who may be written to without having said so, and what is not explained."""
    for story in _read_stories(subscribers, left):
        found = (
            *_find_failures(story),
            *story.breaks,
            *_find_falls(story),
            *_find_unexplained(story),
            *_find_silent_undos(story),
            *_find_listed(story),
        )
        yield from (f"{story.one.name}: {text}" for text in found)


def find_unlowered(left: Consents) -> Iterator[str]:
    """Yield whether additions to lists have still something to lower."""
    if left.unlowered:
        yield f"{left.unlowered} additions to suppression lists still lower statuses"


def _read_stories(
    subscribers: Iterable[Subscriber], left: Consents
) -> Iterator[StatusStory]:
    return (StatusStory(one, left) for one in subscribers)


def _find_unrecorded(story: StatusStory) -> Iterator[str]:
    """Each status that ended, and each that was said too late, is in the history."""
    recorded = {(one.ended_by, one.place, one.status) for one in story.past}
    for import_id, place, status in _list_ended(story):
        if (import_id, place, status) not in recorded:
            yield f"{import_id} ended {status} of {place}, which is not recorded"
    unapplied = {(one.by, one.resource_id) for one in story.unapplied}
    for receipt, resource in _list_too_late(story):
        if (receipt.import_id, resource) not in unapplied:
            yield f"{receipt.import_id} came too late, which is not recorded"


def _list_ended(story: StatusStory) -> Iterator[tuple[str, tuple[str, int], str]]:
    """Yield each status that ended: by which import, whose, and which it was."""
    for change in story.changes:
        if change.before is not None:
            yield change.receipt.import_id, change.place, change.before
    yield from story.ended


def _list_too_late(story: StatusStory) -> Iterator[tuple[StatusReceipt, int]]:
    """Yield what said explicitly that it is of before the status that is stored."""
    for receipt, move in _pair_moves(story):
        is_dated = move.act is Act.LATE_CLAIM or move.is_exact
        for resource, kept in receipt.kept.items():
            if is_dated and kept.reason == OLDER:
                yield receipt, resource


def _pair_moves(story: StatusStory) -> Iterator[tuple[StatusReceipt, Move]]:
    for receipt in story.receipts:
        move = story.moves.get(receipt.import_id)
        if move is not None:
            yield receipt, move


def _find_failures(story: StatusStory) -> Iterator[str]:
    """Every import is applied; an undo may be refused."""
    for import_id in story.moves:
        for receipt in story.imports[import_id]:
            if receipt.is_refused:
                yield f"{import_id} is {receipt.state}"


def _find_falls(story: StatusStory) -> Iterator[str]:
    """No status forbids less than before without a basis, nor on a list with one."""
    followed: set[tuple[str, int]] = set()
    for change in story.changes:
        import_id, place = change.receipt.import_id, change.place
        text = f"{import_id} made {change.after} of {change.before} ({place})"
        if change.is_fall:
            if not _has_basis(story, change):
                yield f"{text} without a basis"
            if import_id in story.one.after_listing or place in followed:
                yield f"{text} though the contact is on a list"
        if _is_followed(change):
            followed.add(place)


def _has_basis(story: StatusStory, change: StatusChange) -> bool:
    """Tell whether a fall is a raise with a basis that is stored, and is newer."""
    import_id, place = change.receipt.import_id, change.place
    move = story.moves.get(import_id)

    def is_newer(line: StatusLine) -> bool:
        if line.since is None or line.until is None:
            return False
        return line.since < line.until

    return (
        move is not None
        and move.act is Act.RAISE
        and any(
            (line.by, line.resource_id, line.source) == (import_id, place[1], FORM)
            for line in story.lines
        )
        and any(
            (line.ended_by, line.place) == (import_id, place) and is_newer(line)
            for line in story.past
        )
    )


def _is_followed(change: StatusChange) -> bool:
    """Tell whether a change puts the contact on the list for opt-outs."""
    _, resource = change.place
    kept = change.receipt.kept.get(resource)
    is_by_list = change.receipt.door == KEEPER or (
        kept is not None and kept.reason.startswith(BY_LIST)
    )
    return resource == FOLLOWED and change.after in SUPPRESS_ON and not is_by_list


def _find_unexplained(story: StatusStory) -> Iterator[str]:
    """What is not stored as it was sent is in the receipt, with a reason; no more."""
    for receipt, move in _pair_moves(story):
        for resource in () if receipt.is_refused else move.resources:
            stored = story.after[receipt.import_id].get(resource)
            kept = receipt.kept.get(resource)
            text = f"{receipt.import_id} ({move.act}, {move.status}) left {stored}"
            if stored == move.status:
                if kept is not None:
                    yield f"{text}, and says that it kept {kept.stored}"
            elif kept is None:
                yield f"{text}, and does not say why"
            elif (kept.sent, kept.stored) != (move.status, stored) or not (
                kept.reason in _REASONS[move.act] or kept.reason.startswith(BY_LIST)
            ):
                yield f"{text}, for: {kept}"


def _find_silent_undos(story: StatusStory) -> Iterator[str]:
    """An undo says of each opt-out that it does not take it back, if it does not."""
    undos = {one.undoes: one for one in story.receipts if not one.is_refused}
    changed = {(one.receipt.import_id, one.place[1]) for one in story.changes}
    for change in story.changes:
        undo, resource = undos.get(change.receipt.import_id), change.place[1]
        if (
            undo is not None
            and change.is_rise
            and (undo.import_id, resource) not in changed
            and resource not in undo.kept
            and not undo.has_faults
        ):
            yield f"{undo.import_id} does not say that it kept {change.after}"


def _find_listed(story: StatusStory) -> Iterator[str]:
    """Whose contact is on a list is subscribed nowhere where it counts."""
    is_followed = any(map(_is_followed, story.changes))
    for place, status in story.current.items():
        is_listed = story.one.is_listed or (is_followed and place[1] == FOLLOWED)
        if is_listed and PROHIBITION[status] < PROHIBITION[LISTED_STATUS]:
            yield f"{place} is {status} though the contact is on a list"
