"""`penstock import`: import files of profiles."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import click

from ingest.commands.databases import find_settings, state_dir_option
from ingest.commands.files.display import Display, Ended, SkippedFile, summarize
from ingest.commands.files.dry_runs import dry_run_files
from ingest.commands.files.imports import Importer, Refused, StartMode
from ingest.commands.files.options import file_options, row_options
from ingest.commands.files.request import FileRequest, load_request
from ingest.commands.files.restore import restore_file
from ingest.commands.files.suggestions import (
    accept_certain,
    explain_unmapped,
    suggest_files,
)
from ingest.commands.interrupts import stop_on_signals
from ingest.commands.outputs import print_json
from ingest.domain.counts import count
from ingest.domain.errors import Fault, InvalidRequest, PenstockError, Rejected
from ingest.domain.jobs import JobState
from ingest.garbage import collect_rarely
from ingest.settings import Settings
from ingest.store.faults import unavailable_while_away

#: Exit statuses.
_APPLIED, _REJECTED, _FAILED, _INTERRUPTED = 0, 1, 2, 130
_EPILOG = """\b
Examples:
  penstock import people.csv --database 1 --matching email
  penstock import people.csv --database 1 --suggest
  penstock import people.csv --database 1 --map "E-mail=email" --map "Notes="
  penstock import export.zip --database 1 --matching custom --field code --update-only
  zcat people.ndjson.gz | penstock import - --database 1 --matching phone
  penstock import people.csv --database 1 --dry-run
  penstock import people.csv --database 1 --resume

\b
Exit status:
  0    all rows applied
  1    some rows rejected or dead; see the rejects file
  2    unreadable file, or nothing started
  130  interrupted; continue with --resume
"""


class _Failed(click.ClickException):
    exit_code = _FAILED


@click.command("import", epilog=_EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@row_options
@file_options
@click.option("--resume", is_flag=True, help="Continue an interrupted import.")
@click.option("--restart", is_flag=True, help="Start again from the first row.")
@click.option(
    "--restore",
    is_flag=True,
    help="Restore an export into an empty database, as it was.",
)
@click.option(
    "--suggest",
    is_flag=True,
    help="Suggest a target for each column; import nothing.",
)
@click.option(
    "--accept",
    type=click.Choice(["certain"]),
    help="Import what a suggestion is certain of only.",
)
@click.option("--dry-run", is_flag=True, help="Show the changes without writing them.")
@click.option(
    "--show",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Number of rows to show in a dry run.",
)
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Rejects file, for one input file.  [default: next to it]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@state_dir_option
def import_(files: tuple[str, ...], **options: Any) -> None:
    """Import files of profiles.

    Reads tables (CSV, .xlsx, .xls, .ods, HTML), vCards, NDJSON, and JSON, also
    packed; `-` is standard input. Columns are matched to fields by name or title,
    ignoring case; for files of other systems, see --suggest. `phones` may have several
    values, separated by , ; or |. `email_sub` and `phone_sub` also subscribe their
    contact. Empty cells change nothing. Every row gets a receipt. The command waits
    until all rows are applied.
    """
    if options["update_only"] and options["add"]:
        raise click.UsageError("Use only one of --update-only and --add")
    if options["resume"] and options["restart"]:
        raise click.UsageError("Use only one of --resume and --restart")
    if options["rejects"] is not None and len(files) > 1:
        raise click.UsageError("--rejects needs exactly one input file")
    settings = find_settings(options["state_dir"])
    if options["accept"] and (len(files) > 1 or files[0] == "-"):
        raise click.UsageError("--accept needs exactly one file, which is no pipe")
    try:
        asked = load_request(options)
        with unavailable_while_away():
            status = _run(settings, files, asked, options)
    except PenstockError as error:
        raise _Failed(_explain(error)) from error
    sys.exit(status)


def _run(
    settings: Settings,
    files: tuple[str, ...],
    asked: FileRequest,
    options: Mapping[str, Any],
) -> int:
    """Import the files, restore them, or run them dry; return the exit status."""
    if options["restore"]:
        return _restore(settings, files, asked, options)
    if options["suggest"]:
        return suggest_files(settings, files, asked, options)
    if options["accept"]:
        asked = accept_certain(settings, files[0], asked, quiet=options["as_json"])
    try:
        if options["dry_run"]:
            return dry_run_files(
                settings, files, asked, show=options["show"], as_json=options["as_json"]
            )
        return _import_all(settings, files, asked, options)
    except Rejected as error:
        is_unmapped = any(one.path == "map" for one in error.faults)
        if options["as_json"] or not is_unmapped:
            raise
        is_explained = explain_unmapped(settings, files, asked)
        faults = _shorten(error.faults) if is_explained else error.faults
        raise InvalidRequest(list(faults)) from error


#: What is said of a column whose name is no field's, perhaps behind its file's name.
_UNMAPPED = "No field is called "
#: Such columns that are named again below their table.
_NAMED = 5


def _shorten(faults: Sequence[Fault]) -> list[Fault]:
    """Return faults with one for all columns without a field, if these are many."""
    unmapped = [one for one in faults if _UNMAPPED in one.message]
    if len(unmapped) <= _NAMED:
        return [*faults]
    message = (
        f"{count(len(unmapped), 'column')} have no field yet (see the table above)"
    )
    others = [one for one in faults if one not in unmapped]
    return [*others, Fault(code=400, message=message, path="map")]


_NOT_OF_RESTORE = ("resume", "restart", "dry_run", "rejects", "format_")


def _restore(
    settings: Settings,
    files: tuple[str, ...],
    asked: FileRequest,
    options: Mapping[str, Any],
) -> int:
    """Restore one export, which says all there is to say; return the exit status."""
    others = any(options[name] for name in _NOT_OF_RESTORE)
    if len(files) != 1 or others or asked.parameters.keys() != {"db_id"}:
        raise click.UsageError(
            "--restore needs exactly one file, and only --database, --json, or "
            "--state-dir besides"
        )
    restored = restore_file(settings, Path(files[0]), asked.parameters["db_id"])
    if options["as_json"]:
        print_json({"name": files[0], "state": "done", "restored": restored})
    else:
        click.echo(f"{files[0]}: {count(restored, 'profile')} restored")
    return _APPLIED


def _import_all(
    settings: Settings,
    files: tuple[str, ...],
    asked: FileRequest,
    options: Mapping[str, Any],
) -> int:
    """Import one file after another, until interrupted; return the exit status."""
    collect_rarely()
    start = StartMode.NEW
    if options["resume"] or options["restart"]:
        start = StartMode.RESUME if options["resume"] else StartMode.ANEW
    stop, give_up = Event(), Event()
    stop_on_signals(stop, give_up)
    ended: list[Ended | Refused] = []
    with Display(quiet=not sys.stderr.isatty()) as display:
        importer = Importer(settings, asked, start, display, stop, give_up)
        for file in files:
            ended += importer.run(file, options["rejects"])
            if stop.is_set():
                break
    summarize(
        [one for one in ended if isinstance(one, Ended)],
        [
            SkippedFile(name=one.name, reason=one.reason, hidden=one.hidden)
            for one in ended
            if isinstance(one, Refused)
        ],
        as_json=options["as_json"],
    )
    return _choose_status(ended, stop)


def _choose_status(ended: list[Ended | Refused], stop: Event) -> int:
    jobs = [one.job for one in ended if isinstance(one, Ended)]
    if any(isinstance(one, Refused) and not one.hidden for one in ended):
        return _FAILED
    if any(job.state is JobState.FAILED for job in jobs):
        return _FAILED
    if stop.is_set() and any(job.state is not JobState.DONE for job in jobs):
        return _INTERRUPTED
    if any(job.counts.rejected or job.counts.dead for job in jobs):
        return _REJECTED
    return _APPLIED


def _explain(error: PenstockError) -> str:
    """Return every message, one per line."""
    if isinstance(error, Rejected):
        return "\n".join(fault.message for fault in error.faults)
    return str(error)
