"""`penstock undo`: take back imports, those of a job, or those of a period."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from threading import Event
from typing import Any

import click
import orjson
from msgspec import to_builtins

from ingest.commands.count_display import CountDisplay
from ingest.commands.databases import find_settings, state_dir_option
from ingest.commands.filters import Moment
from ingest.commands.interrupts import stop_on_signals
from ingest.commands.outputs import COMMAND_LINE, ask, print_json
from ingest.commands.undo_choices import UndoChoice, choose
from ingest.domain.counts import count
from ingest.domain.errors import PenstockError
from ingest.domain.imports import Outcome
from ingest.domain.jobs import JobState
from ingest.domain.releases import withdraw
from ingest.doors.files.jobs.undo_jobs import (
    UndoRun,
    make_job,
    run_undo,
)
from ingest.geo import open_locator
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection, connect, snapshot
from ingest.store.faults import unavailable_while_away
from ingest.store.jobs.progress import Job, insert_job
from ingest.store.receipts.undo_totals import (
    UndoTotals,
    list_not_reversed,
    load_totals,
)
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.undo import MAX_REASON, UndoRequest, UndoTarget
from workers.held import HeldCases
from workers.undo_previews import name_pile, preview_undo

_REVERSED, _NOT_ALL, _FAILED, _INTERRUPTED = 0, 1, 2, 130
_EPILOG = """\b
Examples:
  penstock undo --job 01a20b4f-1cd3-744b-9db7-530000000000 --dry-run
  penstock undo --job 01a20b4f-1cd3-744b-9db7-530000000000 --reason "wrong file"
  penstock undo 01a22b10-8c24-7221-b826-c1cd986040cb
  penstock undo --database 1 --since 2026-11-29T10:00 --until 2026-11-29T11:00
  penstock undo --database 1 --since 2026-11-29T10:00 --token 3

\b
Exit status:
  0    everything is reversed
  1    some values are kept or could not be reversed
  2    usage error, or nothing was started
  130  interrupted; run the same command again
"""


class _Failed(click.ClickException):
    exit_code = _FAILED


@click.command("undo", epilog=_EPILOG)
@click.argument("import_ids", nargs=-1, type=click.UUID, metavar="[IMPORT]…")
@click.option("--job", "job_id", type=click.UUID, metavar="ID", help="All of a job.")
@click.option(
    "--token", "token_id", type=int, metavar="ID", help="Only what a token sent."
)
@click.option("--database", type=int, metavar="ID", help="Database, with --since.")
@click.option("--since", type=Moment(), metavar="TIME", help="Applied since (UTC).")
@click.option("--until", type=Moment(), metavar="TIME", help="Applied before (UTC).")
@click.option("--reason", default="", metavar="TEXT", help="Reason, for the receipts.")
@click.option(
    "--restore-consent",
    is_flag=True,
    help="Also restore statuses that allow more; needs --reason.",
)
@click.option("--dry-run", is_flag=True, help="Show the result; write nothing.")
@click.option(
    "--not-reversed",
    type=click.File("wb", lazy=True),
    metavar="FILE",
    help="Write what is kept or cannot be reversed to this file (NDJSON).",
)
@click.option("--yes", "is_sure", is_flag=True, help="Do not prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@state_dir_option
def undo(**options: Any) -> None:
    """Undo imports: restore what the profiles would be without them.

    What was changed since is kept, and so is consent. Each undo is an import with a
    receipt, and can be undone. The command waits until all are applied. To see the
    result in advance: --dry-run.
    """
    _check(options)
    settings = find_settings(options["state_dir"])
    request = UndoRequest(
        reason=options["reason"], restore_consent=options["restore_consent"]
    )
    try:
        with (
            unavailable_while_away(),
            connect(
                settings.database_url, application_name="penstock-undo"
            ) as connection,
        ):
            chosen = choose(connection, options)
            status = _run(settings, connection, chosen, request, options)
    except PenstockError as error:
        raise _Failed(str(error)) from error
    sys.exit(status)


def _check(options: dict[str, Any]) -> None:
    of_period = bool(options["token_id"] or options["since"] or options["until"])
    named = (options["import_ids"], options["job_id"], of_period)
    if sum(map(bool, named)) != 1:
        raise click.UsageError("Pass import IDs, --job, or --since")
    if of_period and not (options["since"] and options["database"]):
        told = "--token" if options["token_id"] else "A period"
        raise click.UsageError(f"{told} needs --database and --since")
    if options["until"] and options["until"] < options["since"]:
        raise click.UsageError("--until must be after --since")
    if options["restore_consent"] and not options["reason"]:
        raise click.UsageError("--restore-consent needs --reason")
    if len(options["reason"]) > MAX_REASON:
        raise click.UsageError(f"--reason is too long (at most {MAX_REASON})")


def _run(
    settings: Settings,
    connection: Connection,
    chosen: UndoChoice,
    request: UndoRequest,
    options: dict[str, Any],
) -> int:
    schemas = ProfileSchemas(
        load_catalog(connection, settings.profile_limits),
        open_locator(settings.geoip_database),
    )
    if options["dry_run"]:
        return _preview(connection, chosen, request, schemas, options)
    question = f"Undo {count(chosen.total + len(chosen.held), 'import')}?"
    ask(question, is_sure=options["is_sure"], as_json=options["as_json"])
    rejected = _reject(settings, connection, chosen, request)
    job = make_job(
        request,
        chosen.what,
        name=chosen.name,
        database_id=chosen.database_id,
        token_id=None,
    )
    insert_job(connection, job)
    stop, give_up = Event(), Event()
    stop_on_signals(stop, give_up)
    with CountDisplay("Undo", chosen.total) as display:
        run = UndoRun(
            job=job,
            request=request,
            targets=chosen.targets,
            schemas=schemas,
            stop=stop,
            give_up=give_up,
            watch=lambda progress: display.show(progress.settled),
        )
        job = run_undo(settings, run)
    totals = load_totals(connection, job.id)
    _write(options["not_reversed"], list_not_reversed(connection, job.id))
    _tell(chosen, totals, rejected, options, job)
    if job.state is not JobState.DONE:
        return _INTERRUPTED if stop.is_set() else _FAILED
    return _REVERSED if totals.is_all else _NOT_ALL


def _reject(
    settings: Settings,
    connection: Connection,
    chosen: UndoChoice,
    request: UndoRequest,
) -> int:
    """Reject those that are held (U11); return how many."""
    cases = HeldCases(connection, limits=settings.profile_limits)
    decision, rejected = withdraw(request.reason, by=COMMAND_LINE), 0
    for start in range(0, len(chosen.held), _PAGE):
        page = chosen.held[start : start + _PAGE]
        rejected += len(cases.decide_listed(page, decision))
    return rejected


def _preview(
    connection: Connection,
    chosen: UndoChoice,
    request: UndoRequest,
    schemas: ProfileSchemas,
    options: dict[str, Any],
) -> int:
    """Print what would come of it, computed in one snapshot."""
    counts: Counter[str] = Counter()
    # They come one after another: a job may have millions.
    profiles, last = 0, ""
    with (
        snapshot(connection),
        CountDisplay("Undo", chosen.total) as display,
    ):
        targets = chosen.targets(connection)
        left: list[dict[str, object]] = []
        for number, (target, outcome) in enumerate(
            preview_undo(connection, targets, chosen.find_all, request, schemas), 1
        ):
            counts[name_pile(outcome)] += 1
            profiles += target.profile_id != last
            last = target.profile_id
            if outcome.kept or outcome.faults:
                left.append(_describe(target, outcome))
            display.show(number)
            if len(left) >= _PAGE:
                _write(options["not_reversed"], left)
                left = []
        _write(options["not_reversed"], left)
    totals = UndoTotals(
        reversed=counts["reversed"],
        partly=counts["partly"],
        kept=counts["kept"],
        cannot=counts["cannot"],
        profiles=profiles,
    )
    _tell(chosen, totals, len(chosen.held), options, None)
    return _REVERSED if totals.is_all else _NOT_ALL


#: Lines that are written at once.
_PAGE = 1000


def _describe(target: UndoTarget, outcome: Outcome) -> dict[str, object]:
    return {
        "undoes": target.import_id,
        "profile_id": target.profile_id,
        "kept": to_builtins(outcome.kept),
        "cannot": to_builtins(outcome.faults),
    }


def _write(file: Any, lines: Iterator[object] | Sequence[object]) -> None:
    """Write a line for each import that is not reversed, if somebody wants them."""
    if file is None:
        return
    for line in lines:
        file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _tell(
    chosen: UndoChoice,
    totals: UndoTotals,
    rejected: int,
    options: dict[str, Any],
    job: Job | None,
) -> None:
    if options["as_json"]:
        state = "dry_run" if job is None else job.state.value
        own = {} if job is None else {"job_id": str(job.id)}
        counts = {**asdict(totals), "rejected": rejected}
        print_json({**own, "name": chosen.name, "state": state, **counts})
        return
    told = (
        f"{totals.reversed:,} reversed, {totals.partly:,} partly, {totals.kept:,} kept,"
        f" {totals.cannot:,} cannot be reversed; {count(totals.profiles, 'profile')}"
    )
    if rejected:
        told += f"; {count(rejected, 'held import')} rejected"
    if job is None:
        click.echo(f"{chosen.name}: dry run; nothing was written. Result: {told}")
    else:
        click.echo(f"{chosen.name}: {job.state.value}: {told} (job {job.id})")
        if job.error_text:
            click.echo(f"  {job.error_text}")
        click.echo(f"  To redo: penstock undo --job {job.id}")
