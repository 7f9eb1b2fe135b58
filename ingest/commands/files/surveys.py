"""Statuses in files, counted before the first row is imported (R9, R12).

So a word that means nothing known stops the import before it begins, and the files of
an archive that forbid most are imported last.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from ingest.commands.files.inputs import look_through, prepare
from ingest.commands.files.request import FileRequest
from ingest.domain.counts import count
from ingest.domain.errors import Fault, InvalidRequest, Rejected
from ingest.domain.invisible import trim
from ingest.domain.statuses import DEFAULT_STATUS, PROHIBITION
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.tables import FileTable
from ingest.doors.files.jobs.consent_check import makes_subscriptions
from ingest.settings import Settings
from ingest.store.database import Connection
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.row_statuses import MEANINGS, StatusTally, tell_statuses
from ingest.wire.targets import find_group

#: Words that are shown of a column.
_SHOWN_WORDS = 10


@dataclass(slots=True)
class StatusSurvey:
    """The statuses in the files of a path."""

    #: By the file's name in an archive.
    statuses: dict[str, StatusTally] = field(default_factory=dict)

    def rank(self, member: str) -> float:
        """Return the place of a file of an archive: those that forbid most are last."""
        tally = self.statuses.get(member)
        if tally is None:
            return 0
        counts: Counter[str] = Counter()
        for (_, meaning), number in tally.rows.items():
            counts[meaning] += number
        negative = sum(counts[one] for one in PROHIBITION if one != DEFAULT_STATUS)
        total = negative + counts[DEFAULT_STATUS]
        return negative / total if total else 0


def survey_path(
    path: str,
    settings: Settings,
    connection: Connection,
    asked: FileRequest,
    schemas: ProfileSchemas,
) -> StatusSurvey:
    """Count the statuses in the files of a path; nothing of a pipe.

    Raises InvalidRequest for words of which nobody said what they mean. Of an archive
    that subscribes, also for columns that no file has, and for files whose columns are
    not mapped: they may have the opt-outs. Whatever else is wrong is found when the
    files are imported.
    """
    survey = StatusSurvey()
    tables: dict[str, FileTable] = {}
    refused: list[Fault] = []
    with suppress(UnreadableFile), look_through(path, settings) as inputs:
        for one in inputs:
            try:
                rows = prepare(connection, one, asked, settings, schemas).rows
            except UnreadableFile:
                continue
            except Rejected as error:
                refused += _name_file(one.member, error.faults)
                continue
            if isinstance(rows, FileTable):
                tables[one.member] = rows
                if (tally := _count(rows)) is not None:
                    survey.statuses[one.member] = tally
    faults = [
        fault for tally in survey.statuses.values() for fault in _list_unknown(tally)
    ]
    faults += _list_unmapped(tables, refused, asked.parameters.get("map") or {})
    if faults:
        raise InvalidRequest(faults)
    return survey


def _name_file(member: str, faults: Iterable[Fault]) -> list[Fault]:
    """Return what is wrong with the columns of a file of an archive, with its name."""
    return [
        replace(fault, message=f"{member}: {fault.message}")
        for fault in faults
        if member and fault.path in ("map", "status", "words")
    ]


def _list_unmapped(
    tables: Mapping[str, FileTable], refused: list[Fault], told: Mapping[str, str]
) -> list[Fault]:
    """Return what is not mapped in an archive; of files alone, their import says so."""
    members = [table for member, table in tables.items() if member]
    if not members:
        return []
    headers = [[trim(name) for name in one.form.columns] for one in members]
    faults = [] if refused else _list_strangers(told, headers)
    if any(makes_subscriptions(one.plan) for one in members):
        faults += refused
    return faults


def _count(table: FileTable) -> StatusTally | None:
    """Return the statuses of all rows; None where no column has any."""
    if table.statuses is None:
        return None
    with suppress(UnreadableFile):
        for _ in table:
            pass
    return table.statuses


def _list_unknown(tally: StatusTally) -> list[Fault]:
    """Return a fault for each column with words that mean nothing known."""
    words: dict[str, Counter[str]] = {}
    for (column, word), number in tally.unknown.items():
        words.setdefault(column, Counter())[word] += number
    return [
        Fault(code=400, message=_tell_words(column, each), path="words")
        for column, each in words.items()
    ]


def _tell_words(column: str, words: Counter[str]) -> str:
    shown = ", ".join(
        f"{word[:80]!r} ({number:,})"
        for word, number in words.most_common(_SHOWN_WORDS)
    )
    more = len(words) - _SHOWN_WORDS
    shown += f", and {count(more, 'other word')}" if more > 0 else ""
    first = words.most_common(1)[0][0]
    return (
        f"No status is known by words of the column {column!r}: {shown}. Name them: "
        f'--words "{column}: {first[:80]}={"|".join(MEANINGS)}" (nothing after = if a '
        "word has no meaning, * for any other word)"
    )


def _list_strangers(
    told: Mapping[str, str], headers: Iterable[list[str]]
) -> list[Fault]:
    """Return a fault for each column that is passed and that no file has."""
    known = {name for header in headers for name in header}
    return [
        Fault(code=400, message=f"Unknown column {name!r}", path="map")
        for column in told
        for name in find_group(trim(column), known)
        if name not in known
    ]


def tell_survey(survey: StatusSurvey, path: str) -> list[str]:
    """Return a line for each file with statuses, in the order of their import."""
    members = sorted(survey.statuses, key=survey.rank)
    lines = [
        f"{member or Path(path).name}: {tell_statuses(survey.statuses[member])}"
        for member in members
    ]
    if len(members) > 1:
        whole = StatusTally()
        for tally in survey.statuses.values():
            whole.rows.update(tally.rows)
        lines.append(f"{count(len(members), 'file')}: {tell_statuses(whole)}")
    return lines
