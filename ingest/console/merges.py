"""The page on which an operator compares two profiles, and makes them one (M1)."""

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlencode

from msgspec import Struct
from uuid_utils.compat import uuid7

from ingest.console.requests import Page, PageRequest, Redirect
from ingest.domain.batches import Past, apply_import
from ingest.domain.errors import InvalidRequest, NotFound
from ingest.domain.identities import ImportName
from ingest.domain.imports import Import, Outcome
from ingest.domain.lookups import Search
from ingest.domain.matching import build_search
from ingest.domain.paths import show
from ingest.domain.profile_merges import Survivor
from ingest.domain.profiles import Profile
from ingest.domain.terms import read_term
from ingest.doors.accept import place
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection
from ingest.store.profiles.workspaces import read_workspace, want
from ingest.store.searches import search
from ingest.wire.merges import MergeRequest, load_merge, make_merge
from ingest.wire.profile_schemas import ProfileSchemas
from workers.merges import load_dates

logger = logging.getLogger(__name__)

_PROFILE_ID = re.compile("[0-9a-f]{24}")
#: How a parameter begins that says whose value of a field stays.
_FIELD = "field."


class Comparison(Struct, frozen=True, kw_only=True):
    """Two profiles, path by path, and what would come of them."""

    profiles: tuple[Profile, Profile]
    #: Path → the value of each, and after the merge; None for none.
    rows: Mapping[str, tuple[object, object, object]]
    outcome: Outcome


async def show_merge(request: PageRequest) -> Page:
    """Compare two profiles, and show what the merge would make of them."""
    database_id, profile_id = _read_place(request)
    other = request.find_parameter("with")
    values: dict[str, object] = {"database_id": database_id, "profile_id": profile_id}
    values["compared"] = None
    if other is None:
        return Page(template="merge.html", values=values)
    chosen = {
        name: value
        for name in request.req.params
        if name == "survivor" or name.startswith(_FIELD)
        if (value := request.find_parameter(name))
    }
    told = _read_request(database_id, (profile_id, other), chosen)
    compared = await request.services.read(
        partial(_compare, told=told, settings=request.services.settings)
    )
    values |= {"other": other, "compared": compared, "chosen": chosen}
    values |= {"survivors": (*Survivor, profile_id, other)}
    return Page(template="merge.html", values=values)


async def merge(request: PageRequest) -> Redirect:
    """Find the other profile, or queue the merge and show its receipt."""
    database_id, profile_id = _read_place(request)
    path = f"/profiles/{database_id}/{profile_id}/merge"
    if term := request.form.get("term", "").strip():
        found = await request.services.read(
            partial(_find_other, database_id=database_id, term=term)
        )
        return Redirect(f"{path}?{urlencode({'with': found})}")
    other = request.form.get("with", "")
    told = _read_request(database_id, (profile_id, other), request.form)
    if not told.reason:
        raise InvalidRequest("Missing reason", "reason")
    settings = request.services.settings
    catalog = await request.services.read(
        partial(load_catalog, limits=settings.profile_limits)
    )
    import_ = _make_import(told, token_id=request.admin.id)
    await request.services.append(place(import_, catalog, settings.partitions))
    logger.info("profiles merged", extra={"token_id": request.admin.id})
    return Redirect(f"/imports/{import_.import_id}")


def _read_place(request: PageRequest) -> tuple[int, str]:
    database_id, profile_id = request.number("database_id"), request.names["profile_id"]
    if not _PROFILE_ID.fullmatch(profile_id):
        raise NotFound("Page not found")
    return database_id, profile_id


def _read_request(
    database_id: int, profiles: tuple[str, str], chosen: Mapping[str, str]
) -> MergeRequest:
    """Return the request of a form, read as one over HTTP."""
    fields = {
        name.removeprefix(_FIELD): value
        for name, value in chosen.items()
        if name.startswith(_FIELD) and value
    }
    document = {"db_id": database_id, "profiles": list(profiles), "fields": fields}
    return load_merge(
        {**document, **{name: chosen.get(name) for name in ("survivor", "reason")}}
    )


def _make_import(told: MergeRequest, *, token_id: int | None) -> Import:
    return make_merge(
        told,
        tuple(str(one) for one in told.profiles),
        ImportName(import_id=uuid7()),
        accepted_at=datetime.now(UTC),
        door="http",
        token_id=token_id,
    )


def _find_other(connection: Connection, database_id: int, term: str) -> str:
    hits = [
        hit.profile_id
        for hit in search(connection, read_term(term)).profiles
        if hit.database_id == database_id
    ]
    if not hits:
        raise NotFound("No profile has this ID, email, or phone")
    if len(hits) > 1:
        raise InvalidRequest("Several profiles found. Enter the ID of one of them")
    return hits[0]


def _compare(
    connection: Connection, told: MergeRequest, settings: Settings
) -> Comparison:
    """Return both profiles and the merge of them, in one snapshot."""
    catalog = load_catalog(connection, settings.profile_limits)
    import_ = _make_import(told, token_id=None)
    prepared = ProfileSchemas(catalog).prepare(import_)
    found: Search = build_search(import_, catalog)
    workspace = read_workspace(connection, catalog, want(told.database_id, found))
    one, other = (
        workspace.resolve(told.database_id, str(name)) for name in told.profiles
    )
    if one is None or other is None:
        raise NotFound("Profile not found")
    dates = load_dates(connection, workspace, [prepared])
    step = apply_import(workspace, prepared, catalog, "", Past(changed_at=dates))
    merged = workspace.resolve(told.database_id, one.id) if step.merge else None
    first, second, after = show(one), show(other), show(merged)
    return Comparison(
        profiles=(one, other),
        rows={
            path: (first.get(path), second.get(path), after.get(path))
            for path in sorted({*first, *second, *after})
        },
        outcome=step.outcome,
    )
