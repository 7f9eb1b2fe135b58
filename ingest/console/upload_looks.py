"""A file in the spool: what it was recognised as, and what was answered about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import Any

from ingest.console.services import Services
from ingest.domain.catalog import Catalog, Database
from ingest.domain.errors import InvalidRequest, NotFound
from ingest.doors.files.jobs.options import find_job_mark, find_kept_of
from ingest.doors.files.jobs.recalled_maps import recall
from ingest.doors.files.spooled_files import SpooledSample, read_spooled
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection
from ingest.store.uploads import SpooledFile
from ingest.wire.column_answers import (
    AnsweredColumns,
    begin_answers,
    name_columns,
    read_answers,
    read_reading,
)
from ingest.wire.file_maps import FileMap
from ingest.wire.suggestions.proposals import propose
from ingest.wire.suggestions.suggested_files import Proposal

#: The input that says that the form of the columns was sent, and for which columns.
HEADER = "header"
#: Inputs that are kept of a form for other columns.
_OF_FILE = ("db_id", "encoding", "delimiter", "sheet", "no_header")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLook:
    """A file, what its first rows show, and the form about it."""

    file: SpooledFile
    catalog: Catalog
    database: Database
    answers: Mapping[str, str]
    #: None if it cannot be read as it was told to.
    sample: SpooledSample | None = None
    #: None for documents, which name their fields.
    proposal: Proposal | None = None
    #: Options of an earlier file with these columns, and which that was.
    recalled: Mapping[str, Any] = field(default_factory=dict)
    recalled_from: str = ""
    answered: AnsweredColumns = field(default_factory=AnsweredColumns)
    #: Why it cannot be read, or no earlier mapping can be used.
    faults: Sequence[str] = ()

    @property
    def is_table(self) -> bool:
        """Whether it has columns."""
        return self.sample is not None and bool(self.sample.header)

    @property
    def parameters(self) -> dict[str, Any]:
        """The options of an import of the file."""
        found = dict(self.answered.parameters)
        if self.sample is not None:
            found |= {**self.sample.options, **read_reading(self.answers)}
            if self.answers.get("no_header"):
                found["columns"] = list(self.sample.header)
        return found


async def look_at(
    services: Services, file: SpooledFile, answers: Mapping[str, str] | None = None
) -> FileLook:
    """Return a file as its page shows it; `answers` are those that are kept, or newer.

    Raises NotFound if it has expired, or there is no database.
    """
    told = dict(file.answers if answers is None else answers)
    catalog = await services.read(
        partial(load_catalog, limits=services.settings.profile_limits)
    )
    database = _find_database(catalog, told.get("db_id", ""))
    look = FileLook(file=file, catalog=catalog, database=database, answers=told)
    try:
        sample = await services.look_at_file(partial(_read, services, look))
        return await _propose(services, look, sample)
    except InvalidRequest as error:
        faults = [fault.text for fault in error.faults]
        return replace(look, faults=faults)


def _find_database(catalog: Catalog, told: str) -> Database:
    """Return the database that was chosen; the first one before."""
    if not told:
        first = next(iter(sorted(catalog.databases)), None)
        if first is None:
            raise NotFound("The catalog declares no profile database")
        return catalog.databases[first]
    number = int(told) if told.isascii() and told.isdecimal() else 0
    if number not in catalog.databases:
        raise NotFound("Database not found", "db_id")
    return catalog.databases[number]


def _read(services: Services, look: FileLook) -> SpooledSample:
    file, spool = look.file, services.spool
    read = partial(
        read_spooled,
        services.settings,
        spool.find_path(file.id),
        spool.find_sample(file.id),
        (file.name, file.member),
        database=look.database,
    )
    reading = read_reading(look.answers)
    if not look.answers.get("no_header"):
        return read(parameters=reading)
    width = len(read(parameters=reading).header)
    return read(parameters={**reading, "columns": name_columns(width)})


async def _propose(
    services: Services, look: FileLook, sample: SpooledSample
) -> FileLook:
    """Return the look with what the columns are taken for, and what was answered."""
    if not sample.header:
        answered = read_answers(look.answers, (), _NOTHING)
        return replace(look, sample=sample, answered=answered)
    find = partial(_recall, look=look, header=sample.header)
    recalled, source, faults = await services.read(find)
    told = recalled.get("map") or {}
    work = partial(propose, sample.to_sample(look.file.title), look.database, told)
    proposal = await services.look_at_file(work)
    answers = dict(look.answers)
    if answers.get(HEADER) != name_header(sample.header):
        kept = {name: answers[name] for name in _OF_FILE if name in answers}
        answers = {**begin_answers(sample.header, proposal, recalled), **kept}
        answers[HEADER] = name_header(sample.header)
    answered = read_answers(answers, sample.header, proposal, recalled)
    return replace(
        look,
        answers=answers,
        sample=sample,
        proposal=proposal,
        recalled=recalled,
        recalled_from=source,
        answered=answered,
        faults=faults,
    )


#: Of documents, nothing is suggested.
_NOTHING = Proposal(
    system="", title="", guesses=(), questions=(), notes=(), file_map=FileMap()
)


def name_header(header: Sequence[str]) -> str:
    """Return what tells columns from others, in a form about them."""
    # Lengths, so that no two lists read alike.
    told = "".join(f"{len(one)}:{one}" for one in header)
    return blake2b(told.encode(), digest_size=8).hexdigest()


def _recall(
    connection: Connection, look: FileLook, header: Sequence[str]
) -> tuple[Mapping[str, Any], str, Sequence[str]]:
    """Return the options of the file that had these columns, its name, and faults.

    Of a file of rejects, those of its job.
    """
    database_id, name = look.database.id, look.file.title
    try:
        if (job_id := find_job_mark(header)) is not None:
            kept = find_kept_of(connection, job_id, database_id)
            told = {one: value for one, value in kept.items() if one != "dialect"}
            return told, f"the import whose rejects these are (job {job_id})", ()
        found = recall(connection, database_id, name, header, {})
    except InvalidRequest as error:
        return {}, "", [fault.text for fault in error.faults]
    if found is None:
        return {}, "", ()
    return found.parameters, f"an earlier file: {found.describe()}", ()
