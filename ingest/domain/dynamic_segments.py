"""Dynamic segments: who is in which, followed change by change (G1 to G4, G7).

A change is compared only with the filters that read what changed. Whoever was in a
segment that is named by others moves those too, so they come in the order of S8.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.domain.catalog import Catalog, Database, Resource, Segment, SegmentKind
from ingest.domain.condition_parser import ConditionScope, parse_condition
from ingest.domain.condition_truth import CompiledCondition, compile_condition
from ingest.domain.conditions import CREATE_TIME, SUBSCRIPTIONS, Condition
from ingest.domain.dates import EPOCH
from ingest.domain.local_days import Instant
from ingest.domain.profiles import Profile
from ingest.domain.segment_order import list_dependents, order_segments

#: Segment → the moment, in microseconds, at which time alone may next move a profile in
#: or out of it; NEVER if it does not.
Due = Mapping[int, int]


class DynamicSegment(Struct, frozen=True, kw_only=True):
    """A dynamic segment with its filter, compiled."""

    segment: Segment
    condition: Condition
    compiled: CompiledCondition


#: A segment as profiles are compared with it: its id; whether one fulfills its filter;
#: the same, and until when, None where time alone moves nobody; and the places of those
#: that name it. A plain tuple, which is taken apart in half the time.
_Step = tuple[
    int,
    Callable[[Profile, Set[int], Instant], bool],
    Callable[[Profile, Set[int], Instant], tuple[bool, int]] | None,
    Sequence[int],
]


def _make_step(one: DynamicSegment, by_segment: Mapping[int, Sequence[int]]) -> _Step:
    compiled, id_ = one.compiled, one.segment.id
    judge = compiled.judge if compiled.dependencies.is_timed else None
    return id_, compiled.holds, judge, by_segment.get(id_, ())


class Followed(Struct, frozen=True, kw_only=True):
    """A change of a profile, and of the segments that it is in."""

    #: As it is told to have been: where it belonged, in segments that are built.
    before: Profile | None
    after: Profile
    due: Due = field(default_factory=dict)


class DynamicSegments:
    """The dynamic segments of a database."""

    def __init__(
        self,
        segments: Iterable[Segment],
        database: Database,
        resources: Mapping[int, Resource],
    ) -> None:
        known = {one.id: one for one in segments if one.database_id == database.id}
        #: Those that no import can name, with a filter or without.
        self.ids = frozenset(
            one.id for one in known.values() if one.kind is SegmentKind.DYNAMIC
        )
        scope = make_scope(known.values(), database, resources)
        compiled = {
            one.id: _compile(one, scope, database.timezone)
            for one in known.values()
            if one.id in self.ids and one.filter is not None
        }
        named = {
            id_: one.compiled.dependencies.segments & compiled.keys()
            for id_, one in compiled.items()
        }
        #: Each after those that it names.
        self.ordered = [compiled[id_] for id_ in order_segments(named)]
        self._places = {one.segment.id: at for at, one in enumerate(self.ordered)}
        self._by_path: dict[str, set[int]] = defaultdict(set)
        self._by_segment: dict[int, list[int]] = defaultdict(list)
        for at, one in enumerate(self.ordered):
            for path in one.compiled.dependencies.paths:
                self._by_path[path].add(at)
            for id_ in one.compiled.dependencies.segments:
                self._by_segment[id_].append(at)
        self._timed = {
            one.segment.id for one in self.ordered if one.compiled.dependencies.is_timed
        }
        #: The same, each with what is asked of a profile, and the places of those that
        #: name it.
        self._steps = [_make_step(one, self._by_segment) for one in self.ordered]
        #: Those that texts of fields alone decide, and by which text of which field.
        self._of_texts = {
            at for at, one in enumerate(self.ordered) if one.compiled.texts
        }
        self._by_text: dict[str, dict[str, list[int]]] = defaultdict(dict)
        for at in self._of_texts:
            for name, texts in self.ordered[at].compiled.texts:
                for text in texts:
                    self._by_text[name].setdefault(text, []).append(at)
        moved = self._timed | list_dependents(named, self._timed)
        #: What is read by those that time moves profiles in, and by those that follow.
        self.timed_paths = frozenset(
            path for id_ in moved for path in compiled[id_].compiled.dependencies.paths
        )
        self._building = [one for one in self.ordered if one.segment.building]
        self._of_anyone = self._find_those_of_anyone(database.id)

    @property
    def is_timed(self) -> bool:
        """Whether time alone moves a profile into one, or out of one."""
        return bool(self._timed)

    def find(self, segment_id: int) -> DynamicSegment | None:
        """Return a segment that has a filter; None if there is none of that id."""
        at = self._places.get(segment_id)
        return None if at is None else self.ordered[at]

    def _find_those_of_anyone(self, database_id: int) -> list[int]:
        """Return the places of those that a profile may be in that has nothing."""
        empty = Profile(id="", database_id=database_id)
        now, nothing = Instant(EPOCH), frozenset[int]()
        return [
            at
            for at, one in enumerate(self.ordered)
            if CREATE_TIME in one.compiled.dependencies.paths
            or one.compiled.holds(empty, nothing, now)
        ]

    def follow(
        self,
        before: Profile | None,
        after: Profile,
        paths: Iterable[str],
        now: Instant,
    ) -> Followed:
        """Return a profile in the segments that it belongs to after a change.

        `paths` are those that changed, as receipts name them; of a profile that is new,
        or comes back, `before` is None. Whatever `after` says of dynamic segments does
        not count, but what `before` does.
        """
        stored = frozenset[int]() if before is None else before.segments
        static = after.segments - self.ids
        places = self._find_places(before, paths, static ^ (stored - self.ids))
        if before is None and after.created_at is None:
            after = replace(after, created_at=now.at)
        dynamic = stored & self.ids
        if not places:
            return Followed(before=before, after=_put(after, static | dynamic))
        true, told = dynamic, dynamic
        if self._building and before is not None:
            true, told = self._find_true(before, now)
        segments, due = self._evaluate(after, static | true, places, now)
        if before is not None:
            before = _put(before, stored - self.ids | told)
        return Followed(before=before, after=_put(after, segments), due=due)

    def judge(
        self, profile: Profile, segment_ids: Collection[int], now: Instant
    ) -> Followed:
        """Return a stored profile in those of these segments that it belongs to.

        Of them only those that time moves profiles in count; and those that name one
        that it has entered, or left. Only `timed_paths` of the profile are read.
        """
        places = {self._places[id_] for id_ in self._timed.intersection(segment_ids)}
        segments, due = self._evaluate(profile, profile.segments, places, now)
        return Followed(before=profile, after=_put(profile, segments), due=due)

    def judge_one(
        self, profile: Profile, segment_id: int, now: Instant
    ) -> tuple[bool, int]:
        """Return whether a profile belongs to a segment, and until when at least."""
        one = self.ordered[self._places[segment_id]]
        return one.compiled.judge(profile, profile.segments, now)

    def list_named(self, segment_id: int) -> frozenset[int]:
        """Return the segments that a filter names."""
        one = self.find(segment_id)
        return frozenset() if one is None else one.compiled.dependencies.segments

    def evaluate_all(self, profile: Profile, now: Instant) -> frozenset[int]:
        """Return the dynamic segments that a profile belongs to, from scratch."""
        segments, _ = self._evaluate(
            profile, profile.segments - self.ids, set(range(len(self.ordered))), now
        )
        return segments & self.ids

    def _find_places(
        self, before: Profile | None, paths: Iterable[str], moved: Collection[int]
    ) -> set[int]:
        """Return the places of the segments that a change may move a profile in."""
        places: set[int] = set()
        for path in paths:
            # A subscription has a path of its own.
            if path in self._by_path:
                places.update(self._by_path[path])
            elif path.startswith(_SUBSCRIPTION) and SUBSCRIPTIONS in self._by_path:
                places.update(self._by_path[SUBSCRIPTIONS])
        for id_ in moved:
            places.update(self._by_segment.get(id_, ()))
        if before is None:
            places.update(self._of_anyone)
        return places

    def _find_true(
        self, before: Profile, now: Instant
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Return where a profile belonged before a change, while some are built.

        And where it is told to have been: the members of those that announce theirs
        enter as they are put in.
        """
        true = set(before.segments)
        for one in self._building:
            _set(true, one.segment.id, one.compiled.holds(before, true, now))
        silent = {one.segment.id for one in self._building if not one.segment.announce}
        told = (before.segments - silent) | (true & silent)
        return frozenset(true & self.ids), frozenset(told & self.ids)

    def _evaluate(
        self,
        profile: Profile,
        segments: frozenset[int],
        places: set[int],
        now: Instant,
    ) -> tuple[frozenset[int], dict[int, int]]:
        """Evaluate segments, and those that name one that moved, each once.

        These are added to `places`.
        """
        found, due = set(segments), dict[int, int]()
        waiting = sorted(places - self._find_unmoved(profile, segments, places))
        # Those that name one come after it: the list grows behind where this is.
        for place in waiting:
            id_, holds, judge, followers = self._steps[place]
            if judge is not None:
                truth, due[id_] = judge(profile, found, now)
            else:
                truth = holds(profile, found, now)
            if truth is (id_ in found):
                continue
            _set(found, id_, truth)
            for at in followers:
                if at not in places:
                    places.add(at)
                    insort(waiting, at)
        return frozenset(found), due

    def _find_unmoved(
        self, profile: Profile, segments: frozenset[int], places: set[int]
    ) -> set[int]:
        """Return the places of segments that a profile neither enters nor leaves.

        Of those that texts of fields decide, found together: nearly all of those that a
        new profile is compared with.
        """
        decided = places & self._of_texts
        if not decided:
            return decided
        fulfilled = set[int]()
        for name, by_text in self._by_text.items():
            value = profile.fields.get(name)
            if type(value) is str:
                fulfilled.update(by_text.get(value, ()))
        inside = {self._places[id_] for id_ in segments if id_ in self._places}
        return decided - (fulfilled ^ inside)


def make_scope(
    segments: Iterable[Segment], database: Database, resources: Mapping[int, Resource]
) -> ConditionScope:
    """Return what the conditions of a database may name."""
    return ConditionScope(
        fields=database.fields,
        resources={
            id_: one
            for id_, one in resources.items()
            if database.id in one.database_ids
        },
        segments={one.id for one in segments if one.database_id == database.id},
        phone_region=database.phone_region,
    )


_SUBSCRIPTION = f"{SUBSCRIPTIONS}["


def _compile(segment: Segment, scope: ConditionScope, zone: str) -> DynamicSegment:
    condition = parse_condition(segment.filter, scope, "filter")
    return DynamicSegment(
        segment=segment,
        condition=condition,
        compiled=compile_condition(condition, zone),
    )


def _set(members: set[int], id_: int, holds: bool) -> None:
    if holds:
        members.add(id_)
    else:
        members.discard(id_)


def _put(profile: Profile, segments: frozenset[int]) -> Profile:
    if profile.segments == segments:
        return profile
    return replace(profile, segments=segments)


def parse_filter(raw: object, catalog: Catalog, database_id: int) -> Condition:
    """Read a condition on profiles of a database; raise InvalidRequest."""
    scope = make_scope(
        catalog.segments.values(), catalog.databases[database_id], catalog.resources
    )
    return parse_condition(raw, scope, "filter")


def compile_segments(
    segments: Mapping[int, Segment],
    databases: Mapping[int, Database],
    resources: Mapping[int, Resource],
) -> dict[int, DynamicSegments]:
    """Return the dynamic segments of each database that has any with a filter.

    Without one they have no members: imports need not look.
    """
    of = {
        one.database_id
        for one in segments.values()
        if one.kind is SegmentKind.DYNAMIC and one.filter is not None
    }
    return {
        id_: DynamicSegments(segments.values(), databases[id_], resources)
        for id_ in sorted(of)
        if id_ in databases
    }
