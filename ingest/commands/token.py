"""`penstock token`: create, list, limit, rotate and revoke API tokens."""

import json
import re
from dataclasses import asdict
from datetime import timedelta
from typing import Any, ClassVar

import click
from rich.console import Console
from rich.table import Table

from ingest.commands.databases import database_options
from ingest.commands.outputs import print_json
from ingest.commands.rates import burst_option, read_rate
from ingest.domain.tokens import Action
from ingest.store import tokens
from ingest.store.database import connect
from ingest.store.tokens import IssuedToken


@click.group(epilog="\b\nExample:\n  penstock token create shop --database 1")
def token() -> None:
    """Create, list, limit, rotate and revoke API tokens."""


@token.command(
    epilog="""\b
Examples:
  penstock token create shop --database 1 --action import
  penstock token create partner --rate 100/s --burst 200
  penstock token create ada --action admin    # for the console"""
)
@click.argument("name")
@click.option(
    "--database",
    "database_ids",
    type=int,
    multiple=True,
    metavar="ID",
    help="Allow this database only; may be repeated.  [default: every database]",
)
@click.option(
    "--action",
    "actions",
    type=click.Choice(Action, case_sensitive=False),
    multiple=True,
    default=(Action.IMPORT, Action.READ),
    show_default=True,
    help="Allow this; may be repeated.",
)
@click.option(
    "--rate",
    metavar="RATE",
    help="Allow so many imports: 100/s, 600/m, 1000/h.  [default: any number]",
)
@burst_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def create(
    name: str,
    database_ids: tuple[int, ...],
    actions: tuple[Action, ...],
    database_url: str,
    as_json: bool,
    **limit: Any,
) -> None:
    """Create a token and print its secret, once."""
    if Action.ADMIN in actions and database_ids:
        raise click.UsageError(
            "An admin sees every database: leave --database out, or make two tokens"
        )
    rate = read_rate(limit["rate"], limit["burst"])
    with connect(database_url) as connection:
        token_id, secret = tokens.create_token(
            connection,
            name=name,
            database_ids=database_ids,
            actions=actions,
            rate=rate,
        )
    if as_json:
        print_json({"id": token_id, "name": name, "secret": secret})
        return
    click.echo(secret)
    # Apart from the secret, so that a script reads that alone.
    click.echo(
        f"Token {token_id} ({name}). Keep the secret: it is not stored, and cannot be "
        f"shown again. To take it back: penstock token revoke {token_id}",
        err=True,
    )


def _document(issued: IssuedToken) -> dict[str, object]:
    return {
        "id": issued.token.id,
        "name": issued.token.name,
        "databases": sorted(issued.token.database_ids),
        "actions": sorted(issued.token.actions),
        "rate": issued.token.rate and asdict(issued.token.rate),
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
        f"{issued.created_at:%Y-%m-%d %H:%M}",
        f"{revoked_at:%Y-%m-%d %H:%M}" if revoked_at else "",
    )


@token.command("list", epilog="\b\nExample:\n  penstock token list --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@database_options
def list_(as_json: bool, database_url: str) -> None:
    """List the tokens, the revoked ones too; times are UTC."""
    with connect(database_url) as connection:
        issued = tokens.list_tokens(connection)
    if as_json:
        click.echo(json.dumps([_document(each) for each in issued], indent=2))
        return

    table = Table("id", "name", "databases", "actions", "rate", "created", "revoked")
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
            self.fail(f"{value!r} is not like 90s, 15m, 12h or 7d", param, ctx)
        return timedelta(**{self._units[found[2]]: int(found[1])})


@token.command(epilog="\b\nExample:\n  penstock token rotate 3 --overlap 24h")
@click.argument("token_id", metavar="ID", type=int)
@click.option(
    "--overlap",
    type=_Duration(),
    default="1h",
    show_default=True,
    help="How long the old secret stays good: 90s, 15m, 12h, 7d; 0s for not at all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def rotate(token_id: int, overlap: timedelta, as_json: bool, database_url: str) -> None:
    """Give a token a new secret, and print it, once."""
    with connect(database_url) as connection:
        secret = tokens.rotate_token(connection, token_id, overlap=overlap)
    if secret is None:
        raise click.ClickException(
            f"There is no good token {token_id}; see: penstock token list"
        )
    if as_json:
        print_json({"id": token_id, "secret": secret})
        return
    click.echo(secret)
    click.echo(
        f"Token {token_id} has a new secret. Keep it: it is not stored, and cannot be "
        f"shown again. The old one is good for another {overlap}.",
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
    """Limit what a token may ask, or no longer (RATE is none).

    RATE is 100/s, 600/m or 1000/h. Every intake heeds it within a second or so.
    """
    limit = read_rate(rate, burst)
    with connect(database_url) as connection:
        if not tokens.set_rate(connection, token_id, limit):
            raise click.ClickException(
                f"There is no good token {token_id}; see: penstock token list"
            )
    if as_json:
        print_json({"id": token_id, "rate": limit and asdict(limit)})
    else:
        click.echo(f"token {token_id}: {limit or 'not limited'}")


@token.command(epilog="\b\nExample:\n  penstock token revoke 3")
@click.argument("token_id", metavar="ID", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def revoke(token_id: int, as_json: bool, database_url: str) -> None:
    """Revoke a token for good; every intake refuses it within a second or so."""
    with connect(database_url) as connection:
        if not tokens.revoke_token(connection, token_id):
            raise click.ClickException(
                f"There is no good token {token_id}; see: penstock token list"
            )
    if as_json:
        print_json({"revoked": token_id})
    else:
        click.echo(f"revoked token {token_id}")
