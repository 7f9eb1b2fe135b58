"""The pages that show how things are: imports, profiles, deliveries."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from ingest.console.people import open_search
from ingest.console.requests import PROFILE_ID, Page, PageRequest, Redirect
from ingest.domain.confirmations import describe_state
from ingest.domain.errors import InvalidRequest, NotFound
from ingest.domain.imports import State
from ingest.domain.people import is_searchable
from ingest.domain.precedence import list_sources
from ingest.domain.terms import read_term
from ingest.domain.views import view_times
from ingest.store.catalog.load import load_catalog
from ingest.store.confirmations import list_confirmations
from ingest.store.consents.read import load_consents
from ingest.store.database import Connection
from ingest.store.dead_letters.read import find_letter_of_import
from ingest.store.events.delivery_pages import (
    DELIVERY_STATES,
    list_deliveries,
    parse_delivery_cursor,
)
from ingest.store.events.read import find_event, list_events
from ingest.store.profiles.aliases import list_former_ids, load_aliases
from ingest.store.profiles.merge_pages import list_merges
from ingest.store.profiles.profile_rows import load_profiles
from ingest.store.receipts.listings import load_listings
from ingest.store.receipts.pages import ImportFilter, list_history, list_imports
from ingest.store.receipts.read import ImportLine, find_import, parse_cursor
from ingest.store.searches import SearchHits, search
from ingest.store.segments.members import load_memberships
from ingest.streams.states import Streams


async def show_search(request: PageRequest) -> Page:
    """Show the form alone."""
    return Page(template="search.html", values={"term": "", "hits": None})


async def find(request: PageRequest) -> Page | Redirect:
    """Search for a term, which is sent in the body: no URL tells of a person."""
    text = request.form.get("term", "").strip()
    if not text:
        return await show_search(request)
    term = read_term(text)
    hits = await request.services.read(partial(search, term=term))
    if place := _name_only(hits):
        return Redirect(place)
    if term.import_id is not None and not hits.imports:
        return Redirect(f"/imports/{term.import_id}")
    if not hits.imports and not hits.profiles and is_searchable(text):
        return await open_search(request, {"text": text})
    values = {"term": text, "hits": hits, **await _list(request, hits.imports)}
    return Page(template="search.html", values=values)


async def _list(
    request: PageRequest, lines: Sequence[ImportLine]
) -> Mapping[str, object]:
    """Return what a list of `lines` shows beside them."""
    ids = [line.import_id for line in lines]

    def read(connection: Connection) -> Mapping[str, object]:
        return {
            "listings": load_listings(connection, ids),
            "catalog": load_catalog(connection),
            "now": datetime.now(UTC),
        }

    return await request.services.read(read)


def _name_only(hits: SearchHits) -> str | None:
    """Return the page of the one hit, if there is one."""
    if len(hits.imports) == 1 and not hits.profiles:
        return f"/imports/{hits.imports[0].import_id}"
    if len(hits.profiles) == 1 and not hits.imports:
        hit = hits.profiles[0]
        return f"/profiles/{hit.database_id}/{hit.profile_id}"
    return None


def _number(request: PageRequest, name: str) -> int | None:
    text = request.find_parameter(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InvalidRequest("Must be a number", name)
    return int(text)


def _moment(request: PageRequest, name: str) -> datetime | None:
    text = request.find_parameter(name)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidRequest(
            "Must be a time, such as 2026-01-31T08:00", name
        ) from error


def _choice(request: PageRequest, name: str, choices: tuple[str, ...]) -> str | None:
    text = request.find_parameter(name)
    if text is not None and text not in choices:
        raise InvalidRequest(f"Must be one of {', '.join(choices)}", name)
    return text


async def show_imports(request: PageRequest) -> Page:
    """List imports, the latest first."""
    wanted = ImportFilter(
        state=_choice(request, "state", tuple(State)),
        error=_number(request, "error"),
        database_id=_number(request, "database"),
        failed=request.find_parameter("failed") is not None,
        protected=request.find_parameter("protected") is not None,
        since=_moment(request, "since"),
        until=_moment(request, "until"),
    )
    before = request.find_parameter("before")
    cursor = parse_cursor(before) if before else None
    page = await request.services.read(
        partial(list_imports, wanted=wanted, before=cursor)
    )
    values = {
        "page": page,
        "wanted": wanted,
        "states": tuple(State),
        "asked": _query(request),
        "is_first": cursor is None,
        **await _list(request, page.imports),
    }
    return Page(template="imports.html", values=values)


def _query(request: PageRequest) -> dict[str, str]:
    """Return what the query asks for, but where it goes on."""
    asked = {
        name: request.find_parameter(name)
        for name in request.req.params
        if name != "before"
    }
    return {name: text for name, text in asked.items() if text}


async def show_import(request: PageRequest) -> Page:
    """Show a receipt that explains itself, or whether the import still waits."""
    import_id = request.uuid("import_id")
    record = await request.services.read(partial(find_import, import_id=import_id))
    if record is None:
        waits = await request.services.look(partial(Streams.holds, import_id=import_id))
        values = {"import_id": import_id, "waits": waits}
        status = 200 if waits else 404
        return Page(template="waiting.html", values=values, status=status)
    events = await request.services.read(partial(list_events, import_id=import_id))
    letter_id = await request.services.read(
        partial(find_letter_of_import, import_id=import_id)
    )
    catalog = await request.services.read(load_catalog)
    values = {
        "record": record,
        "events": events,
        "letter_id": letter_id,
        "catalog": catalog,
    }
    return Page(template="import.html", values=values)


async def show_profile(request: PageRequest) -> Page | Redirect:
    """Show a profile with the imports that made it what it is."""
    database_id, profile_id = request.number("database_id"), request.names["profile_id"]
    if not PROFILE_ID.fullmatch(profile_id):
        raise NotFound("Page not found")
    before = request.find_parameter("before")
    owner = (database_id, profile_id)
    found = await request.services.read(partial(load_profiles, ids=[owner]))
    if not found:
        aliases = await request.services.read(partial(load_aliases, ids=[owner]))
        if alias := aliases.get(owner):
            return Redirect(f"/profiles/{database_id}/{alias.profile_id}")
    former = await request.services.read(
        partial(list_former_ids, database_id=database_id, profile_ids=[profile_id])
    )
    page = await request.services.read(
        partial(
            list_history,
            database_id=database_id,
            profile_id=profile_id,
            before=parse_cursor(before) if before else None,
        )
    )
    if not found and not page.imports:
        raise NotFound("Profile not found, and no receipt names it")
    listed = await _list(request, page.imports)
    catalog = await request.services.read(load_catalog)
    ids = [profile_id, *former.get(profile_id, ())]
    statuses = await request.services.read(
        partial(load_consents, database_id=database_id, profile_ids=ids)
    )
    memberships = await request.services.read(
        partial(load_memberships, database_id=database_id, profile_id=profile_id)
    )
    asked = await request.services.read(
        partial(list_confirmations, database_id=database_id, profile_ids=ids)
    )
    merged = await request.services.read(
        partial(list_merges, database_id=database_id, profile_id=profile_id)
    )
    stored, now = found[0].subscriptions if found else {}, datetime.now(UTC)
    database = catalog.databases.get(database_id)
    times = view_times(found[0]) if found else []
    values = {
        "memberships": memberships,
        "confirmations": [
            (one, describe_state(one, stored.get(one.key), now)) for one in asked
        ],
        "past_statuses": [one for one in statuses if one.until is not None],
        "database_id": database_id,
        "profile_id": profile_id,
        "profile": found[0] if found else None,
        "page": page,
        "merges": merged.merges,
        **listed,
        "is_first": before is None,
        "former_ids": former.get(profile_id, ()),
        "times": [
            (one, list_sources(database, one.path, one.rank) if database else [])
            for one in times
        ],
    }
    return Page(template="profile.html", values=values)


async def show_deliveries(request: PageRequest) -> Page:
    """List deliveries of events, the latest first."""
    before = request.find_parameter("before")
    page = await request.services.read(
        partial(
            list_deliveries,
            state=_choice(request, "state", DELIVERY_STATES),
            endpoint_id=_number(request, "endpoint"),
            before=parse_delivery_cursor(before) if before else None,
        )
    )
    values = {
        "page": page,
        "states": DELIVERY_STATES,
        "asked": _query(request),
        "is_first": before is None,
        "now": datetime.now(UTC),
    }
    return Page(template="deliveries.html", values=values)


async def show_event(request: PageRequest) -> Page:
    """Show an event with every attempt to deliver it."""
    event = await request.services.read(
        partial(find_event, event_id=request.uuid("event_id"))
    )
    if event is None:
        raise NotFound("Event not found; it may have expired")
    return Page(template="event.html", values={"event": event})
