"""Suppression lists of the demo's catalog, and what keeps their promises."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ingest.domain.catalog import SuppressionList
from ingest.domain.contact_hashes import read_contact
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.suppressions.entries import delete_entries
from ingest.store.suppressions.key import find_hasher
from ingest.store.suppressions.lists import ListAddition, add_to_list
from tests.conftest import Connection
from workers.suppression_keeper import SuppressionKeeper

SECRET = secrets.token_hex(32)


def declare_list(connection: Connection, **changes: Any) -> None:
    """Declare suppression list 3 of account 1, or change what is declared of it."""
    attributes = {"id": 3, "name": "Opted out", "account_id": 1}
    one = SuppressionList(**{**attributes, **changes})
    with connection.transaction():
        declared = load_declared(connection)
        lists = {**declared.suppressions, one.id: one}
        save_catalog(connection, replace(declared, suppressions=lists))


def make_addition(contact: str, **more: Any) -> ListAddition:
    return ListAddition(contact=read_contact(contact), **more)


def suppress(
    connection: Connection, *contacts: str, list_id: int = 3, **more: Any
) -> int:
    """Put contacts on a list; return how many are new."""
    additions = [make_addition(one, **more) for one in contacts]
    with connection.transaction():
        return add_to_list(
            connection, list_id, additions, find_hasher(), datetime.now(UTC)
        )


def release(connection: Connection, contact: str, list_id: int = 3) -> None:
    """Take a contact from a list."""
    with connection.transaction():
        delete_entries(
            connection, [(list_id, read_contact(contact).find_hash(find_hasher()))]
        )


@contextmanager
def keeping(settings: Settings) -> Iterator[SuppressionKeeper]:
    keeper = SuppressionKeeper(settings)
    try:
        yield keeper
    finally:
        keeper.close()


def statuses(connection: Connection, contact: str) -> list[str]:
    """Return the statuses of all subscriptions with a contact."""
    rows = connection.execute(
        "SELECT status FROM subscriptions WHERE contact = %s"
        " ORDER BY profile_id, resource_id, channel",
        (contact,),
    )
    return [status for (status,) in rows]
