"""The targets of a column: `email+email_sub`, `email_sub:3.status` (R7).

TARGET := "" (left out) | ONE ("+" ONE)*
ONE := field, key, as_of, or consent_… | email_sub[:R] | phone_sub[:R]
     | (email_sub|phone_sub)[:R].(status|time|ip|url|text|source)
     | full_name:(given_first|family_first|comma)
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from ingest.domain.catalog import Channel, Database
from ingest.domain.errors import InvalidValue
from ingest.domain.names import one_of
from ingest.wire.headers import SUBSCRIPTION, find_field, know

#: What may be said of a subscription: its status, and the basis of it.
PARTS = ("status", "time", "ip", "url", "text", "source")
#: The status or the basis of the subscriptions of a row.
_PART = re.compile(
    rf"(email_sub|phone_sub)(?::([1-9][0-9]{{0,9}}))?\.({'|'.join(PARTS)})"
)
#: A whole name in one cell, and the order of its parts (R5).
FULL_NAME = re.compile(r"full_name:(given_first|family_first|comma)")
CHANNELS = {"email_sub": Channel.EMAIL.value, "phone_sub": Channel.SMS.value}
#: Several columns may have these.
_SHARED = re.compile(r"phones|(?:email|phone)_sub(?::[0-9]+)?(?:\.status)?")


class SubscriptionName(Struct, frozen=True):
    """The subscriptions of a row that a target is about."""

    #: `email` or `sms`.
    channel: str
    #: None where nothing names a resource.
    resource_id: int | None


class PartTarget(Struct, frozen=True):
    """A target that is a part of a subscription."""

    name: SubscriptionName
    #: One of `PARTS`.
    part: str


def parse_target(text: str, database: Database) -> tuple[str, ...]:
    """Return the targets of an expression, each by its own name; none if it is empty.

    A field that is called like the whole expression takes precedence. Raises
    InvalidValue for a target that is none, with a hint, or that is there twice.
    """
    text = text.strip()
    if not text:
        return ()
    if (whole := find_field(text, database)) is not None:
        return (whole,) if whole else ()
    found = [
        one for part in text.split("+") if (one := know_target(part.strip(), database))
    ]
    twice = next((one for one in found if found.count(one) > 1), None)
    if twice is not None:
        raise InvalidValue(f"A column has the target {twice} twice (keep one)")
    return tuple(found)


def know_target(text: str, database: Database) -> str:
    """Return one target by its own name; empty for nothing to store.

    Raises InvalidValue for a target that is none, with a hint.
    """
    name = text.lower()
    if _PART.fullmatch(name) or FULL_NAME.fullmatch(name):
        return name
    if found := re.fullmatch(r"((?:email|phone)_sub(?::[0-9]+)?)\.(.*)", name):
        raise InvalidValue(f"Unknown part of {found[1]}: {found[2]!r}{one_of(PARTS)}")
    return know(text, database)


def is_shared(target: str) -> bool:
    """Return whether several columns may have a target."""
    return _SHARED.fullmatch(target) is not None


def read_part(
    target: str, resource_id: int | None, default_id: int | None
) -> PartTarget | None:
    """Return the part of a subscription that a target is; None for another target.

    Without a resource of its own, it is of `resource_id`, otherwise of `default_id`.
    """
    found = _PART.fullmatch(target)
    if found is None:
        return None
    named = int(found[2] or 0) or resource_id or default_id
    return PartTarget(SubscriptionName(CHANNELS[found[1]], named), found[3])


def read_subscription(
    target: str, resource_id: int | None, default_id: int | None
) -> SubscriptionName | None:
    """Return the subscription that a target makes; None for another target."""
    found = SUBSCRIPTION.fullmatch(target)
    if found is None:
        return None
    named = int(found[2] or 0) or resource_id or default_id
    return SubscriptionName(CHANNELS[found[1]], named)


def add_subscriptions(
    targets: Sequence[tuple[str, ...]], resource_id: int | None, default_id: int | None
) -> list[tuple[str, ...]]:
    """Return the targets of columns, with the subscriptions that statuses are of.

    A status of a subscription that no column makes is of the email, or of the first
    phone, of the row: `email_sub.status` makes `email_sub` of the column `email`. Other
    parts make none: without a status, it would subscribe every row.
    """
    added = list(targets)
    listed = [one for each in targets for one in each]
    for one in listed:
        part = read_part(one, resource_id, default_id)
        made = (
            read_subscription(each, resource_id, default_id)
            for group in added
            for each in group
        )
        if part is None or part.part != "status" or part.name in made:
            continue
        kind = one.partition(".")[0]
        contact = "email" if kind.startswith("email") else "phones"
        places = (place for place, each in enumerate(added) if contact in each)
        if (place := next(places, None)) is not None:
            added[place] = (*added[place], kind)
    return added


def join_columns(names: Iterable[str]) -> str:
    """Return columns in order of preference as `--map` has them: `Work,Private`.

    A name with a comma is in quotation marks.
    """
    listed = list(names)
    quoted = [
        '"' + name.replace('"', '""') + '"' if set(name) & set(',"\r\n') else name
        for name in listed
    ]
    return ",".join(quoted)


def split_columns(text: str) -> tuple[str, ...]:
    """Return the columns of `join_columns`, trimmed; a single one is a whole name."""
    try:
        (cells,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        return (text,)
    names = tuple(name.strip() for name in cells)
    return names if len(names) > 1 and all(names) else (text,)


def find_group(text: str, names: Mapping[str, int] | Iterable[str]) -> tuple[str, ...]:
    """Return the columns that a name of `--map` stands for (R4).

    Those between commas, unless a column is called like the whole.
    """
    known = set(names)
    return (text,) if text in known else split_columns(text)
