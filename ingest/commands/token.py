"""`penstock token`: create, list, limit, name, rotate, and revoke API tokens."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import click
from rich.console import Console
from rich.table import Table

from ingest.commands.aliases import RenamedOption
from ingest.commands.databases import database_options
from ingest.commands.outputs import print_json
from ingest.commands.rates import burst_option, read_rate
from ingest.domain.tokens import SOURCE, SOURCE_TEXT, Scope
from ingest.store import tokens
from ingest.store.database import connect
from ingest.store.tokens import IssuedToken

_MISSING = "Token {} does not exist or was revoked. To list tokens: penstock token list"


class _Source(click.ParamType[str]):
    """The name of a source, as the catalog may rank it."""

    name = "source"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """Read the name; `none` and an empty one are none."""
        text = str(value)
        if text in ("", "none"):
            return ""
        if re.fullmatch(SOURCE, text) is None:
            self.fail(f"{text!r}: {SOURCE_TEXT}", param, ctx)
        return text


@click.group(epilog="\b\nExample:\n  penstock token create shop --database 1")
def token() -> None:
    """Create, list, limit, rotate, and revoke API tokens."""


@token.command(
    epilog="""\b
Examples:
  penstock token create shop --database 1 --scope import
  penstock token create partner --rate 100/s --burst 200
  penstock token create ada --scope admin    # may log in to the console"""
)
@click.argument("name")
@click.option(
    "--database",
    "database_ids",
    type=int,
    multiple=True,
    metavar="ID",
    help="Grant access to this profile database only. Repeatable.  [default: all]",
)
@click.option(
    "--scope",
    "scopes",
    cls=RenamedOption,
    was="--action",
    type=click.Choice(Scope, case_sensitive=False),
    multiple=True,
    default=(Scope.IMPORT, Scope.READ),
    show_default=True,
    help="Grant this scope. Repeatable.",
)
@click.option(
    "--rate",
    metavar="RATE",
    help="Rate limit, such as 100/s, 600/m, or 1000/h.  [default: unlimited]",
)
@burst_option
@click.option(
    "--source",
    type=_Source(),
    default="",
    help="Name of what sends, which a database may rank.  [default: none]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def create(
    name: str,
    database_ids: tuple[int, ...],
    scopes: tuple[Scope, ...],
    database_url: str,
    as_json: bool,
    source: str,
    **limit: Any,
) -> None:
    """Create a token and print its secret.

    The secret is shown only once.
    """
    if Scope.ADMIN in scopes and database_ids:
        raise click.UsageError(
            "The admin scope covers all profile databases. Omit --database, or create "
            "a second token."
        )
    rate = read_rate(limit["rate"], limit["burst"])
    with connect(database_url) as connection, connection.transaction():
        token_id, secret = tokens.create_token(
            connection,
            name=name,
            database_ids=database_ids,
            actions=scopes,
            rate=rate,
        )
        if source:
            tokens.set_source(connection, token_id, source)
    if as_json:
        print_json({"id": token_id, "name": name, "secret": secret})
        return
    click.echo(secret)
    # Apart from the secret, so that a script reads that alone.
    click.echo(
        f"Created token {token_id} ({name}). Copy the secret now: it cannot be shown "
        f"again. To revoke the token: penstock token revoke {token_id}",
        err=True,
    )


def _document(issued: IssuedToken) -> dict[str, object]:
    return {
        "id": issued.token.id,
        "name": issued.token.name,
        "databases": sorted(issued.token.database_ids),
        "scopes": sorted(issued.token.actions),
        "rate": issued.token.rate and asdict(issued.token.rate),
        "source": issued.token.source,
        "created_at": issued.created_at.isoformat(),
        "revoked_at": issued.revoked_at and issued.revoked_at.isoformat(),
    }


def _row(issued: IssuedToken) -> tuple[str, ...]:
    revoked_at = issued.revoked_at
    return (
        str(issued.token.id),
        issued.token.name,
        ", ".join(map(str, sorted(issued.token.database_ids))) or "all",
        ", ".join(sorted(issued.token.actions)),
        str(issued.token.rate or ""),
        issued.token.source,
        f"{issued.created_at:%Y-%m-%d %H:%M}",
        f"{revoked_at:%Y-%m-%d %H:%M}" if revoked_at else "",
    )


@token.command("list", epilog="\b\nExample:\n  penstock token list --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@database_options
def list_(as_json: bool, database_url: str) -> None:
    """List all tokens, including revoked ones. Times are in UTC."""
    with connect(database_url) as connection:
        issued = tokens.list_tokens(connection)
    if as_json:
        click.echo(json.dumps([_document(each) for each in issued], indent=2))
        return

    columns = ("id", "name", "databases", "scopes", "rate", "source")
    table = Table(*columns, "created", "revoked")
    for each in issued:
        table.add_row(*_row(each))
    Console(markup=False).print(table)


class _Duration(click.ParamType[timedelta]):
    """A whole number of seconds, minutes, hours or days: `90s`, `15m`, `12h`, `7d`."""

    name = "duration"
    _units: ClassVar = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """Read the duration."""
        found = re.fullmatch(r"([0-9]{1,6})([smhd])", str(value))
        if found is None:
            self.fail(
                f"{value!r} must be a duration, such as 90s, 15m, 12h, or 7d",
                param,
                ctx,
            )
        return timedelta(**{self._units[found[2]]: int(found[1])})


def _describe_overlap(overlap: timedelta) -> str:
    if not overlap:
        return "The old secret no longer works."
    until = datetime.now(UTC) + overlap
    return f"The old secret is valid until {until:%Y-%m-%d %H:%M:%S} UTC."


@token.command(epilog="\b\nExample:\n  penstock token rotate 3 --overlap 24h")
@click.argument("token_id", metavar="ID", type=int)
@click.option(
    "--overlap",
    type=_Duration(),
    default="1h",
    show_default=True,
    help="How long the old secret stays valid, such as 90s, 15m, 12h, 7d, or 0s.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def rotate(token_id: int, overlap: timedelta, as_json: bool, database_url: str) -> None:
    """Replace the secret of a token.

    Prints the new secret, which is shown only once.
    """
    with connect(database_url) as connection:
        secret = tokens.rotate_token(connection, token_id, overlap=overlap)
    if secret is None:
        raise click.ClickException(_MISSING.format(token_id))
    if as_json:
        print_json({"id": token_id, "secret": secret})
        return
    click.echo(secret)
    click.echo(
        f"Rotated token {token_id}. Copy the new secret now: it cannot be shown again. "
        + _describe_overlap(overlap),
        err=True,
    )


@token.command(
    epilog="\b\nExamples:\n  penstock token rate 3 100/s --burst 200\n"
    "  penstock token rate 3 none"
)
@click.argument("token_id", metavar="ID", type=int)
@click.argument("rate", metavar="RATE")
@burst_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def rate(
    token_id: int, rate: str, burst: int | None, as_json: bool, database_url: str
) -> None:
    """Set or remove the rate limit of a token.

    RATE is a rate, such as 100/s, 600/m, or 1000/h, or `none`. Intakes apply it within
    about a second.
    """
    limit = read_rate(rate, burst)
    with connect(database_url) as connection:
        if not tokens.set_rate(connection, token_id, limit):
            raise click.ClickException(_MISSING.format(token_id))
    if as_json:
        print_json({"id": token_id, "rate": limit and asdict(limit)})
    else:
        click.echo(f"Token {token_id}: {limit or 'unlimited'}")


@token.command(
    epilog="\b\nExamples:\n  penstock token source 3 crm\n"
    "  penstock token source 3 none"
)
@click.argument("token_id", metavar="ID", type=int)
@click.argument("source", metavar="NAME", type=_Source())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def source(token_id: int, source: str, as_json: bool, database_url: str) -> None:
    """Name what sends with a token, or `none`.

    Databases that keep times may rank sources in the catalog. Workers apply the name
    within about a second, to waiting imports too.
    """
    with connect(database_url) as connection:
        if not tokens.set_source(connection, token_id, source):
            raise click.ClickException(_MISSING.format(token_id))
    if as_json:
        print_json({"id": token_id, "source": source})
    else:
        click.echo(f"Token {token_id}: {source or 'no source'}")


@token.command(epilog="\b\nExample:\n  penstock token revoke 3")
@click.argument("token_id", metavar="ID", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def revoke(token_id: int, as_json: bool, database_url: str) -> None:
    """Revoke a token permanently. Intakes refuse it within about a second."""
    with connect(database_url) as connection:
        if not tokens.revoke_token(connection, token_id):
            raise click.ClickException(_MISSING.format(token_id))
    if as_json:
        print_json({"revoked": token_id})
    else:
        click.echo(f"Revoked token {token_id}.")
