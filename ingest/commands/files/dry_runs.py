"""`penstock import --dry-run`: the outcome of each row, without writing anything.

Each batch of rows is applied in a transaction that is rolled back, so profiles are
locked for a short time only. A row sees the changes of its own batch, not those of
earlier batches.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any

import click
from msgspec import Struct, to_builtins

from ingest.commands.files.display import tell_encoding
from ingest.commands.files.inputs import Input, open_inputs, prepare
from ingest.commands.files.request import FileRequest
from ingest.commands.files.surveys import survey_path, tell_survey
from ingest.commands.outputs import print_json
from ingest.domain.consent import is_protecting
from ingest.domain.errors import Fault, Rejected
from ingest.domain.imports import Outcome, State
from ingest.domain.jobs import JobCounts, new_job_id
from ingest.doors.files.formats.archives import SkippedFiles, UnreadableFile
from ingest.doors.files.formats.tables import FileTable
from ingest.doors.files.jobs.creation import MAP_OF
from ingest.doors.files.jobs.fault_groups import FaultGroups
from ingest.doors.files.jobs.row_validation import RowResult, RowValidator
from ingest.doors.files.rows import FileRow
from ingest.geo import open_locator
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection, connect
from ingest.wire.cell_notes import tell_notes
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.row_statuses import tell_statuses
from workers.dry_runs import dry_run


class Foreseen(Struct, frozen=True, kw_only=True):
    """Outcome of one row in a dry run."""

    row: int
    state: State
    #: None for a profile that would be created, whose id is not known.
    profile_id: str | None = None
    matched_by: str | None = None
    #: Field path → [old, new].
    changes: dict[str, tuple[object, object]]
    faults: tuple[Fault, ...] = ()
    #: Statuses that it would be kept from raising.
    protected: int = 0


def dry_run_files(
    settings: Settings,
    paths: Sequence[str],
    asked: FileRequest,
    *,
    show: int,
    as_json: bool,
) -> int:
    """Print the outcomes of the files' rows, the first `show` in full.

    Errors are grouped by kind. Returns 2 if a file cannot be read, 1 if any row
    would be rejected, else 0.
    """
    summaries: list[dict[str, Any]] = []
    with connect(settings.database_url, application_name="penstock-dry-run") as opened:
        schemas = ProfileSchemas(
            load_catalog(opened, settings.profile_limits),
            open_locator(settings.geoip_database),
        )
        for path in paths:
            survey = survey_path(path, settings, opened, asked, schemas)
            if not as_json:
                click.echo(
                    "".join(f"{line}\n" for line in tell_survey(survey, path)), nl=False
                )
            left = SkippedFiles()
            with open_inputs(path, settings, left, survey.rank) as inputs:
                for one in inputs:
                    begin = partial(_DryRun, settings, opened, asked, one, schemas)
                    if (run := _begin(begin, one, left)) is not None:
                        summaries.append(_print(one.name, run, show, as_json))
            summaries += _print_left(left, as_json=as_json)
    if as_json:
        print_json(summaries)
    if any(each["state"] in {"refused", "failed"} for each in summaries):
        return 2
    return int(any(each.get("rejected") or each.get("dead") for each in summaries))


def _begin(
    begin: Callable[[], "_DryRun"], one: Input, left: SkippedFiles
) -> "_DryRun | None":
    """Return the dry run of a file; None for one of an archive that is refused."""
    try:
        return begin()
    except Rejected as error:
        if not one.is_member:
            raise
        left.refused[one.name] = str(error)
    return None


def _print_left(left: SkippedFiles, *, as_json: bool) -> list[dict[str, Any]]:
    """Print the files of an archive that were not read, with the reason."""
    refused = [("refused", *one) for one in left.refused.items()]
    hidden = [("skipped", name, "hidden file") for name in left.hidden]
    told = [*refused, *hidden]
    if not as_json:
        for state, name, reason in told:
            click.echo(f"{name}: {state}: {reason}")
    return [
        {"name": name, "state": state, "error_text": reason}
        for state, name, reason in told
    ]


class _DryRun:
    """Dry run of the rows of one file."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        asked: FileRequest,
        one: Input,
        schemas: ProfileSchemas,
    ) -> None:
        self._connection = connection
        self._batch_size = settings.batch_size
        self._schemas = schemas
        prepared = prepare(connection, one, asked, settings, schemas)
        self._rows = prepared.rows
        self.prepared = prepared
        #: The statuses that it would be kept from raising: how many, by the status.
        self.kept: Counter[str] = Counter()
        self.form = asdict(self._rows.form)
        rows = self._rows
        self.faults = FaultGroups(rows.columns if isinstance(rows, FileTable) else ())
        #: Why the file could not be read to its end.
        self.failure = ""
        self._validator = RowValidator(
            prepared.shared,
            job_id=new_job_id(datetime.now(UTC)),
            token_id=None,
            schemas=self._schemas,
            partitions=settings.partitions,
        )

    def __iter__(self) -> Iterator[Foreseen]:
        """Yield the outcome of each row, in order."""
        rows = self._read()
        while batch := list(islice(rows, self._batch_size)):
            yield from self._foresee_all(
                self._validator.validate_all(batch, batch[0].number - 1)
            )

    def _read(self) -> Iterator[FileRow]:
        try:
            yield from self._rows
        except UnreadableFile as error:
            self.failure = str(error)

    def _foresee_all(self, results: Sequence[RowResult]) -> Iterator[Foreseen]:
        imports = [one.accepted.import_ for one in results if one.accepted is not None]
        outcomes = {
            outcome.import_id: outcome
            for outcome in dry_run(self._connection, imports, self._schemas)
        }
        for result in results:
            if result.accepted is None:
                yield self._reject(result)
            else:
                yield self._foresee(
                    result.row, outcomes[result.accepted.import_.import_id]
                )

    def _reject(self, result: RowResult) -> Foreseen:
        row = result.row
        self.faults.add(row.number, row.content, result.faults)
        return Foreseen(
            row=row.number, state=State.REJECTED, changes={}, faults=result.faults
        )

    def _foresee(self, row: FileRow, outcome: Outcome) -> Foreseen:
        self.faults.add(row.number, row.content, outcome.faults)
        self.faults.add(row.number, row.content, outcome.skipped, dropped=True)
        if not outcome.faults:
            self.faults.note(row.element.get("data"))
        self.kept.update(
            str(one.stored) for one in outcome.kept if is_protecting(one.reason)
        )
        created = outcome.state is State.CREATED
        return Foreseen(
            row=row.number,
            state=outcome.state,
            profile_id=None if created else outcome.profile_id,
            matched_by=outcome.matched_by,
            changes=dict(outcome.changes),
            faults=outcome.faults,
            protected=outcome.protected,
        )


def _print(name: str, run: _DryRun, show: int, as_json: bool) -> dict[str, Any]:
    """Print the first rows that change something, the errors, and the counts."""
    counts = JobCounts()
    shown: list[dict[str, Any]] = []
    for one in run:
        counts = counts.plus(one.state).protecting(one.protected)
        if one.state is not State.UNCHANGED and len(shown) < show:
            if as_json or not one.faults:
                shown.append(to_builtins(one))
            if not as_json and not one.faults:
                click.echo(_describe(one))
    told = ", ".join(f"{count:,} {state}" for state, count in counts.show().items())
    if not as_json:
        _tell(name, run, told)
    return {
        "name": name,
        "state": "failed" if run.failure else "dry_run",
        "error_text": run.failure,
        "rows": counts.total,
        **counts.show(),
        **_show(run),
        "faults": run.faults.list_kinds(),
        "notes": run.prepared.rows.list_notes(),
        "possible_nulls": run.faults.list_nothings(),
        "shown": shown,
    }


def _tell(name: str, run: _DryRun, result: str) -> None:
    for line in run.faults.tell():
        click.echo(line)
    if run.failure:
        click.echo(run.failure)
    click.echo(f"{name}: dry run; nothing was written. Result: {result}")
    for line in _tell_more(run):
        click.echo(f"  {line}")


def _show(run: _DryRun) -> dict[str, Any]:
    """Return how the file was read, and what it says of its people."""
    statuses = run.prepared.statuses
    return {
        **{name: run.form[name] for name in ("encoding", "encoding_source", "sheet")},
        "map_of": run.prepared.parameters.get(MAP_OF),
        "statuses": {} if statuses is None else statuses.show(),
        "kept": dict(run.kept),
    }


def _tell_more(run: _DryRun) -> Iterator[str]:
    """Yield how the file was read, and what it says of its people."""
    yield tell_encoding(run.form)
    yield from tell_notes(run.prepared.rows.list_notes())
    if run.prepared.recalled is not None:
        yield run.prepared.recalled.describe()
    statuses = run.prepared.statuses
    if statuses is not None and statuses.rows:
        yield f"Statuses: {tell_statuses(statuses)}"
    if run.kept:
        kept = ", ".join(f"{status}: {number:,}" for status, number in run.kept.items())
        yield f"Protected: {run.kept.total():,} (kept {kept})"


def _describe(one: Foreseen) -> str:
    told = [f"{path}: {old!r} → {new!r}" for path, (old, new) in one.changes.items()]
    profile = f" {one.profile_id} by {one.matched_by}" if one.profile_id else ""
    return f"row {one.row}: {one.state}{profile}: {'; '.join(told)}"
