"""`penstock suppression`: suppression lists, and the contacts that are on them (L7)."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import click
from msgspec import Struct, field
from msgspec.structs import replace

from ingest.commands.count_display import CountDisplay
from ingest.commands.databases import find_settings, state_dir_option
from ingest.commands.filters import Moment
from ingest.commands.outputs import make_console, make_table, moment, print_json
from ingest.domain.catalog import SuppressionList
from ingest.domain.contact_hashes import (
    ContactHasher,
    ContactReference,
    parse_digest,
    read_contact,
)
from ingest.domain.counts import count
from ingest.domain.errors import InvalidValue, PenstockError
from ingest.store.catalog.load import load_declared
from ingest.store.database import Connection, connect
from ingest.store.suppressions.entries import (
    SuppressedContact,
    count_entries,
    list_entries,
    load_counts,
)
from ingest.store.suppressions.erased import ErasedStatus, find_erased
from ingest.store.suppressions.key import find_hasher
from ingest.store.suppressions.lists import (
    ListAddition,
    add_to_list,
    find_listings,
    remove_from_list,
)
from ingest.store.suppressions.work import list_scans
from ingest.wire.suppression_files import SuppressionLine, dump_line, read_lines

#: Contacts of one transaction, and lines of one read.
_CHUNK = 1000
#: Contacts of a file that are each looked up; more are found by one scan of profiles.
_LOOKED_UP = 5000
#: Bad lines that are printed.
_SHOWN = 20
_MAX_TEXT = 200


@click.group(epilog="\b\nExample:\n  penstock suppression check ada@example.com")
def suppression() -> None:
    """Manage the contacts that no import may subscribe.

    Lists are declared in the catalog. They hold hashes, made with PENSTOCK_SECRET.
    """


class _ListLine(Struct, frozen=True, kw_only=True):
    """A list as it is printed."""

    id: int
    account_id: int
    name: str
    action: str
    status: str
    entries: int
    #: Profiles that a scan has looked through; None if there is none.
    scanned: int | None


@suppression.command("list", epilog="\b\nExample:\n  penstock suppression list --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@state_dir_option
def list_(as_json: bool, state_dir: Path) -> None:
    """List suppression lists and their sizes."""
    with _connect(state_dir) as connection:
        count_entries(connection)
        counts = load_counts(connection)
        scans = {one.list_id: one.profiles for one in list_scans(connection)}
        lists = load_declared(connection).suppressions.values()
    lines = [
        _ListLine(
            id=one.id,
            account_id=one.account_id,
            name=one.name,
            action=one.action,
            status=one.status,
            entries=counts.get(one.id, 0),
            scanned=scans.get(one.id),
        )
        for one in lists
    ]
    if as_json:
        print_json(lines)
        return
    table = make_table("id", "account", "name", "action", "status", "contacts", "scan")
    for line in lines:
        scanned = "" if line.scanned is None else f"{line.scanned:,} profiles"
        table.add_row(
            str(line.id),
            str(line.account_id),
            line.name,
            line.action,
            line.status,
            f"{line.entries:,}",
            scanned,
        )
    make_console().print(table)


_list_option = click.option(
    "--list", "list_id", type=int, required=True, metavar="ID", help="List."
)
_hashed_option = click.option(
    "--hashed", is_flag=True, help="Contacts are SHA-256 in hexadecimal."
)


def _entry_options(command: Callable[..., object]) -> Callable[..., object]:
    """Add what is kept with an entry."""
    for option in (
        click.option("--reason", default="", metavar="TEXT", help="Reason."),
        click.option("--source", default="", metavar="TEXT", help="Source."),
        click.option(
            "--expires",
            "expires_at",
            type=Moment(),
            metavar="TIME",
            help="When the entries end.  [default: never]",
        ),
    ):
        command = option(command)
    return command


@suppression.command(
    epilog="""\b
Examples:
  penstock suppression add --list 3 ada@example.com +442079460018
  penstock suppression add --list 3 ada@example.com --reason "by phone"

\b
Exit status:
  0  the contacts are on the list
  1  nothing was added; the last line gives the reason
  2  usage error"""
)
@click.argument("contacts", nargs=-1, required=True, metavar="CONTACT…")
@_list_option
@_hashed_option
@_entry_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def add(contacts: tuple[str, ...], **options: Any) -> None:
    """Add contacts to a list.

    CONTACT is an email or a phone with its country code. From now on, no import
    subscribes it; workers lower the subscriptions that are stored.
    """
    _check_texts(options)
    read = [_read(one, is_hashed=options["hashed"]) for one in contacts]
    additions = [
        ListAddition(
            contact=one,
            reason=options["reason"],
            source=options["source"],
            expires_at=options["expires_at"],
        )
        for one in read
    ]
    with _connect(options["state_dir"]) as connection:
        _find(connection, options["list_id"])
        added = _add(connection, options["list_id"], additions)
    known = len({(one.contact, one.digest) for one in read}) - added
    if options["as_json"]:
        print_json({"added": added, "known": known})
        return
    click.echo(f"Added {count(added, 'contact')}; {known:,} already there.")


@suppression.command(
    epilog="""\b
Example:
  penstock suppression remove --list 3 ada@example.com

\b
Exit status:
  0  the contacts are not on the list
  1  nothing was removed; the last line gives the reason
  2  usage error"""
)
@click.argument("contacts", nargs=-1, required=True, metavar="CONTACT…")
@_list_option
@_hashed_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def remove(contacts: tuple[str, ...], **options: Any) -> None:
    """Remove contacts from a list.

    Stored statuses stay. To subscribe the person again, raise them with a basis.
    """
    read = [_read(one, is_hashed=options["hashed"]) for one in contacts]
    with _connect(options["state_dir"]) as connection:
        _find(connection, options["list_id"])
        with _reporting(), connection.transaction():
            removed = remove_from_list(
                connection, options["list_id"], read, find_hasher()
            )
    if options["as_json"]:
        print_json({"removed": removed})
        return
    click.echo(f"Removed {count(removed, 'contact')}.")


@suppression.command(
    epilog="""\b
Example:
  penstock suppression check ada@example.com

\b
Exit status:
  0  the contacts were checked
  1  they were not; the last line gives the reason
  2  usage error"""
)
@click.argument("contacts", nargs=-1, required=True, metavar="CONTACT…")
@_hashed_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def check(contacts: tuple[str, ...], **options: Any) -> None:
    """Show the lists that contacts are on.

    Of a deleted profile whose contacts went on a list, also show the statuses that it
    had.
    """
    read = [_read(one, is_hashed=options["hashed"]) for one in contacts]
    with _connect(options["state_dir"]) as connection:
        lists = load_declared(connection).suppressions
        with _reporting():
            hasher = find_hasher()
            found = find_listings(connection, read, lists.keys(), hasher)
            erased = [find_erased(connection, [one.find_hash(hasher)]) for one in read]
    told = dict(zip(contacts, found, strict=True))
    past = dict(zip(contacts, erased, strict=True))
    if options["as_json"]:
        print_json(
            [
                {
                    "contact": contact,
                    "lists": [
                        {"list_id": one.list_id, **_describe(one)} for one in listings
                    ],
                    "erased": [_describe_erased(one) for one in past[contact]],
                }
                for contact, listings in told.items()
            ]
        )
        return
    _print_listings(told, lists)
    if any(erased):
        _print_erased(past)


@suppression.command(
    "import",
    epilog="""\b
Examples:
  penstock suppression import opted-out.txt --list 3 --source "old CRM"
  penstock suppression import partner.txt --list 3 --hashed
  penstock suppression import list-3.ndjson --list 3

\b
Exit status:
  0  all lines were added
  1  some lines were not, each is named; the others were
  2  usage error""",
)
@click.argument("file", type=click.File("rb"), metavar="FILE")
@_list_option
@_hashed_option
@_entry_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def import_(file: BinaryIO, **options: Any) -> None:
    """Add the contacts of a file, one a line.

    FILE is UTF-8 text, or what penstock suppression export wrote. A line email, phone,
    contact, or sha256 at the start is skipped. Use - for standard input.
    """
    _check_texts(options)
    with _connect(options["state_dir"]) as connection:
        _find(connection, options["list_id"])
        totals = _import_lines(connection, file, options)
        count_entries(connection)
    if options["as_json"]:
        print_json(
            {
                "lines": totals.lines,
                "added": totals.added,
                "known": totals.known,
                "bad": totals.bad,
                "errors": totals.errors,
            }
        )
    else:
        _print_totals(totals)
    sys.exit(1 if totals.bad else 0)


class _Totals(Struct, kw_only=True):
    """The lines of a file, by their outcomes."""

    #: Right ones, those of them that are new, and wrong ones.
    lines: int = 0
    added: int = 0
    bad: int = 0
    #: The first wrong ones.
    errors: list[str] = field(default_factory=list)

    @property
    def known(self) -> int:
        """The number of those that were on the list already."""
        return self.lines - self.added


def _import_lines(
    connection: Connection, file: BinaryIO, options: Mapping[str, Any]
) -> _Totals:
    """Add the lines of a file, each chunk in a transaction of its own."""
    totals = _Totals()
    sent = read_lines(file, is_hashed=options["hashed"])
    with CountDisplay("Contacts", None) as display:
        while chunk := [*islice(sent, _CHUNK)]:
            wrong = [one for one in chunk if one.contact is None]
            totals.bad += len(wrong)
            totals.errors += [f"line {one.number:,}: {one.fault}" for one in wrong]
            del totals.errors[_SHOWN:]
            additions = [
                _make_addition(one, options) for one in chunk if one.contact is not None
            ]
            totals.lines += len(additions)
            if totals.lines > _LOOKED_UP:
                hasher = find_hasher()
                additions = [_hide(one, hasher) for one in additions]
            totals.added += _add(connection, options["list_id"], additions)
            display.show(totals.lines)
    return totals


def _print_totals(totals: _Totals) -> None:
    click.echo(
        f"Read {count(totals.lines, 'contact')}: {totals.added:,} added,"
        f" {totals.known:,} already there, {totals.bad:,} invalid."
    )
    for one in totals.errors:
        click.echo(f"  {one}", err=True)
    if totals.bad > _SHOWN:
        click.echo(f"  … and {totals.bad - _SHOWN:,} more", err=True)


@suppression.command(
    epilog="""\b
Example:
  penstock suppression export --list 3 > list-3.ndjson"""
)
@_list_option
@state_dir_option
def export(list_id: int, state_dir: Path) -> None:
    """Write a list to standard output.

    Each line is JSON with the hash and what is known of it. The file is of use with the
    same PENSTOCK_SECRET only.
    """
    after, output = b"", sys.stdout.buffer
    with _connect(state_dir) as connection:
        _find(connection, list_id)
        while page := list_entries(connection, list_id, after, _CHUNK):
            for one in page:
                output.write(dump_line(_describe(one), bytes(one.hash)))
            after = bytes(page[-1].hash)


def _connect(state_dir: Path) -> Connection:
    settings = find_settings(state_dir)
    return connect(settings.database_url, application_name="penstock-suppression")


@contextmanager
def _reporting() -> Iterator[None]:
    """Turn errors of ours into those of the command line."""
    try:
        yield
    except PenstockError as error:
        raise click.ClickException(str(error)) from error


def _find(connection: Connection, list_id: int) -> SuppressionList:
    lists = load_declared(connection).suppressions
    if list_id not in lists:
        known = ", ".join(map(str, lists)) or "none"
        raise click.ClickException(
            f"There is no suppression list {list_id} (declared: {known})"
        )
    return lists[list_id]


def _read(text: str, *, is_hashed: bool) -> ContactReference:
    """Read a contact of the command line; raise click.UsageError."""
    try:
        return _parse(text, is_hashed=is_hashed)
    except InvalidValue as error:
        raise click.UsageError(f"{text}: {error}") from error


def _parse(text: str, *, is_hashed: bool) -> ContactReference:
    if is_hashed:
        return ContactReference(digest=parse_digest(text))
    return read_contact(text)


def _check_texts(options: Mapping[str, Any]) -> None:
    """Raise click.UsageError for what is too long to be kept with an entry."""
    for name in ("reason", "source"):
        if len(options[name]) > _MAX_TEXT:
            raise click.UsageError(f"--{name}: at most {_MAX_TEXT} characters")


def _add(
    connection: Connection, list_id: int, additions: Sequence[ListAddition]
) -> int:
    with _reporting(), connection.transaction():
        return add_to_list(
            connection, list_id, additions, find_hasher(), datetime.now(UTC)
        )


def _make_addition(line: SuppressionLine, options: Mapping[str, Any]) -> ListAddition:
    """Return the entry of a line; what the line says itself takes precedence."""
    contact = line.contact or ContactReference()
    return ListAddition(
        contact=contact,
        reason=options["reason"] if line.reason is None else line.reason,
        source=options["source"] if line.source is None else line.source,
        expires_at=line.expires_at or options["expires_at"],
    )


def _hide(one: ListAddition, hasher: ContactHasher) -> ListAddition:
    """Return an entry whose stored subscriptions are found by a scan."""
    hash_ = one.contact.find_hash(hasher)
    return replace(one, contact=ContactReference(hash=hash_))


def _describe(one: SuppressedContact) -> dict[str, Any]:
    described: dict[str, Any] = {
        "reason": one.reason,
        "source": one.source,
        "added_at": one.added_at,
    }
    if one.expires_at is not None:
        described["expires_at"] = one.expires_at
    return described


def _print_listings(
    told: Mapping[str, Sequence[SuppressedContact]],
    lists: Mapping[int, SuppressionList],
) -> None:
    table = make_table("contact", "list", "since", "until", "reason", "source")
    for contact, listings in told.items():
        if not listings:
            table.add_row(contact, "on no list", "", "", "", "")
        for one in listings:
            table.add_row(
                contact,
                f"{one.list_id} {lists[one.list_id].name}",
                moment(one.added_at),
                moment(one.expires_at),
                one.reason,
                one.source,
            )
    make_console().print(table)


def _describe_erased(one: ErasedStatus) -> dict[str, Any]:
    names = ("database_id", "resource_id", "channel", "status", "since", "until")
    described: dict[str, Any] = {name: getattr(one, name) for name in names}
    return {**described, "applied": one.applied, "erased_at": one.erased_at}


def _print_erased(past: Mapping[str, Sequence[ErasedStatus]]) -> None:
    table = make_table(
        *("contact", "database", "resource", "channel", "status", "since", "until"),
        "deleted",
        title="Statuses of deleted profiles",
    )
    for contact, statuses in past.items():
        for one in statuses:
            table.add_row(
                contact,
                str(one.database_id),
                str(one.resource_id),
                one.channel,
                one.status if one.applied else f"{one.status} (not applied)",
                moment(one.since),
                moment(one.until),
                moment(one.erased_at),
            )
    make_console().print(table)
