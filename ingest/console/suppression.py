"""The page of suppression lists: their sizes, a check of a contact, and its changes."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from msgspec import Struct

from ingest.console.requests import Page, PageRequest
from ingest.domain.catalog import SuppressionList
from ingest.domain.contact_hashes import ContactReference, read_contact
from ingest.domain.errors import InvalidRequest, InvalidValue, NotFound
from ingest.domain.names import one_of
from ingest.store.catalog.load import load_declared
from ingest.store.database import Connection
from ingest.store.suppressions.entries import SuppressedContact, load_counts
from ingest.store.suppressions.key import find_hasher
from ingest.store.suppressions.lists import (
    ListAddition,
    add_to_list,
    find_listings,
    remove_from_list,
)
from ingest.store.suppressions.work import count_work, list_scans
from ingest.wire.parameters import find_parameter, parse_id

logger = logging.getLogger(__name__)

#: Where an entry comes from that was made here.
_SOURCE = "console"
_ACTIONS = ("check", "add", "remove")


class ListOverview(Struct, frozen=True, kw_only=True):
    """A list, how many contacts it has, and how far a scan for them is."""

    declared: SuppressionList
    entries: int
    #: Profiles that a scan has looked through; None if there is none.
    scanned: int | None


class CheckedContact(Struct, frozen=True, kw_only=True):
    """A contact as it was typed, the lists that it is on, and what was done."""

    text: str
    #: The name of the list with each entry.
    listings: list[tuple[str, SuppressedContact]]
    #: Such as `Added to list 3`; empty for a check.
    done: str = ""


async def show_lists(request: PageRequest) -> Page:
    """List the lists."""
    return await _show(request, None)


async def change_lists(request: PageRequest) -> Page:
    """Check a contact, add it to a list, or remove it.

    It is sent in the body: no URL tells of a person.
    """
    text, action = request.form.get("contact", "").strip(), request.form.get("action")
    if action not in _ACTIONS:
        raise InvalidRequest(f"Unknown action{one_of(_ACTIONS)}", "action")
    try:
        contact = read_contact(text)
    except InvalidValue as error:
        raise InvalidRequest(str(error), "contact") from error
    done = "" if action == "check" else await _change(request, action, contact)
    checked = await request.services.read(
        partial(_check, text=text, contact=contact, done=done)
    )
    return await _show(request, checked)


async def _change(request: PageRequest, action: str, contact: ContactReference) -> str:
    list_id = find_parameter(request.form, "list_id", parse_id)
    lists = await request.services.read(_load_lists)
    if list_id is None or list_id not in lists:
        raise NotFound("Suppression list not found", "list_id")
    hasher, reason = find_hasher(), request.form.get("reason", "").strip()[:200]
    if action == "add":
        addition = ListAddition(contact=contact, reason=reason, source=_SOURCE)
        await request.services.write(
            partial(
                add_to_list,
                list_id=list_id,
                additions=[addition],
                hasher=hasher,
                now=datetime.now(UTC),
            )
        )
    else:
        await request.services.write(
            partial(
                remove_from_list, list_id=list_id, contacts=[contact], hasher=hasher
            )
        )
    extra = {"token_id": request.admin.id, "list_id": list_id, "action": action}
    logger.info("suppression list changed", extra=extra)
    return f"{'Added to' if action == 'add' else 'Removed from'} list {list_id}"


async def _show(request: PageRequest, checked: CheckedContact | None) -> Page:
    lists, work = await request.services.read(_load)
    values = {"lists": lists, "work": work, "checked": checked}
    return Page(template="suppression.html", values=values)


def _load(connection: Connection) -> tuple[Sequence[ListOverview], int]:
    counts = load_counts(connection)
    scans = {one.list_id: one.profiles for one in list_scans(connection)}
    lists = [
        ListOverview(
            declared=one, entries=counts.get(one.id, 0), scanned=scans.get(one.id)
        )
        for one in _load_lists(connection).values()
    ]
    return lists, count_work(connection)


def _load_lists(connection: Connection) -> Mapping[int, SuppressionList]:
    return load_declared(connection).suppressions


def _check(
    connection: Connection, text: str, contact: ContactReference, done: str
) -> CheckedContact:
    lists = _load_lists(connection)
    (found,) = find_listings(connection, [contact], lists.keys(), find_hasher())
    listings = [(lists[one.list_id].name, one) for one in found]
    return CheckedContact(text=text, listings=listings, done=done)
