"""Triggers that fire once for a profile, or once in a while (T3)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime

from msgspec import Struct

from ingest.domain.catalog import Trigger
from ingest.domain.events import Event
from ingest.domain.intervals import (
    parse_duration,
    shift,
    to_datetime,
    to_microseconds,
)

#: A trigger, and the database and id of a profile.
MarkKey = tuple[int, int, str]


class TriggerMark(Struct, frozen=True, kw_only=True):
    """That a trigger is to fire for a profile, unless it did lately."""

    trigger_id: int
    database_id: int
    profile_id: str
    #: It may fire again if it fired last at this moment or before; None for never.
    again: datetime | None

    @property
    def key(self) -> MarkKey:
        """The trigger and the profile."""
        return self.trigger_id, self.database_id, self.profile_id


def list_marks(
    events: Iterable[Event], triggers: Mapping[int, Trigger], now: datetime
) -> list[TriggerMark]:
    """Return the marks of limited triggers that hear of `events`, each once."""
    marks: dict[MarkKey, TriggerMark] = {}
    for event in events:
        for trigger in _list_limited(event, triggers):
            mark = TriggerMark(
                trigger_id=trigger.id,
                database_id=event.database_id,
                profile_id=event.profile_id,
                again=find_again(trigger, now),
            )
            marks.setdefault(mark.key, mark)
    return sorted(marks.values(), key=lambda mark: mark.key)


def find_again(trigger: Trigger, now: datetime) -> datetime | None:
    """Return since when a trigger must not have fired, to fire now; None for never."""
    if trigger.once:
        return None
    moment = shift(to_microseconds(now), parse_duration(trigger.every), -1)
    return to_datetime(moment)


def leave_first(
    events: Iterable[Event], triggers: Mapping[int, Trigger], marked: Set[MarkKey]
) -> tuple[list[Event], Counter[str]]:
    """Return the events that are sent, and how many are not, by the reason.

    Of each mark that was made, the first event is; of those that were not, none.
    """
    left, open_marks, skipped = list[Event](), set(marked), Counter[str]()
    for event in events:
        dropped: set[int] = set()
        for trigger in _list_limited(event, triggers):
            key = (trigger.id, event.database_id, event.profile_id)
            if key in open_marks:
                open_marks.remove(key)
            else:
                dropped.add(trigger.id)
                skipped["once" if trigger.once else "every"] += 1
        if not dropped:
            left.append(event)
        elif listeners := _without(event.listeners, dropped):
            left.append(replace(event, listeners=listeners))
    return left, skipped


def _list_limited(event: Event, triggers: Mapping[int, Trigger]) -> list[Trigger]:
    return [
        trigger
        for ids in event.listeners.values()
        for id_ in ids
        if (trigger := triggers.get(id_)) is not None and trigger.is_limited
    ]


def _without(
    listeners: Mapping[int, Sequence[int]], dropped: Set[int]
) -> dict[int, tuple[int, ...]]:
    """Return who hears of an event without some triggers.

    A workflow has no triggers, and hears of its start.
    """
    return {
        endpoint_id: left
        for endpoint_id, ids in listeners.items()
        if (left := tuple(id_ for id_ in ids if id_ not in dropped)) or not ids
    }
