"""Events of an import, for the triggers that listen (contract section 7)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import chain
from uuid import UUID, uuid5

from ingest.domain.catalog import (
    EVERYTHING,
    Catalog,
    EventKind,
    Novelty,
    Segment,
    Trigger,
    Workflow,
)
from ingest.domain.confirmation_requests import Confirmation
from ingest.domain.errors import Fault
from ingest.domain.imports import Import, Outcome
from ingest.domain.local_days import Instant
from ingest.domain.merge import Changes, Merged
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from ingest.domain.views import view_profile


class Cause(StrEnum):
    """Causes of events (G8)."""

    IMPORT = "import"
    #: Time moved a profile in or out of a segment.
    SWEEP = "sweep"
    #: A segment was built that announces its members.
    BUILD = "build"
    #: An endpoint was disabled (T7).
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to a profile, and who is to hear of it."""

    #: Made of the id of the import and `sequence`, or of another cause: a receiver sees
    #: the same one always.
    id: UUID
    #: None if no import caused it.
    import_id: UUID | None
    database_id: int
    profile_id: str
    kind: EventKind
    #: Its place among the events of its import. Among those of its profile it gets one,
    #: `profile_sequence`, as it is written.
    sequence: int
    #: What its kind tells of it, as JSON values.
    detail: Mapping[str, object]
    #: The triggers that listen, by the endpoint they deliver to; never empty. There are
    #: none at the endpoint of a workflow, which `detail` names.
    listeners: Mapping[int, tuple[int, ...]]
    #: Of the import, as a producer sent it.
    traceparent: str | None = None
    cause: Cause = Cause.IMPORT
    #: The members of the profile that an endpoint gets, by its id, where it gets any;
    #: and these members, as they are now (T1).
    includes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    profile: Mapping[str, object] | None = None
    #: The trigger that it waits for; None for what is sent at once (T4).
    delayed_by: Trigger | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    """What happened, before anyone is known to listen."""

    kind: EventKind
    detail: Mapping[str, object]
    #: Of a created or updated profile: names of the changed fields.
    fields: frozenset[str] = frozenset()
    #: Of a subscription event.
    key: SubscriptionKey | None = None
    novelties: frozenset[Novelty] = frozenset()
    status: str | None = None
    from_status: str | None = None
    #: Of a segment event.
    segment_id: int | None = None
    #: Of `api_call`: the one trigger that is started, or the one workflow.
    trigger_id: int | None = None
    workflow: Workflow | None = None


def start_faults(import_: Import, catalog: Catalog) -> tuple[Fault, ...]:
    """Return why what `import_` starts cannot be started; empty if it can."""
    if import_.start is None:
        return ()
    faults = []
    if (trigger_id := import_.start.trigger_id) is not None:
        trigger = catalog.triggers.get(trigger_id)
        if trigger is None or trigger.database_id != import_.database_id:
            message = "Trigger not found"
            faults.append(Fault(code=404, message=message, path="trigger_id"))
        elif trigger.event is not EventKind.API_CALL:
            message = (
                "The trigger cannot be started by an API call (its event is not "
                "api_call)"
            )
            faults.append(Fault(code=400, message=message, path="trigger_id"))
    if import_.start.workflow_id is not None and not _find_workflow(import_, catalog):
        message = "Workflow not found"
        faults.append(Fault(code=404, message=message, path="workflow_id"))
    return tuple(faults)


def _find_workflow(import_: Import, catalog: Catalog) -> Workflow | None:
    """Return the workflow that `import_` starts; None for one unknown, or none."""
    if import_.start is None or import_.start.workflow_id is None:
        return None
    workflow = catalog.workflows.get(import_.start.workflow_id)
    if workflow is None or workflow.database_id != import_.database_id:
        return None
    return workflow


def derive(
    before: Profile | None,
    merged: Merged,
    import_: Import,
    catalog: Catalog,
    now: Instant,
    union: Outcome | None = None,
) -> tuple[Event, ...]:
    """Return what `import_` caused where a trigger listens, in contract order.

    That is the import, then subscriptions, then segments (contract 14, point 56), and
    what people are asked at last.
    `skip_triggers` silences all of it but what the import itself starts (contract 7.2).
    Of an import that merged profiles (`union`), `before` is what it made of them.
    """
    triggers = _list_triggers(import_, catalog)
    workflow = _find_workflow(import_, catalog)
    if not triggers and workflow is None:
        return ()
    facts = _facts(before, merged, import_, workflow)
    if merged.confirmations:
        facts = chain(facts, _confirmation_facts(merged.confirmations))
    if union is not None:
        facts = chain([_tell_merge(union)], facts)
    audience = _Audience(triggers, catalog, before, merged.profile, now)
    return tuple(_tell(facts, audience, import_, merged.profile.id))


def derive_undo(
    outcome: Outcome, import_: Import, catalog: Catalog, after: Profile | None
) -> Iterator[Event]:
    """Return the one event of an undo, where a trigger listens: U12.

    `after` is None for a profile that is gone.

    What it changes in subscriptions and segments causes nothing else: no mail is sent
    to welcome somebody by a correction.
    """
    if outcome.undoes is None or outcome.profile_id is None:
        return
    if not outcome.changes and not outcome.profiles:
        return
    detail: dict[str, object] = {
        "undoes": str(outcome.undoes),
        "state": outcome.state.value,
        "changes": _show(outcome.changes),
    }
    kind = EventKind.IMPORT_UNDONE
    if outcome.profiles:
        kind, detail["profiles"] = EventKind.PROFILES_UNMERGED, list(outcome.profiles)
    audience = _Audience(_list_triggers(import_, catalog), catalog, None, after)
    facts = [_Fact(kind=kind, detail=detail)]
    yield from _tell(facts, audience, import_, outcome.profile_id)


def derive_merge(
    outcome: Outcome, import_: Import, catalog: Catalog, after: Profile | None
) -> Iterator[Event]:
    """Return the one event of a merge, where a trigger listens (M2)."""
    if outcome.profile_id is None:
        return
    audience = _Audience(_list_triggers(import_, catalog), catalog, None, after)
    yield from _tell([_tell_merge(outcome)], audience, import_, outcome.profile_id)


def _tell_merge(outcome: Outcome) -> _Fact:
    detail = {
        "profiles": list(outcome.profiles),
        "merge_id": str(outcome.import_id),
        "changes": _show(outcome.changes),
    }
    return _Fact(kind=EventKind.PROFILES_MERGED, detail=detail)


def _list_triggers(import_: Import, catalog: Catalog) -> list[Trigger]:
    """Return the triggers that may hear of what `import_` causes."""
    return [
        trigger
        for trigger in catalog.triggers.values()
        if trigger.database_id == import_.database_id
        # Finding out what happened costs time: not for those who hear of a start only.
        and (import_.start is not None or trigger.event is not EventKind.API_CALL)
    ]


def _tell(
    facts: Iterable[_Fact], audience: "_Audience", import_: Import, profile_id: str
) -> Iterator[Event]:
    """Return the events of `facts` that anybody listens for."""
    sequence = 0
    for fact in facts:
        for listeners, delayed_by in audience.hear(fact):
            includes = audience.find_includes(listeners)
            yield Event(
                id=uuid5(import_.import_id, str(sequence)),
                import_id=import_.import_id,
                database_id=import_.database_id,
                profile_id=profile_id,
                kind=fact.kind,
                sequence=sequence,
                detail=fact.detail,
                listeners=listeners,
                traceparent=import_.traceparent,
                includes=includes,
                profile=audience.show(includes),
                delayed_by=delayed_by,
            )
            sequence += 1


def _facts(
    before: Profile | None, merged: Merged, import_: Import, workflow: Workflow | None
) -> Iterator[_Fact]:
    if not import_.skip_triggers:
        yield from _import_facts(before, merged.changes)
        yield from _subscription_facts(before, merged.profile)
        yield from _segment_facts(before, merged.profile)
    if import_.start is None:
        return
    payload = import_.start.payload
    if (trigger_id := import_.start.trigger_id) is not None:
        yield _Fact(kind=EventKind.API_CALL, detail=payload, trigger_id=trigger_id)
    if workflow is not None:
        detail = {"workflow_id": workflow.id, **payload}
        yield _Fact(kind=EventKind.API_CALL, detail=detail, workflow=workflow)


def tells_moves(catalog: Catalog) -> bool:
    """Tell whether a trigger listens to profiles that move between segments."""
    return any(trigger.event in _MOVES for trigger in catalog.triggers.values())


def derive_moves(
    before: Profile,
    after: Profile,
    cause: Cause,
    due_at: datetime,
    catalog: Catalog,
    now: Instant,
) -> Iterator[Event]:
    """Return the events of a profile that no import has moved between segments (G8).

    `due_at` is the moment at which it was to be; of a build, when that was requested.
    """
    triggers = [
        trigger
        for trigger in catalog.triggers.values()
        if trigger.database_id == after.database_id and trigger.event in _MOVES
    ]
    if not triggers:
        return
    audience = _Audience(triggers, catalog, before, after, now)
    for sequence, fact in enumerate(_segment_facts(before, after)):
        if fact.segment_id is None:
            continue
        for listeners, delayed_by in audience.hear(fact):
            includes = audience.find_includes(listeners)
            segment = catalog.segments[fact.segment_id]
            yield Event(
                id=_name_move(segment, after.id, due_at, fact.kind, delayed_by),
                import_id=None,
                database_id=after.database_id,
                profile_id=after.id,
                kind=fact.kind,
                sequence=sequence,
                detail=fact.detail,
                listeners=listeners,
                cause=cause,
                includes=includes,
                profile=audience.show(includes),
                delayed_by=delayed_by,
            )


def _name_move(
    segment: Segment,
    profile_id: str,
    due_at: datetime,
    kind: EventKind,
    delayed_by: Trigger | None,
) -> UUID:
    """Return the id of a move: the same again if what wrote it is repeated."""
    name = [segment.id, segment.revision, profile_id, due_at.isoformat(), kind]
    if delayed_by is not None:
        name.append(delayed_by.id)
    return uuid5(_MOVED, "/".join(map(str, name)))


_MOVES = frozenset({EventKind.SEGMENT_ENTERED, EventKind.SEGMENT_LEFT})
#: The namespace of the ids of such events.
_MOVED = UUID("6f1c2f1a-6f0e-5d4c-9a53-7a3b1f0c5e21")


def _show(changes: Mapping[str, tuple[object, object]]) -> dict[str, object]:
    return {path: {"old": old, "new": new} for path, (old, new) in changes.items()}


def _import_facts(before: Profile | None, changes: Changes) -> Iterator[_Fact]:
    shown = _show(changes)
    if before is None:
        state, kind = "created", EventKind.PROFILE_CREATED
    else:
        state, kind = "updated", EventKind.PROFILE_UPDATED
    detail = {"state": state if changes or before is None else "unchanged"}
    yield _Fact(kind=EventKind.IMPORT, detail=detail)
    if changes or before is None:
        yield _Fact(kind=kind, detail={"changes": shown}, fields=frozenset(changes))


def _subscription_facts(before: Profile | None, after: Profile) -> Iterator[_Fact]:
    old = {} if before is None else before.subscriptions
    live = {key for key, subscription in old.items() if not subscription.deleted}
    for key, subscription in after.subscriptions.items():
        stored = old.get(key)
        if subscription is stored:
            continue
        novelties = _novelties(key, subscription, stored, live)
        yield _Fact(
            kind=EventKind.SUBSCRIPTION,
            detail=_shown(key, subscription, novelties),
            key=key,
            novelties=novelties,
            status=subscription.status,
            from_status=stored.status if stored else None,
        )


def _novelties(
    key: SubscriptionKey,
    after: Subscription,
    stored: Subscription | None,
    live: set[SubscriptionKey],
) -> frozenset[Novelty]:
    """Tell what is new against the subscriptions that were `live` before.

    A deleted one that comes back is as new as one that never was.
    """
    beside = [other for other in live if other.resource_id == key.resource_id]
    known = key in live and stored is not None
    answers = {
        Novelty.NEW_SUBSCRIPTION: not beside,
        Novelty.NEW_CHANNEL: all(other.channel != key.channel for other in beside),
        Novelty.NEW_CONTACT: not known,
        Novelty.STATUS_CHANGED: (
            stored is not None and known and stored.status != after.status
        ),
    }
    return frozenset(novelty for novelty, holds in answers.items() if holds)


def _shown(
    key: SubscriptionKey, subscription: Subscription, novelties: frozenset[Novelty]
) -> dict[str, object]:
    return {
        "resource_id": key.resource_id,
        "channel": key.channel,
        **subscription.contact,
        "status": subscription.status,
        "priority": subscription.priority,
        "custom_fields": dict(subscription.custom_fields),
        "cats": list(subscription.categories),
        "is_delete": subscription.deleted,
        "novelties": sorted(novelties),
    }


def _segment_facts(before: Profile | None, after: Profile) -> Iterator[_Fact]:
    old = frozenset() if before is None else before.segments
    moved = (
        (EventKind.SEGMENT_ENTERED, after.segments - old),
        (EventKind.SEGMENT_LEFT, old - after.segments),
    )
    for kind, segments in moved:
        for number in sorted(segments):
            yield _Fact(kind=kind, detail={"segment_id": number}, segment_id=number)


def _confirmation_facts(confirmations: Iterable[Confirmation]) -> Iterator[_Fact]:
    for one in confirmations:
        if one.attempt:
            yield _Fact(
                kind=EventKind.CONFIRMATION_REQUESTED, detail=one.show(), key=one.key
            )


class _Audience:
    """Who may hear of what happens to a profile, and what of it they get."""

    def __init__(
        self,
        triggers: list[Trigger],
        catalog: Catalog,
        before: Profile | None,
        after: Profile | None,
        now: Instant | None = None,
    ) -> None:
        self._triggers = triggers
        self._catalog = catalog
        self._before = before
        self._after = after
        self._now = now
        #: Of triggers with conditions that were asked already.
        self._known: dict[int, bool] = {}
        self._view: Mapping[str, object] | None = None

    def hear(
        self, fact: _Fact
    ) -> Iterator[tuple[dict[int, tuple[int, ...]], Trigger | None]]:
        """Yield who hears of a fact by one event, and whom that waits for.

        A trigger with a delay has an event of its own: a receiver tells it from what
        it got before by its id.
        """
        listeners = self.find_listeners(fact)
        if self._catalog.delayed and listeners:
            yield from self._part(listeners)
        elif listeners:
            yield listeners, None

    def _part(
        self, listeners: Mapping[int, tuple[int, ...]]
    ) -> Iterator[tuple[dict[int, tuple[int, ...]], Trigger | None]]:
        triggers = self._catalog.triggers
        prompt: dict[int, tuple[int, ...]] = {}
        delayed: list[tuple[int, Trigger]] = []
        for endpoint_id, ids in listeners.items():
            late = [triggers[id_] for id_ in ids if triggers[id_].delay]
            delayed += [(endpoint_id, trigger) for trigger in late]
            soon = tuple(id_ for id_ in ids if not triggers[id_].delay)
            # A workflow has no triggers.
            if soon or not ids:
                prompt[endpoint_id] = soon
        if prompt:
            yield prompt, None
        for endpoint_id, trigger in delayed:
            yield {endpoint_id: (trigger.id,)}, trigger

    def find_listeners(self, fact: _Fact) -> dict[int, tuple[int, ...]]:
        """Return the triggers that hear of a fact, by their endpoints."""
        if fact.workflow is not None:
            return {fact.workflow.endpoint_id: ()}
        heard: dict[int, tuple[int, ...]] = {}
        for trigger in self._triggers:
            if (
                trigger.event is fact.kind
                and _admits(trigger, fact)
                and self._fulfills(trigger)
            ):
                known = heard.get(trigger.endpoint_id, ())
                heard[trigger.endpoint_id] = (*known, trigger.id)
        return heard

    def find_includes(
        self, listeners: Mapping[int, tuple[int, ...]]
    ) -> dict[int, tuple[str, ...]]:
        """Return the members of the profile that endpoints get (T1)."""
        triggers = self._catalog.triggers
        includes = {
            endpoint_id: tuple(
                sorted({name for id_ in ids for name in triggers[id_].include})
            )
            for endpoint_id, ids in listeners.items()
        }
        return {endpoint_id: names for endpoint_id, names in includes.items() if names}

    def show(
        self, includes: Mapping[int, tuple[str, ...]]
    ) -> Mapping[str, object] | None:
        """Return what of the profile somebody gets; None for nothing."""
        if not includes or self._after is None:
            return None
        if self._view is None:
            segments = sorted(self._after.segments)
            self._view = {**view_profile(self._after), "segments": segments}
        wanted = {name for names in includes.values() for name in names}
        if EVERYTHING in wanted:
            return self._view
        return {name: one for name, one in self._view.items() if name in wanted}

    def _fulfills(self, trigger: Trigger) -> bool:
        """Tell whether the profile is, and was, as a trigger asks (T2)."""
        conditions = self._catalog.conditions.get(trigger.id)
        if conditions is None or self._after is None or self._now is None:
            return conditions is None
        if trigger.id not in self._known:
            holds = conditions.hold(self._before, self._after, self._now)
            self._known[trigger.id] = holds
        return self._known[trigger.id]


def _admits(trigger: Trigger, fact: _Fact) -> bool:
    """Tell whether every condition of `trigger` holds; one not set always does."""
    key = fact.key
    conditions = (
        fact.trigger_id in (None, trigger.id),
        not trigger.fields or not trigger.fields.isdisjoint(fact.fields),
        not trigger.novelties or not trigger.novelties.isdisjoint(fact.novelties),
        trigger.segment_id in (None, fact.segment_id),
        trigger.resource_id is None or (key and trigger.resource_id == key.resource_id),
        trigger.channel is None or (key and trigger.channel is key.channel),
        not trigger.statuses or fact.status in trigger.statuses,
        not trigger.from_statuses or fact.from_status in trigger.from_statuses,
    )
    return all(conditions)
