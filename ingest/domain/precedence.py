"""Precedence: what of an import is older than what is stored, and stays out (T5-T11).

Before anything is merged the draft loses what must not be written; the rest is applied
as ever.
"""

import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain import updates
from ingest.domain.catalog import Catalog, Database, Field, FieldType, Resource
from ingest.domain.consent import is_guarding
from ingest.domain.dates import EPOCH
from ingest.domain.drafts import Draft
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.imports import Import, Kept
from ingest.domain.merge import same
from ingest.domain.profiles import Profile, Stamp
from ingest.domain.releases import NEWER
from ingest.domain.stamps import (
    NO_STAMPS,
    UNDATED,
    Members,
    Written,
    find,
    list_within,
    name_members,
    name_segment,
    show_paths,
    to_datetime,
    to_microseconds,
)
from ingest.domain.statuses import rank_prohibition
from ingest.domain.subscription_changes import SelectedChange
from ingest.domain.subscription_drafts import SubscriptionDraft
from ingest.domain.updates import Action, Update, find_property, with_property

#: The stored value is of a source of a higher rank.
RANKED = "ranked"
#: The number was increased before and after the moment of the value.
BETWEEN = "between"

_NUMBERS = (FieldType.INT, FieldType.FLOAT)
_PHONES = Field(name="phones", type=FieldType.TAGS)


class Dated(Struct, frozen=True, kw_only=True):
    """An import without what is older than what is stored."""

    import_: Import
    draft: Draft
    kept: tuple[Kept, ...]
    #: Its moment and the rank of its source; None while its database keeps no times.
    stamp: Stamp | None = None
    #: Those of paths where the rank of its source is another.
    own_stamps: Mapping[str, Stamp] = {}
    written: Written = {}


#: Of moments for a database without any.
NO_TIMES = "The database does not keep times"
#: How far the clocks of senders may be ahead of ours (T3).
_AHEAD = timedelta(minutes=5)


def check_moments(import_: Import, draft: Draft, database: Database) -> list[Fault]:
    """Return a fault for each moment that is not kept (T1), or not yet there (T3)."""
    latest = import_.accepted_at + _AHEAD
    return [
        Fault(code=400, message=message, path=path)
        for path, moment in _list_moments(import_, draft)
        if (message := _find_fault(moment, latest, database))
    ]


def _find_fault(moment: datetime, latest: datetime, database: Database) -> str:
    if not database.times:
        return NO_TIMES
    if moment <= EPOCH:
        return "Out of range (after 1970-01-01)"
    return "In the future (at most 5 minutes ahead)" if moment > latest else ""


def _list_moments(import_: Import, draft: Draft) -> Iterator[tuple[str, datetime]]:
    """Yield what an import says of when its values were true, by path."""
    if import_.as_of is not None:
        yield "as_of", import_.as_of
    if draft.phones is not None and draft.phones.as_of is not None:
        yield "data.phones.as_of", draft.phones.as_of
    for name, update in draft.fields.items():
        if update.as_of is not None:
            yield f"data.{name}.as_of", update.as_of
    for one in draft.subscriptions:
        for name, update in one.custom_fields.items():
            if update.as_of is not None:
                path = f"data.subscriptions[{one.index}].custom_fields.{name}.as_of"
                yield path, update.as_of


def _find_source(import_: Import, catalog: Catalog) -> str:
    """Return the source of an import (T4).

    That is its token's; of one that came without a token, its door.
    """
    token_id = import_.token_id
    return import_.door if token_id is None else catalog.sources.get(token_id, "")


def list_sources(database: Database, path: str, rank: int) -> list[str]:
    """Return the sources that have `rank` at a path, as the catalog ranks them now."""
    own = database.field_sources.get(path.partition(".")[0], {})
    ranks = {**database.sources, **own}
    return sorted(name for name, known in ranks.items() if known == rank)


def leave_older(
    before: Profile | None,
    import_: Import,
    draft: Draft,
    at: datetime,
    catalog: Catalog,
) -> Dated:
    """Return what of an import is no older than what the profile has (T5).

    `at` is its moment, unless it or a value of it says otherwise. Raises InvalidRequest
    for a number that would leave its range.
    """
    database = catalog.databases[import_.database_id]
    source = _find_source(import_, catalog)
    moment = to_microseconds(import_.as_of or at)
    own = Stamp(rank=database.sources.get(source, 0), at=moment)
    own_stamps = {
        path: Stamp(rank=ranks[source], at=moment)
        for path, ranks in database.field_sources.items()
        if source in ranks
    }
    judge = _Judge(before, own, own_stamps, catalog, database.id)
    dated = judge.judge_draft(draft, database)
    return Dated(
        import_=judge.judge_segments(import_),
        draft=dated,
        kept=tuple(judge.kept),
        stamp=own,
        own_stamps=own_stamps,
        written=judge.written,
    )


class _Judge:
    """Compares what one import writes with what is stored, path by path."""

    def __init__(
        self,
        before: Profile | None,
        own: Stamp,
        own_stamps: Mapping[str, Stamp],
        catalog: Catalog,
        database_id: int,
    ) -> None:
        self._before = before
        self._catalog = catalog
        self._stamps = (before and before.stamps) or NO_STAMPS
        self._there = show_paths(before) if before else {}
        self._own = own
        self._own_stamps = own_stamps
        self._database_id = database_id
        self.kept: list[Kept] = []
        self.written: dict[str, Stamp | None] = {}

    def judge_draft(self, draft: Draft, database: Database) -> Draft:
        """Return `draft` without what is older than what is stored."""
        email, phones = draft.email, draft.phones
        if email is not None and not self._may_set("email", self._date("email"), email):
            email = None
        if phones is not None:
            phones = self._judge("phones", _PHONES, phones)
        judged = {
            name: self._judge(name, database.fields[name], update)
            for name, update in draft.fields.items()
        }
        located = {
            name: value
            for name, value in draft.located.items()
            if self._may_set(name, self._date(name), value)
        }
        if self._before is None:
            for field in database.defaulted_fields:
                if field.name not in draft.fields:
                    self.written[field.name] = UNDATED
        return replace(
            draft,
            email=email,
            phones=phones,
            fields={name: one for name, one in judged.items() if one is not None},
            located=located,
            subscriptions=tuple(self._judge_subscriptions(draft)),
            change=draft.change and self._judge_change(draft.change),
        )

    def judge_segments(self, import_: Import) -> Import:
        """Return `import_` without memberships that others have changed since."""
        added, removed = import_.add_to_segments, import_.remove_from_segments
        if not added and not removed:
            return import_
        return replace(
            import_,
            add_to_segments=self._judge_members(added, True),
            remove_from_segments=self._judge_members(removed, None),
        )

    def _judge_members(self, ids: tuple[int, ...], sent: object) -> tuple[int, ...]:
        return tuple(
            one for one in ids if self._may_set(name_segment(one), self._own, sent)
        )

    def _date(self, path: str, as_of: datetime | None = None) -> Stamp:
        """Return the stamp of what an import writes at a path."""
        own = self._own_stamps.get(path, self._own)
        return own if as_of is None else replace(own, at=to_microseconds(as_of))

    def _find(self, path: str) -> Stamp:
        written = self.written.get(path)
        return written or find(self._stamps, path, is_there=path in self._there)

    def _keep(self, path: str, reason: str, stored: Stamp, sent: object) -> None:
        since = max(stored.at, stored.last or 0)
        self.kept.append(
            Kept(path=path, reason=reason, sent=sent, since=to_datetime(since))
        )

    def _may_set(self, path: str, stamp: Stamp, sent: object) -> bool:
        """Say whether a value may be set, and date it if so (T5)."""
        stored = self._find(path)
        reason = _lose(stamp, stored)
        if reason is None and stored.last is not None and stamp.at < stored.last:
            reason = NEWER if stored.first is None else BETWEEN
        if reason is not None:
            # What is so already is kept out of nothing, unless a number has come to it.
            if reason == BETWEEN or not same(self._there.get(path), sent):
                self._keep(path, reason, stored, sent)
            return False
        self.written[path] = stamp
        return True

    def _judge(self, path: str, field: Field, update: Update) -> Update | None:
        """Return what is done to one value; None for nothing."""
        stamp = self._date(path, update.as_of)
        if update.action not in (Action.SET, Action.UNSET):
            if update.action is Action.UPSERT and field.type is FieldType.OBJECT:
                return self._judge_property(path, update, stamp)
            return self._judge_addition(path, field, update, stamp)
        if field.type in _NUMBERS:
            return self._judge_number(path, field, update, stamp)
        if field.type is FieldType.OBJECT:
            return self._judge_object(path, update, stamp)
        return update if self._may_set(path, stamp, update.value) else None

    def _judge_addition(
        self, path: str, field: Field, update: Update, stamp: Stamp
    ) -> Update | None:
        """Add to a value, or take from it, unless it was set since (T7, T8)."""
        stored = self._find(path)
        if stamp.at < stored.at:
            self._keep(path, NEWER, stored, update.value)
            return None
        last = max(stamp.at, stored.last or 0)
        self.written[path] = replace(stored, last=last)
        # Of numbers that a merge has added up nobody knows when they were increased.
        if update.action is Action.INCR and (stored.last is None or stored.first):
            first = min(stamp.at, stored.first or stamp.at)
            total = _add(stored.total or 0, update.value)
            self.written[path] = replace(stored, last=last, first=first, total=total)
        return update

    def _judge_number(
        self, path: str, field: Field, update: Update, stamp: Stamp
    ) -> Update | None:
        """Set a number, and keep what was added since the moment of it (T7)."""
        stored = self._find(path)
        total, first = stored.total, stored.first
        if first is None or stamp.at >= first or _lose(stamp, stored):
            return update if self._may_set(path, stamp, update.value) else None
        self.written[path] = replace(stored, rank=stamp.rank, at=stamp.at)
        since = Update(action=Action.INCR, value=total)
        try:
            value = updates.apply(field, since, update.value, self._catalog.limits)
        except InvalidValue as error:
            raise InvalidRequest(str(error), f"data.{path}") from error
        return Update(action=Action.SET, value=value)

    def _judge_object(self, path: str, update: Update, stamp: Stamp) -> Update | None:
        """Set a whole object; properties that were written since stay (T9)."""
        stored, whole = self._there.get(path), update.value
        newer = {}
        for inner, known in self._list_inner(path):
            parts = inner.removeprefix(f"{path}.").split(".")
            found, value = find_property(stored, parts)
            if found and _lose(stamp, known):
                newer[inner] = value
                try:
                    start = whole if isinstance(whole, Mapping) else {}
                    whole = with_property(start, parts, value)
                except InvalidValue:
                    self._keep(path, NEWER, known, update.value)
                    return None
        if not self._may_set(path, stamp, update.value):
            return None
        for inner, known in self._list_inner(path):
            if inner in newer:
                self._keep(inner, NEWER, known, None)
            else:
                self.written[inner] = None
        if not newer:
            return update
        return Update(action=Action.SET, value=whole)

    def _judge_property(self, path: str, update: Update, stamp: Stamp) -> Update | None:
        """Set a property of an object, unless it, or what holds it, is newer (T9)."""
        parts = update.path
        outer = [".".join([path, *parts[:count]]) for count in range(len(parts) + 1)]
        inner = list(self._list_inner(outer[-1]))
        for one, known in [*((name, self._find(name)) for name in outer), *inner]:
            if reason := _lose(stamp, known):
                self._keep(one, reason, known, update.value)
                return None
        for name, _ in inner:
            self.written[name] = None
        self.written.setdefault(path, self._find(path))
        self.written[outer[-1]] = stamp
        return update

    def _list_inner(self, path: str) -> Iterator[tuple[str, Stamp]]:
        """Return the stamps of properties within the one at `path`."""
        known = {**self._stamps.paths, **self.written}
        for name in list_within(known, [path]):
            if (stamp := known[name]) is not None:
                yield name, stamp

    def _judge_subscriptions(self, draft: Draft) -> Iterator[SubscriptionDraft]:
        """Return what may be written of the listed subscriptions (T10)."""
        known = self._before.subscriptions if self._before else {}
        for one in draft.subscriptions:
            members = name_members(one.key)
            # Whoever lists a subscription says that it is there.
            is_older = not self._may_set(members.deleted, self._own, sent=False)
            stored = known.get(one.key)
            if stored is None:
                self._imply(one, members)
            elif is_older and stored.deleted:
                continue
            yield self._judge_subscription(one, members)

    def _imply(self, draft: SubscriptionDraft, members: Members) -> None:
        """Let what a new subscription does not say yield to whatever is said."""
        if draft.status is None:
            self.written[members.status] = UNDATED
        if draft.priority is None:
            self.written[members.priority] = UNDATED

    def _judge_subscription(
        self, draft: SubscriptionDraft, members: Members
    ) -> SubscriptionDraft:
        status, priority = draft.status, draft.priority
        resource = self._catalog.resources[draft.key.resource_id]
        if status is None and priority is None and not draft.custom_fields:
            return draft
        if status is not None and not self._may_set(members.status, self._own, status):
            status = self._find_forbidding(draft, members.status, resource)
        if priority is not None and not self._may_set(
            members.priority, self._own, priority
        ):
            priority = None
        judged = {
            name: self._judge(members.fields + name, resource.fields[name], update)
            for name, update in draft.custom_fields.items()
        }
        return replace(
            draft,
            status=status,
            priority=priority,
            custom_fields={name: one for name, one in judged.items() if one},
        )

    def _find_forbidding(
        self, draft: SubscriptionDraft, path: str, resource: Resource
    ) -> str | None:
        """Return a status that forbids more, whose source is of too low a rank (C1).

        No rank stands above a person. None if what is stored is newer, or allows less.
        """
        database = self._catalog.databases[self._database_id]
        known = self._before.subscriptions if self._before else {}
        stored = known.get(draft.key)
        kept = self.kept[-1] if self.kept and self.kept[-1].path == path else None
        if stored is None or kept is None or kept.reason != RANKED:
            return None
        is_guarded = is_guarding(resource.consent or database.consent) or (
            resource.confirms(draft.key.channel)
        )
        forbids = rank_prohibition(draft.status) >= rank_prohibition(stored.status)
        if not is_guarded or not forbids:
            return None
        self.kept.pop()
        self.written[path] = self._own
        return draft.status

    def _judge_change(self, change: SelectedChange) -> SelectedChange:
        """Return a change without the subscriptions that others have changed since."""
        known = self._before.subscriptions.values() if self._before else ()
        name, before, after = change.effect
        older = [
            one.key
            for one in known
            if change.selects(one)
            and getattr(one, name) in (before, after)
            and not self._may_set(
                getattr(name_members(one.key), name), self._own, sent=after
            )
        ]
        return replace(change, passed_over=frozenset(older))


def _lose(stamp: Stamp, stored: Stamp) -> str | None:
    """Return why a value of `stamp` does not replace what is stored; None if it does.

    A tie goes to the one that was accepted later.
    """
    if (stamp.rank, stamp.at) >= (stored.rank, stored.at):
        return None
    return NEWER if stamp.at < stored.at else RANKED


def _add(total: float, value: object) -> float:
    """Return a sum, as far as floats go."""
    added = value if isinstance(value, int | float) else 0
    return max(-sys.float_info.max, min(total + added, sys.float_info.max))
