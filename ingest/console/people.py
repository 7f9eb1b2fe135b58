"""The page on which people are found by a part of what they are known by (P2).

A search is sent in the body of a form and kept with the login: the URL that shows it
has a short key only.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

import orjson

from ingest.console.guard import SESSION_COOKIE
from ingest.console.requests import Page, PageRequest, Redirect
from ingest.domain.catalog import Catalog
from ingest.domain.conditions import Condition
from ingest.domain.dynamic_segments import parse_filter
from ingest.domain.errors import InvalidRequest
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.people import read_words
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection
from ingest.store.people.find import (
    COUNTED,
    SHOWN,
    PeopleFound,
    PeopleSearch,
    find_people,
)
from ingest.store.people.progress import SearchProgress, load_progress
from ingest.wire.parameters import find_parameter, parse_id

#: What a form of the page has; a search is these texts.
_NAMES = ("text", "database_id", "segment_id", "field", "operator", "value", "since")
#: No field of the form is longer.
_MOST = 200
#: A lag that is longer is shown.
_LAG_SECONDS = 10.0

#: The operators of conditions that the form offers, as it words them.
_OPERATORS: Mapping[str, str] = {
    "eq": "is",
    "ne": "is not",
    "contains": "contains",
    "starts_with": "begins with",
    "ge": "at least",
    "le": "at most",
    "from": "from (date)",
    "before": "before (date)",
    "has": "has the tag",
    "set": "is set",
    "empty": "is empty",
}


async def show_people(request: PageRequest) -> Page:
    """Show whom a search found; without one, those changed last."""
    key = request.find_parameter("s")
    if key is None:
        return await _show(request, {})
    session_id = request.req.cookies.get(SESSION_COOKIE, "")
    search = request.services.sessions.find_search(session_id, key)
    return await _show(request, search or {}, is_expired=search is None)


async def search_people(request: PageRequest) -> Page | Redirect:
    """Take what is searched."""
    return await open_search(request, request.form)


async def open_search(request: PageRequest, form: Mapping[str, str]) -> Page | Redirect:
    """Lead to what a search finds, or show it to who sends a Bearer token."""
    search = {
        name: text[:_MOST] for name in _NAMES if (text := form.get(name, "").strip())
    }
    session_id = request.req.cookies.get(SESSION_COOKIE, "")
    key = request.services.sessions.keep_search(session_id, search)
    return (
        await _show(request, search) if key is None else Redirect(f"/profiles?s={key}")
    )


async def _show(
    request: PageRequest, search: Mapping[str, str], *, is_expired: bool = False
) -> Page:
    catalog = await request.services.read(load_catalog)
    faults: Sequence[str] = ()
    found, progress = None, None
    try:
        wanted = _read(search, catalog)
    except InvalidRequest as error:
        faults = [one.message for one in error.faults] or [str(error)]
    else:
        found, progress = await request.services.read(partial(_find, wanted=wanted))
    values = {
        "search": {name: search.get(name, "") for name in _NAMES},
        "is_expired": is_expired,
        "is_narrow": bool(search),
        "faults": faults,
        "found": found,
        "progress": progress,
        "lag_seconds": _LAG_SECONDS,
        "shown": SHOWN,
        "counted": COUNTED,
        "catalog": catalog,
        "fields": _list_fields(catalog),
        "operators": _OPERATORS,
    }
    return Page(template="people.html", values=values, status=400 if faults else 200)


def _find(
    connection: Connection, wanted: PeopleSearch
) -> tuple[PeopleFound, SearchProgress]:
    found = find_people(connection, wanted, datetime.now(UTC))
    return found, load_progress(connection)


def _list_fields(catalog: Catalog) -> dict[str, str]:
    """Return the titles of the fields of all databases, by name."""
    own = {
        name: field.title or name
        for database in catalog.databases.values()
        for name, field in database.fields.items()
    }
    named = {name: field.title for name, field in SYSTEM_FIELDS.items()}
    return dict(sorted({**named, **own}.items(), key=lambda one: one[1].casefold()))


def _read(search: Mapping[str, str], catalog: Catalog) -> PeopleSearch:
    """Return what the texts of a form search; raise InvalidRequest."""
    database_id = find_parameter(search, "database_id", parse_id)
    segment_id = find_parameter(search, "segment_id", parse_id)
    if database_id is not None and database_id not in catalog.databases:
        raise InvalidRequest("Unknown database", "database_id")
    if segment_id is not None and segment_id not in catalog.segments:
        raise InvalidRequest("Unknown segment", "segment_id")
    if search.get("field") and database_id is None:
        if len(catalog.databases) != 1:
            raise InvalidRequest("Choose a database for a condition", "database_id")
        (database_id,) = catalog.databases
    return PeopleSearch(
        words=read_words(search.get("text", "")),
        database_id=database_id,
        segment_id=segment_id,
        condition=_read_condition(search, catalog, database_id),
        zone=catalog.databases[database_id].timezone if database_id else "UTC",
        changed_since=_read_moment(search.get("since", "")),
    )


def _read_moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidRequest(
            "Must be a time, such as 2026-01-31T08:00", "since"
        ) from error


def _read_condition(
    search: Mapping[str, str], catalog: Catalog, database_id: int | None
) -> Condition | None:
    """Return the condition of a form; a value is read as its field's type wants it."""
    name, operator = search.get("field", ""), search.get("operator", "")
    if not name or database_id is None:
        return None
    if operator not in _OPERATORS:
        raise InvalidRequest("Choose a comparison for the condition", "operator")
    if operator in ("set", "empty"):
        raw = {"field": name, "exists": operator == "set"}
        return parse_filter(raw, catalog, database_id)
    text = search.get("value", "")
    try:
        return parse_filter({"field": name, operator: text}, catalog, database_id)
    except InvalidRequest:
        try:
            value = orjson.loads(text.lower())
        except orjson.JSONDecodeError:
            value = text
        return parse_filter({"field": name, operator: value}, catalog, database_id)
