"""`penstock import --suggest`: what the columns of a file could be, before any is used.

Nothing is imported. The suggestion is printed, and written as a map file next to the
file; what it does not know is a question in it.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest.commands.files.inputs import look_through
from ingest.commands.files.request import FileRequest
from ingest.commands.outputs import print_json
from ingest.domain.catalog import Database
from ingest.domain.counts import count
from ingest.domain.errors import NotFound, Rejected
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.jobs.options import make_reading
from ingest.doors.files.jobs.recalled_maps import recall
from ingest.doors.files.samples import read_sample
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import connect
from ingest.wire.file_maps import FileMap, join_parameters, to_parameters
from ingest.wire.suggestions.guesses import ColumnGuess
from ingest.wire.suggestions.proposals import propose
from ingest.wire.suggestions.suggested_files import Proposal
from ingest.wire.suggestions.views import show_proposal, write_map, write_maps

#: The end of a map file's name.
_SUFFIX = ".map.toml"
_WIDTH = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """The suggestions for the files of a path."""

    path: str
    #: By the name of the file in an archive; the empty name is of the path itself.
    proposals: Mapping[str, Proposal]
    #: Why a file of an archive has none.
    refused: Mapping[str, str]

    @property
    def map_path(self) -> Path:
        """The path of the map file."""
        return Path(f"{self.path}{_SUFFIX}")


def suggest_files(
    settings: Settings,
    paths: Sequence[str],
    asked: FileRequest,
    options: Mapping[str, Any],
) -> int:
    """Print the suggestions for the files, and write their map files; return 0."""
    database = _load_database(settings, asked)
    shown: list[dict[str, Any]] = []
    for path in paths:
        found = _suggest(path, settings, asked, database)
        written = _write(found, asked)
        if options["as_json"]:
            shown += [
                {"name": _name(path, member), **show_proposal(one)}
                for member, one in found.proposals.items()
            ]
            continue
        print_suggestions(found)
        click.echo(written)
    if options["as_json"]:
        print_json(shown[0] if len(shown) == 1 else shown)
    return 0


def accept_certain(
    settings: Settings, path: str, asked: FileRequest, *, quiet: bool
) -> FileRequest:
    """Return the request with what a suggestion is certain of; the rest is left out.

    Prints the suggestion, unless it is to be `quiet`.
    """
    found = _suggest(path, settings, asked, _load_database(settings, asked))
    if not quiet:
        print_suggestions(found, err=True)
    accepted = {
        name: to_parameters(one.accepted) for name, one in found.proposals.items()
    }
    whole = accepted.pop("", {})
    return FileRequest(
        parameters=join_parameters(asked.parameters, whole),
        format=asked.format,
        members={
            **asked.members,
            **{
                escape(name): join_parameters(asked.find(name), one)
                for name, one in accepted.items()
            },
        },
        new_map=True,
    )


def explain_unmapped(
    settings: Settings, paths: Sequence[str], asked: FileRequest
) -> bool:
    """Print suggestions for files that were refused, and the command that keeps them.

    Return whether there were any: nothing is printed of a file that cannot be read
    twice.
    """
    is_explained = False
    for path in paths:
        if not Path(path).is_file():
            continue
        try:
            found = _suggest(path, settings, asked, _load_database(settings, asked))
        except UnreadableFile:
            continue
        if found.proposals:
            told = {
                **(asked.parameters.get("map") or {}),
                **_recall(settings, found, asked),
            }
            print_suggestions(found, err=True, told=told)
            click.echo(
                f"To write a map file: {_command(path, asked)} --suggest", err=True
            )
            is_explained = True
    return is_explained


def _recall(settings: Settings, found: Suggested, asked: FileRequest) -> dict[str, str]:
    """Return what an earlier mapping has of the columns, which need no suggestion."""
    if asked.new_map:
        return {}
    targets: dict[str, str] = {}
    with connect(settings.database_url, application_name="penstock-suggest") as opened:
        for member, proposal in found.proposals.items():
            header = [guess.column.name for guess in proposal.guesses]
            told, name = asked.find(member), _name(found.path, member)
            # Whoever imports the file hears of what that lacks.
            with suppress(Rejected):
                earlier = recall(opened, told["db_id"], name, header, told)
                targets |= earlier.parameters.get("map", {}) if earlier else {}
    return targets


def _load_database(settings: Settings, asked: FileRequest) -> Database:
    with connect(settings.database_url, application_name="penstock-suggest") as opened:
        catalog = load_catalog(opened, settings.profile_limits)
    database = catalog.databases.get(asked.parameters["db_id"])
    if database is None:
        raise NotFound("Database not found", "db_id")
    return database


def _suggest(
    path: str, settings: Settings, asked: FileRequest, database: Database
) -> Suggested:
    """Return the suggestions for the files of a path; raise what one alone raises."""
    proposals: dict[str, Proposal] = {}
    refused: dict[str, str] = {}
    with look_through(path, settings, from_pipe=True) as inputs:
        for one in inputs:
            parameters = asked.find(one.member)
            reading = make_reading(settings, parameters, resource_id=None)
            try:
                sample = read_sample(one.stream, reading, Path(one.name).name)
                told = parameters.get("map") or {}
                proposals[one.member] = propose(sample, database, told)
            except (Rejected, UnreadableFile) as error:
                if not one.is_member:
                    raise
                refused[one.member] = str(error)
    return Suggested(path=path, proposals=proposals, refused=refused)


def _write(found: Suggested, asked: FileRequest) -> str:
    """Write the map file next to the file; return what came of it, and what to do."""
    target = found.map_path
    command = f"{_command(found.path, asked)} --map-file {shlex.quote(str(target))}"
    whole = found.proposals.get("")
    text = (
        write_maps(found.proposals, command)
        if whole is None
        else write_map(whole, command)
    )
    if found.path == "-":
        return text
    told = f"Wrote {target}"
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        told = f"Kept {target}, which exists already"
    except OSError as error:
        return f"Could not write {target} ({error.strerror}):\n{text}"
    open_ones = sum(len(one.questions) for one in found.proposals.values())
    if open_ones:
        told += f". Answer its {count(open_ones, 'question')}, then"
    else:
        told += ". To try it"
    return f"{told}: {command} --dry-run"


def _command(path: str, asked: FileRequest) -> str:
    database = asked.parameters["db_id"]
    return f"penstock import {shlex.quote(path)} --database {database}"


def _name(path: str, member: str) -> str:
    return f"{path}/{member}" if member else path


def print_suggestions(
    found: Suggested, *, err: bool = False, told: Iterable[str] = ()
) -> None:
    """Print a table of the columns of each file, and its questions and notes.

    Columns that are `told` are not in it.
    """
    known = set(told)
    console = Console(stderr=err, soft_wrap=False)
    if not console.is_terminal:
        console.width = _WIDTH
    for member, proposal in found.proposals.items():
        name = _name(found.path, member)
        looks = f": {proposal.title}" if proposal.title else ""
        console.print(Text(f"{name}{looks}"))
        console.print(_make_table(proposal, known))
        for line in _tell(proposal):
            click.echo(line, err=err)
    for member, reason in found.refused.items():
        click.echo(f"{_name(found.path, member)}: {reason}", err=err)


def _make_table(proposal: Proposal, known: Set[str]) -> Table:
    table = Table(
        "Column", "Values", "Target", "Why", "", box=None, padding=(0, 2, 0, 0)
    )
    for guess in proposal.guesses:
        if guess.column.name not in known:
            cells = _make_row(guess, proposal.file_map)
            table.add_row(*(Text(cell) for cell in cells))
    return table


def _make_row(guess: ColumnGuess, file_map: FileMap) -> Iterator[str]:
    name = guess.column.name
    grouped = next(
        (one for one, names in file_map.first_of.items() if name in names), ""
    )
    yield name
    yield " | ".join(guess.column.samples)
    if guess.certain:
        yield (
            grouped
            or guess.target
            or ("left out" if guess.target == "" else "no field")
        )
    else:
        yield guess.target or "?"
    yield guess.why
    yield "certain" if guess.certain else "question"


def _tell(proposal: Proposal) -> Iterator[str]:
    for question in proposal.questions:
        choices = "; ".join(
            f"{choice.target or 'nothing'} ({choice.meaning})"
            for choice in question.choices
        )
        yield f"? {question.about} Choices: {choices}"
    yield from (f"- {note}" for note in proposal.notes)
