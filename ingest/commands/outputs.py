"""Output of commands: JSON for machines, tables and questions for people."""

import sys
from collections.abc import Iterable, Mapping
from datetime import datetime

import click
import orjson
from msgspec import to_builtins
from rich.console import Console
from rich.table import Table

#: Who decides by a command, in receipts.
COMMAND_LINE = "command line"
#: Color of each state.
_COLORS: Mapping[str, str] = {
    "created": "green",
    "updated": "green",
    "unchanged": "dim",
    "removed": "green",
    "rejected": "yellow",
    "dead": "bold red",
    "delivered": "green",
    "pending": "cyan",
    "failed": "bold red",
    "done": "green",
    "running": "cyan",
    "applying": "cyan",
    "interrupted": "yellow",
    "cancelled": "dim",
}


#: Columns of what is no terminal: more than any line has.
_UNBROKEN = 100_000


def ask(question: str, *, is_sure: bool, as_json: bool) -> None:
    """Prompt before a change; abort if the answer is no."""
    if is_sure:
        return
    if as_json:
        raise click.UsageError("--json does not prompt; add --yes.")
    click.confirm(question, abort=True, err=True)


def print_json(document: object, *, indent: bool = True) -> None:
    """Print a document or a record as JSON, its moments in ISO 8601."""
    option = orjson.OPT_INDENT_2 if indent else 0
    click.echo(orjson.dumps(document, to_builtins, option).decode())


def make_console() -> Console:
    """Return the console for people; stored values are never read as markup.

    If output is not a terminal, programs read it: no line is broken or cut.
    """
    width = None if sys.stdout.isatty() else _UNBROKEN
    return Console(markup=False, highlight=False, width=width)


def make_table(*columns: str, title: str = "") -> Table:
    """Return a quiet table."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def print_pairs(console: Console, pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns; omit names without a value."""
    grid = Table.grid(padding=(0, 2))
    for name, value in pairs:
        if value:
            grid.add_row(name, value)
    console.print(grid)


def moment(at: datetime | None) -> str:
    """Write a moment (UTC) to the millisecond; nothing for none."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"


def color_of(state: str) -> str:
    """Return the color of a state."""
    return _COLORS.get(state, "default")
