"""`penstock consent`: show the history of statuses; raise one as an operator."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click
from rich.table import Table
from uuid_utils.compat import uuid7

from ingest.commands.databases import (
    database_options,
    find_settings,
    state_dir_option,
)
from ingest.commands.outputs import ask, make_console, make_table, moment, print_json
from ingest.commands.profile_merges import apply_import, as_operator
from ingest.commands.profile_terms import find_profile
from ingest.domain.catalog import Channel
from ingest.domain.confirmation_requests import StoredConfirmation
from ingest.domain.confirmations import describe_state
from ingest.domain.consent import PROOF, Authority, Basis
from ingest.domain.dates import parse_moment
from ingest.domain.errors import InvalidValue, PenstockError
from ingest.domain.imports import Import, Key, Matching, Operation
from ingest.domain.profiles import Profile, Subscription
from ingest.domain.statuses import STATUSES
from ingest.domain.values import parse_ip
from ingest.domain.views import view_flat_subscription
from ingest.store.confirmations import list_confirmations
from ingest.store.consents.read import ConsentLine, load_consents
from ingest.store.database import Connection, connect
from ingest.store.faults import unavailable_while_away
from ingest.store.profiles.aliases import list_former_ids

_EPILOG = """\b
Examples:
  penstock consent show ada@example.com --at 2026-04-04
  penstock consent raise ada@example.com --reason "called support"
"""


@click.group(epilog=_EPILOG)
def consent() -> None:
    """Show and raise the statuses of subscriptions."""


def _parse_time(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_moment(int(value) if value.isdigit() else value)
    except InvalidValue as error:
        raise click.BadParameter(str(error)) from error


def _check_ip(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str:
    try:
        return parse_ip(value) if value else ""
    except InvalidValue as error:
        raise click.BadParameter(str(error)) from error


_database_option = click.option(
    "--database",
    "database_id",
    type=int,
    metavar="ID",
    help="Only in this profile database.",
)


@consent.command(
    epilog="""\b
Examples:
  penstock consent show ada@example.com
  penstock consent show ada@example.com --at 2026-04-04T12:00:00Z

\b
Exit status:
  0  the statuses are shown
  1  no profile or several profiles found, or Postgres is unavailable
  2  usage error"""
)
@click.argument("term", metavar="PROFILE")
@_database_option
@click.option(
    "--at",
    callback=_parse_time,
    metavar="TIME",
    help="Show only what was the status at this time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def show(
    term: str,
    database_id: int | None,
    at: datetime | None,
    as_json: bool,
    database_url: str,
) -> None:
    """Show the statuses that a profile has and had.

    Each is shown with its time and basis. PROFILE is a profile ID, an email, or a
    phone. Earlier statuses are recorded for resources that guard them, or that have
    consent_history = true. Below them are the links that were sent to confirm
    subscriptions.
    """
    with connect(database_url) as connection:
        profile = find_profile(connection, term, database_id)
        lines, asked = _load(connection, profile)
    if at is not None:
        lines = [one for one in lines if one.holds_at(at)]
    if as_json:
        document = {"profile_id": profile.id, "statuses": lines}
        print_json({**document, "confirmations": _list_asked(profile, asked)})
        return
    console = make_console()
    table = make_table(
        *("resource", "channel", "contact", "status", "since", "until", "basis"),
        title=f"Profile {profile.id}",
    )
    for one in lines:
        table.add_row(
            str(one.resource_id),
            one.channel,
            one.contact,
            one.status if one.applied else f"{one.status} (not applied)",
            moment(one.since),
            moment(one.until),
            describe_basis(one),
        )
    console.print(table)
    if at is not None and not lines:
        console.print("No status is known at this time.")
    if asked and at is None:
        console.print(_tabulate(profile, asked))


def _load(
    connection: Connection, profile: Profile
) -> tuple[list[ConsentLine], list[StoredConfirmation]]:
    """Load the statuses of a profile, and what its person is to confirm."""
    database_id = profile.database_id
    former = list_former_ids(connection, database_id, [profile.id])
    ids = [profile.id, *former.get(profile.id, ())]
    asked = list_confirmations(connection, database_id, ids)
    return [*load_consents(connection, database_id, ids)], asked


def _list_asked(
    profile: Profile, asked: Iterable[StoredConfirmation]
) -> list[dict[str, object]]:
    now = datetime.now(UTC)
    return [
        {
            **one.show(),
            "issued_at": one.issued_at,
            "used_at": one.used_at,
            "state": describe_state(one, profile.subscriptions.get(one.key), now),
        }
        for one in asked
    ]


def _tabulate(profile: Profile, asked: Iterable[StoredConfirmation]) -> Table:
    table = make_table(
        *("resource", "channel", "contact", "attempt", "sent", "expires", "state"),
        *("confirmation",),
        title="Confirmations",
    )
    now = datetime.now(UTC)
    for one in asked:
        table.add_row(
            str(one.key.resource_id),
            one.key.channel,
            one.key.contact,
            str(one.attempt),
            moment(one.issued_at),
            moment(one.expires_at),
            describe_state(one, profile.subscriptions.get(one.key), now),
            str(one.id),
        )
    return table


def describe_basis(line: ConsentLine) -> str:
    """Return the basis of a status in a line, or the import that set it."""
    basis = line.consent or {}
    told = [f"{name}: {basis[name]}" for name in PROOF if name in basis]
    if line.by is not None:
        told.append(f"import {line.by}")
    return ", ".join(told)


@consent.command(
    "raise",
    epilog="""\b
Examples:
  penstock consent raise ada@example.com --reason "called support"
  penstock consent raise ada@example.com --reason "called" --time 2026-11-28T10:00

\b
Exit status:
  0  the status was raised
  1  it was not; the last line gives the reason
  2  usage error""",
)
@click.argument("term", metavar="PROFILE")
@_database_option
@click.option("--resource", "resource_id", type=int, metavar="ID", help="Resource.")
@click.option(
    "--channel", type=click.Choice([one.value for one in Channel]), help="Channel."
)
@click.option("--contact", metavar="TEXT", help="Contact, if there are several.")
@click.option(
    "--status",
    type=click.Choice([*STATUSES]),
    default="subscribed",
    show_default=True,
    help="Status to write.",
)
@click.option("--reason", required=True, metavar="TEXT", help="Source of the consent.")
@click.option(
    "--time",
    callback=_parse_time,
    metavar="TIME",
    help="When the person decided.  [default: now]",
)
@click.option(
    "--ip", callback=_check_ip, metavar="IP", help="IP address of the person."
)
@click.option("--text", default="", metavar="TEXT", help="What the person read.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def raise_(term: str, **options: Any) -> None:
    """Raise the status of a subscription.

    It may be an opt-out, a bounce, or a complaint. Only an operator can raise a
    complaint. The import that does it has a receipt, and the reason is kept with the
    status.
    """
    basis = Basis(
        raises=True,
        source=_read_reason(options["reason"]),
        time=options["time"],
        ip=options["ip"],
        text=options["text"],
    )
    settings = find_settings(options["state_dir"])
    with connect(settings.database_url, application_name="penstock-consent") as opened:
        profile = find_profile(opened, term, options["database_id"])
        one = _choose(profile, options)
        ask(
            f"{one.key.contact} is {one.status} on resource {one.key.resource_id}."
            f" Write {options['status']}?",
            is_sure=options["is_sure"],
            as_json=options["as_json"],
        )
        import_ = _make(profile, one, options["status"], basis)
        try:
            with unavailable_while_away():
                record = apply_import(settings, opened, import_)
        except PenstockError as error:
            raise click.ClickException(str(error)) from error
    if options["as_json"]:
        print_json(record)
        sys.exit(1 if record.error or record.kept else 0)
    if record.error:
        raise click.ClickException(record.error_text)
    if record.kept:
        raise click.ClickException(f"The status is kept ({record.kept[0]['reason']}).")
    click.echo(f"Wrote {options['status']} by import {record.import_id}.")


def _read_reason(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= 200:
        raise click.UsageError("--reason must be 1 to 200 characters.")
    return reason


def _choose(profile: Profile, options: dict[str, Any]) -> Subscription:
    """Return the one subscription that the options name; raise ClickException."""
    wanted = {
        name: options[name]
        for name in ("resource_id", "channel", "contact")
        if options[name] is not None
    }
    found = [
        one
        for one in profile.subscriptions.values()
        if all(getattr(one.key, name) == value for name, value in wanted.items())
    ]
    if not found:
        raise click.ClickException("The profile has no such subscription.")
    if len(found) > 1:
        raise click.ClickException(
            f"{len(found)} subscriptions found. To choose one of them, add:\n"
            f"{_list(found)}"
        )
    return found[0]


def _list(found: Iterable[Subscription]) -> str:
    return "\n".join(
        f"  --resource {one.key.resource_id} --channel {one.key.channel}"
        f" --contact {one.key.contact}"
        for one in found
    )


def _make(profile: Profile, one: Subscription, status: str, basis: Basis) -> Import:
    sent = {
        "resource_id": one.key.resource_id,
        "channel": one.key.channel.value,
        **_show_contact(one),
        "status": status,
    }
    return Import(
        import_id=uuid7(),
        **as_operator(),
        authority=Authority.OPERATOR,
        database_id=profile.database_id,
        matching=Matching.PROFILE_ID,
        key=Key(profile_id=profile.id),
        data={"subscriptions": [sent]},
        operation=Operation.UPDATE,
        consent=basis,
    )


def _show_contact(one: Subscription) -> dict[str, Any]:
    shown = view_flat_subscription(one)
    names = ("email", "phone", "provider", "subscription_id", "cc_data")
    sent = {name: getattr(shown, name) for name in names}
    return {name: value for name, value in sent.items() if value}
