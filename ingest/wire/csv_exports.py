"""Exports as CSV: a column for each field, which imports of files read back (E4)."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from ingest.domain.catalog import Catalog, Channel, Database
from ingest.domain.errors import Fault, InvalidRequest, NotFound
from ingest.domain.exports import ExportRequest
from ingest.domain.names import suggest
from ingest.domain.profiles import Profile
from ingest.domain.statuses import DEFAULT_STATUS
from ingest.domain.updates import express
from ingest.domain.views import view_profile
from ingest.wire.cells import write_cell
from ingest.wire.headers import EXACT_MARK

#: A column's name, and the cell that a profile has in it.
Column = tuple[str, Callable[[Profile], str]]

_KEY = "profile_id"
#: What follows from a profile, and imports pass over: only where it is asked for.
_DERIVED = ("db_id", "_createtime", "_emaildomain", "_domaingroup", "_md5")
#: Of each resource that has the channel, and what its contact is called.
_CHANNELS = (
    ("email_sub", Channel.EMAIL, "email"),
    ("phone_sub", Channel.SMS, "phone"),
)
#: Of all columns of subscriptions.
_SUBSCRIPTIONS = "subscriptions"
#: May be asked for too; the key is there in any case, under one name.
_OTHERS = (_KEY, "id", _SUBSCRIPTIONS)
#: Spreadsheets read UTF-8 where a file begins with it.
_BYTE_ORDER_MARK = "\ufeff"


def plan_columns(catalog: Catalog, wanted: ExportRequest) -> list[Column]:
    """Return the columns of an export, whoever has something in them.

    Raises NotFound for an unknown database, and InvalidRequest for unknown fields.
    """
    database = catalog.databases.get(wanted.database_id)
    if database is None:
        raise NotFound("Database not found", "db_id")
    subscribed = dict(_list_subscriptions(catalog, database))
    columns = {**dict(_list_fields(database)), **subscribed}
    if wanted.fields:
        known = columns | {name: partial(_show_derived, name) for name in _DERIVED}
        _check_names(wanted.fields, [*known, *_OTHERS])
        chosen = {*wanted.fields}
        chosen |= {*subscribed} if _SUBSCRIPTIONS in chosen else set()
        columns = {name: show for name, show in known.items() if name in chosen}
    return [(_KEY, lambda profile: profile.id), *columns.items()]


def _check_names(names: Sequence[str], known: Sequence[str]) -> None:
    faults = [
        Fault(
            code=400,
            message=f"Unknown field{suggest(name, known)}",
            path=f"fields[{index}]",
        )
        for index, name in enumerate(names)
        if name not in known
    ]
    if faults:
        raise InvalidRequest(faults)


def _list_fields(database: Database) -> Iterator[Column]:
    yield "email", lambda profile: write_cell(profile.email)
    yield "phones", lambda profile: write_cell(list(profile.phones) or None)
    for name in database.fields:
        yield name, partial(_show_field, name)


def _show_field(name: str, profile: Profile) -> str:
    return write_cell(express(profile.fields.get(name)))


def _show_derived(name: str, profile: Profile) -> str:
    return write_cell(view_profile(profile).get(name))


def _list_subscriptions(catalog: Catalog, database: Database) -> Iterator[Column]:
    for _, resource in sorted(catalog.resources.items()):
        if database.id not in resource.database_ids:
            continue
        for column, channel, contact in _CHANNELS:
            if channel in resource.channels:
                show = partial(_show_contacts, resource.id, channel, contact)
                yield f"{column}:{resource.id}", show


def _show_contacts(
    resource_id: int, channel: Channel, contact: str, profile: Profile
) -> str:
    """Return who is subscribed: a cell has no status, and would subscribe the others.

    One as it is, several as a JSON list.
    """
    found = [
        str(one.contact[contact])
        for key, one in profile.subscriptions.items()
        if (key.resource_id, key.channel) == (resource_id, channel)
        and one.status == DEFAULT_STATUS
        and not one.deleted
    ]
    return write_cell(found[0] if len(found) == 1 else found or None)


class CsvWriter:
    """Writes CSV (RFC 4180) with a header whose first column says that it is exact.

    Some spreadsheets separate cells by another `delimiter` than a comma.
    """

    def __init__(self, columns: Sequence[Column], delimiter: str = ",") -> None:
        self._delimiter = delimiter
        self._names = [name for name, _ in columns]
        self._shown = [show for _, show in columns]

    def begin(self) -> bytes:
        """Return the header."""
        return self._write([[_BYTE_ORDER_MARK + EXACT_MARK, *self._names]])

    def add(self, profiles: Iterable[Profile]) -> bytes:
        """Return the rows of `profiles`."""
        return self._write(
            ["", *(show(profile) for show in self._shown)] for profile in profiles
        )

    def end(self, profiles: int) -> bytes:
        """Return nothing: every reader of CSV would take a last line for a profile."""
        return b""

    def _write(self, rows: Iterable[Sequence[str]]) -> bytes:
        file = io.StringIO()
        # It quotes whatever is in a line end, so CR as well as LF.
        writer = csv.writer(file, delimiter=self._delimiter, lineterminator="\r\n")
        writer.writerows(rows)
        return file.getvalue().encode()
