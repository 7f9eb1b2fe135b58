"""Names of fields, people, ids and moments in lists: as short as they are clear."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ingest.domain.catalog import Catalog
from ingest.domain.catalog_views import CONTACTS
from ingest.domain.fields import SYSTEM_FIELDS

#: The name of a field in a path: of `data.points`, `points`.
_NAME = re.compile(r"(?:data\.)?([^.\[]+)")
#: A longer value is cut in a list.
_MOST_CHARACTERS = 40


def find_title(catalog: Catalog, database_id: int, path: str) -> str:
    """Return the title of the field that a path begins with.

    Empty for what is no field, and where the title says no more than the name.
    """
    found = _NAME.match(path)
    if found is None:
        return ""
    name = found[1]
    contacts = {field.name: field for field in CONTACTS}
    database = catalog.databases.get(database_id)
    fields = database.fields if database else {}
    field = fields.get(name) or SYSTEM_FIELDS.get(name) or contacts.get(name)
    title = field.title if field else ""
    return "" if title == name else title


def shorten(text: str, most: int = _MOST_CHARACTERS) -> str:
    """Return a text, cut at its end if it is long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shorten_id(whole: object) -> str:
    """Return an id as it is recognized: 8 characters and 4, of a profile 4 and 4."""
    text = str(whole)
    begin = 8 if "-" in text else 4
    return f"{text[:begin]}…{text[-4:]}"


def write_value(value: object) -> str:
    """Return a stored value as a list shows it."""
    if value is None:
        return "none"
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return shorten(text)


def describe_changes(
    catalog: Catalog, database_id: int, changes: Mapping[str, Sequence[Any]]
) -> str:
    """Return the first change in a line, and how many others there are."""
    if not changes:
        return ""
    # Fields before subscriptions and segments.
    path = min(changes, key=lambda one: ("[" in one or "." in one, one))
    name = find_title(catalog, database_id, path) or path
    old, new = changes[path][0], changes[path][1]
    more = f", {len(changes) - 1} more" if len(changes) > 1 else ""
    if old is None:
        return f"{name}: {write_value(new)}{more}"
    return f"{name}: {write_value(old)} → {write_value(new)}{more}"


def write_moment(at: datetime, now: datetime) -> str:
    """Write a moment as short as it is clear, to the second on its day."""
    at = at.astimezone(UTC)
    if at.date() == now.date():
        return f"{at:%H:%M:%S}"
    if abs(now - at) < timedelta(days=300):
        return f"{at.day} {at:%b %H:%M}"
    return f"{at.day} {at:%b %Y}"
