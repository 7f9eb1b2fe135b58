"""Stamps: when each value of a profile was written, and by a source of which rank.

Only databases with `times` have any (T1).
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct, convert

from ingest.domain.dates import EPOCH
from ingest.domain.merge import same
from ingest.domain.profiles import (
    Profile,
    Stamp,
    Stamps,
    Subscription,
    SubscriptionKey,
    name_subscription,
)

#: What is older than everything: of values that no import has dated.
UNDATED = Stamp(rank=0, at=0)
NO_STAMPS = Stamps()
_MICROSECOND = timedelta(microseconds=1)

#: The members of a stamp, in the order stored.
_NAMES = ("rank", "at", "last", "first", "total")
_Members = Annotated[list[int | float], Meta(min_length=2, max_length=len(_NAMES))]

#: Path → its new stamp; None to have none any more.
Written = Mapping[str, Stamp | None]


def to_microseconds(moment: datetime) -> int:
    """Return a moment as stamps hold it: microseconds since 1970, UTC."""
    return (moment - EPOCH) // _MICROSECOND


def to_datetime(microseconds: int) -> datetime:
    """Return the moment of a stamp, in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


class _Document(Struct, frozen=True):
    """Stamps as they are stored."""

    d: _Members | None = None
    f: dict[str, _Members] = {}


def dump_stamps(stamps: Stamps) -> dict[str, object]:
    """Return the document to store: `{"d": stamp, "f": {path: stamp}}`.

    A stamp is an array: rank, moment, and what it has of last, first, and total.
    """
    document: dict[str, object] = {}
    if stamps.default is not None:
        document["d"] = _dump(stamps.default)
    if stamps.paths:
        document["f"] = {path: _dump(one) for path, one in stamps.paths.items()}
    return document


def load_stamps(document: object) -> Stamps:
    """Return the stamps of a stored document; raise ValidationError for any other."""
    stored = convert(document, _Document)
    return Stamps(
        default=None if stored.d is None else _load(stored.d),
        paths={path: _load(one) for path, one in stored.f.items()},
    )


def _dump(stamp: Stamp) -> list[int | float]:
    members = (getattr(stamp, name) for name in _NAMES)
    return [one for one in members if one is not None]


def _load(members: Sequence[int | float]) -> Stamp:
    return convert(dict(zip(_NAMES, members, strict=False)), Stamp)


def name_segment(segment_id: int) -> str:
    """Return the path of a membership."""
    return f"segments[{segment_id}]"


class Members(NamedTuple):
    """The paths of what is dated of a subscription."""

    status: str
    priority: str
    deleted: str
    #: How the paths of its fields begin.
    fields: str


# Three times for each subscription of an import, nearly always of the same profile.
@lru_cache(maxsize=4096)
def name_members(key: SubscriptionKey) -> Members:
    """Return the paths of the members of a subscription."""
    path = name_subscription(key)
    return Members(
        f"{path}.status",
        f"{path}.priority",
        f"{path}.is_delete",
        f"{path}.custom_fields.",
    )


def find(stamps: Stamps, path: str, *, is_there: bool) -> Stamp:
    """Return the stamp of a path, which the profile has a value at if `is_there`."""
    stamp = stamps.paths.get(path)
    if stamp is None and is_there:
        stamp = stamps.default
    return stamp or UNDATED


def advance(stamps: Stamps, after: Profile, written: Written) -> Stamps | None:
    """Return the stamps of a profile after what was `written`; None if there are none.

    They are short where most values are of one moment, as those of one import (T12).
    """
    paths = {**stamps.paths, **written}
    undated = stamps.default or UNDATED
    there = {path: paths.pop(path, None) or undated for path in show_paths(after)}
    default = _choose_default(there.values())
    implied = default or UNDATED
    rest = {path: stamp for path, stamp in there.items() if stamp != implied}
    rest |= {
        path: stamp
        for path, stamp in paths.items()
        if stamp not in (None, UNDATED) and not _is_lost(path, there)
    }
    if default is None and not rest:
        return None
    return Stamps(default=default, paths=rest)


def _is_lost(path: str, there: Container[str]) -> bool:
    """Tell whether a path is of a subscription that was skipped: none ever goes."""
    subscription, bracket, _ = path.rpartition("].")
    return bool(bracket) and f"{subscription}].is_delete" not in there


def _choose_default(stamps: Iterable[Stamp]) -> Stamp | None:
    """Return the most frequent of `stamps`, and the newest of several such.

    None if that is of undated values.
    """
    # What was added to since has a stamp of its own.
    counts = Counter(stamp for stamp in stamps if stamp.last is None)
    if not counts:
        return None
    default = max(counts, key=lambda one: (counts[one], one.at, one.rank))
    return None if default == UNDATED else default


def restamp(
    before: Profile, after: Profile, stamp: Stamp, known: Stamps | None = None
) -> Stamps | None:
    """Return the stamps of `after`, what differs from `before` being of `stamp`.

    Or of what was `known` of it, where something is.
    """
    stamps, paths = before.stamps or NO_STAMPS, show_paths(after)
    differing = _list_differing(show_paths(before), paths)
    written: dict[str, Stamp | None] = dict.fromkeys(differing, stamp)
    # Whatever was known of the properties of an object that was replaced.
    written |= dict.fromkeys(list_within(stamps.paths, differing))
    if known is not None:
        written |= {
            path: find(known, path, is_there=path in paths) for path in differing
        }
        written |= {
            path: known.paths[path] for path in list_within(known.paths, differing)
        }
    return advance(stamps, after, written)


def unite(profiles: Sequence[Profile], merged: Profile) -> Stamps | None:
    """Return the stamps of `merged`, which several profiles have become (T13).

    What the first of them has as it was keeps its stamp. Everything else is as new as
    the newest value that it may be made of.
    """
    known = [(one.stamps or NO_STAMPS, show_paths(one)) for one in profiles]
    differing = _list_differing(known[0][1], show_paths(merged))
    written = {
        path: _find_newest(
            [find(stamps, path, is_there=path in paths) for stamps, paths in known]
        )
        for path in differing
    }
    for stamps, _ in known:
        for path in list_within(stamps.paths, differing):
            stamp = stamps.paths[path]
            written[path] = _find_newest([written.get(path, stamp), stamp])
    return advance(known[0][0], merged, written)


def _list_differing(
    before: Mapping[str, object], after: Mapping[str, object]
) -> list[str]:
    paths = {**before, **after}
    return [path for path in paths if not same(before.get(path), after.get(path))]


def _find_newest(stamps: Sequence[Stamp]) -> Stamp:
    newest = max(stamps, key=lambda one: (one.rank, one.at))
    # When which number was increased is of no use once they are added up.
    last = max(max(one.at, one.last or 0) for one in stamps)
    return Stamp(
        rank=newest.rank, at=newest.at, last=last if last > newest.at else None
    )


def list_within(paths: Iterable[str], outer: Iterable[str]) -> Iterator[str]:
    """Return those of `paths` that are of a property within one of `outer`."""
    starts = tuple(f"{path}." for path in outer)
    return (path for path in paths if path.startswith(starts))


def show_paths(profile: Profile) -> dict[str, object]:
    """Return all that a profile has and that may be dated, by path."""
    shown: dict[str, object] = dict(profile.fields)
    if profile.email is not None:
        shown["email"] = profile.email
    if profile.phones:
        shown["phones"] = list(profile.phones)
    shown |= {name_segment(one): True for one in profile.segments}
    for one in profile.subscriptions.values():
        shown |= _show_subscription(one)
    return shown


def _show_subscription(one: Subscription) -> dict[str, object]:
    members = name_members(one.key)
    shown: dict[str, object] = {
        members.status: one.status,
        members.priority: one.priority,
        members.deleted: one.deleted,
    }
    for name, value in one.custom_fields.items():
        shown[members.fields + name] = value
    return shown
