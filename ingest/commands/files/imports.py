"""Files one after another, each a job."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from threading import Event

import click

from ingest.commands.files.display import Display, Ended
from ingest.commands.files.inputs import Input, open_inputs, prepare
from ingest.commands.files.rejects import write_rejects
from ingest.commands.files.request import FileRequest
from ingest.commands.files.surveys import StatusSurvey, survey_path, tell_survey
from ingest.domain.errors import Rejected
from ingest.domain.jobs import JobState
from ingest.doors.files.formats.archives import SkippedFiles
from ingest.doors.files.jobs.creation import (
    JobRequest,
    hold,
    restart_job,
    resume_job,
    start_job,
)
from ingest.doors.files.jobs.recalled_maps import keep_map
from ingest.doors.files.jobs.runner import Run, run_job
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection, connect
from ingest.store.jobs.rows import count_protected
from ingest.wire.profile_schemas import ProfileSchemas


class StartMode(Enum):
    """The ways to treat an earlier import of the same file that stopped."""

    NEW = auto()
    RESUME = auto()
    ANEW = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file of an archive that was not imported."""

    name: str
    reason: str
    #: Whether nobody meant it to be: the system put it there.
    hidden: bool = False


class Importer:
    """Imports files as they were asked to be."""

    def __init__(
        self,
        settings: Settings,
        asked: FileRequest,
        start: StartMode,
        display: Display,
        stop: Event,
        give_up: Event,
    ) -> None:
        self._settings = settings
        self._asked = asked
        self._start = start
        self._display = display
        self._stop = stop
        self._give_up = give_up

    def run(self, path: str, rejects: Path | None) -> list[Ended | Refused]:
        """Import the files in `path`, one after another.

        One of an archive that cannot be imported harms no other; of others it is
        raised.
        """
        left = SkippedFiles()
        with connect(self._settings.database_url) as connection:
            survey = self._survey(connection, path)
            ended = self._run(connection, path, rejects, left, survey.rank)
        refused = [Refused(name=name, reason=why) for name, why in left.refused.items()]
        hidden = [
            Refused(name=name, reason="hidden file", hidden=True)
            for name in left.hidden
        ]
        return [*ended, *refused, *hidden]

    def _survey(self, connection: Connection, path: str) -> StatusSurvey:
        """Count the statuses of the files, and say them before the first row."""
        catalog = load_catalog(connection, self._settings.profile_limits)
        survey = survey_path(
            path, self._settings, connection, self._asked, ProfileSchemas(catalog)
        )
        for line in tell_survey(survey, path):
            click.echo(line, err=True)
        return survey

    def _run(
        self,
        connection: Connection,
        path: str,
        rejects: Path | None,
        left: SkippedFiles,
        arrange: Callable[[str], float],
    ) -> list[Ended | Refused]:
        ended: list[Ended | Refused] = []
        with open_inputs(path, self._settings, left, arrange) as inputs:
            for one in inputs:
                if self._stop.is_set():
                    break
                try:
                    ended.append(self._import(connection, one, rejects))
                except Rejected as error:
                    if not one.is_member:
                        raise
                    reason = "; ".join(fault.text for fault in error.faults)
                    ended.append(Refused(name=one.name, reason=reason))
        return ended

    def _import(
        self, connection: Connection, one: Input, rejects: Path | None
    ) -> Ended:
        catalog = load_catalog(connection, self._settings.profile_limits)
        schemas = ProfileSchemas(catalog)
        # First: a header that means nothing begins no job.
        prepared = prepare(connection, one, self._asked, self._settings, schemas)
        wanted = JobRequest(
            name=one.name,
            database_id=prepared.shared.database_id,
            parameters=prepared.parameters,
            fingerprint=one.fingerprint,
            total_bytes=one.total_bytes,
        )
        hold(connection, wanted)
        job = _STARTS[self._start](connection, wanted)
        if job.state is not JobState.DONE:
            self._display.begin(Path(one.name).name, job)
            job = run_job(
                self._settings,
                Run(
                    job=job,
                    shared=prepared.shared,
                    rows=prepared.rows,
                    schemas=schemas,
                    count_bytes=lambda: one.packed.count,
                    stop=self._stop,
                    give_up=self._give_up,
                    watch=self._display.show,
                ),
            )
        # Not over the session that holds the file: it may have been lost meanwhile.
        with connect(self._settings.database_url) as fresh:
            protected = count_protected(fresh, job.id) if job.counts.protected else {}
            kept = write_rejects(fresh, job, rejects)
            keep_map(fresh, job, prepared.head)
            return Ended(
                job=job,
                rejects=kept,
                protected=protected,
                recalled=prepared.recalled,
                statuses=prepared.statuses,
            )


_STARTS = {
    StartMode.NEW: start_job,
    StartMode.RESUME: resume_job,
    StartMode.ANEW: restart_job,
}
