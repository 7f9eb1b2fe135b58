"""The answers of a form about the columns of a file, and the options that they are.

The form begins with a suggestion, or with the mapping of an earlier file (R1, R11).
What it says is read as the query of an upload, by the same rules.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.invisible import trim
from ingest.wire.cell_rules import NOTATIONS
from ingest.wire.file_maps import to_parameters
from ingest.wire.forms import gather
from ingest.wire.headers import OWN_PREFIX
from ingest.wire.job_parameters import UploadParameters, load_upload
from ingest.wire.row_statuses import NOTHING
from ingest.wire.suggestions.suggested_files import Proposal
from ingest.wire.suggestions.views import list_query
from ingest.wire.targets import find_group, join_columns

#: A target that leaves a column out, and a word that has no meaning: not no answer.
LEFT_OUT = "-"
#: Before a target that several columns have, of which the first that is filled counts.
FIRST_OF = "first:"
#: What says how a file is read: its columns may be others with others.
READING = ("member", "encoding", "delimiter", "sheet", "no_header")
#: Options of the whole file, by the name of their input.
_TEXTS = (
    *("matching", "field_name", "operation", "resource_id", "status"),
    *("phone_region", "timezone", "add_to_segments"),
)
_FLAGS = ("skip_invalid_fields", "skip_invalid_subscriptions", "skip_triggers")
#: Of a mapping that is used again, what the form does not show.
_KEPT = ("system", "skip_where", "skip_footer", "trust_quotes", "clear")
_TYPE = "application/octet-stream"

Answers = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredColumns:
    """The options that a form says, and what it leaves open."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: What is missing, by the place of the column.
    faults: Mapping[int, str] = field(default_factory=dict)


def list_columns(header: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the columns that may have a target, each with its place.

    Not those without a name, those of rejects, and those whose name comes again.
    """
    seen: set[str] = set()
    for place, text in enumerate(header):
        name = trim(text)
        if name and name not in seen and not name.lower().startswith(OWN_PREFIX):
            seen.add(name)
            yield place, name


def name_columns(width: int) -> list[str]:
    """Return the names of columns that have none: A, B, and so on."""
    return [name_place(place) for place in range(width)]


def name_place(place: int) -> str:
    """Return the letters of a column in a spreadsheet."""
    letters, left = "", place + 1
    while left:
        left, digit = divmod(left - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def begin_answers(
    header: Sequence[str],
    proposal: Proposal,
    recalled: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return the answers of a form that nobody has filled in.

    `recalled` are the options of an earlier file with these columns. A column that is
    asked about has no answer.
    """
    parameters = dict(to_parameters(proposal.file_map))
    if recalled is not None:
        parameters = {**parameters, **recalled}
    answers = {name: str(parameters[name]) for name in _TEXTS if parameters.get(name)}
    answers |= {name: "1" for name in _FLAGS if parameters.get(name)}
    answers["null"] = ",".join(parameters.get("null") or ())
    targets: Mapping[str, str] = parameters.get("map") or {}
    groups = _list_groups(targets, [name for _, name in list_columns(header)])
    for place, name in list_columns(header):
        answers |= _begin_column(place, name, parameters, groups)
    asked = {guess.column.place for guess in proposal.guesses if guess.choices}
    for place, _ in list_columns(header):
        if place not in asked:
            answers.setdefault(f"target.{place}", LEFT_OUT)
    return {name: one for name, one in answers.items() if one}


def _list_groups(targets: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return the target of each column that shares it with others."""
    groups: dict[str, str] = {}
    for text, target in targets.items():
        group = find_group(text, names)
        if len(group) > 1:
            groups.update(dict.fromkeys(group, target))
    return groups


def _begin_column(
    place: int,
    name: str,
    parameters: Mapping[str, Any],
    groups: Mapping[str, str],
) -> dict[str, str]:
    answers: dict[str, str] = {}
    targets: Mapping[str, str] = parameters.get("map") or {}
    if name in groups:
        answers[f"target.{place}"] = f"{FIRST_OF}{groups[name]}"
    elif name in targets:
        answers[f"target.{place}"] = targets[name] or LEFT_OUT
    for option in NOTATIONS:
        for text in parameters.get(option) or ():
            column, _, value = text.rpartition("=")
            if column.strip() in (name, ""):
                answers[f"{option}.{place}"] = value
    return answers


def read_answers(
    answers: Answers,
    header: Sequence[str],
    proposal: Proposal,
    recalled: Mapping[str, Any] | None = None,
) -> AnsweredColumns:
    """Return the options that a form says."""
    kept = {**to_parameters(proposal.file_map), **(recalled or {})}
    parameters: dict[str, Any] = {name: kept[name] for name in _KEPT if kept.get(name)}
    parameters |= {name: answers[name] for name in _TEXTS if answers.get(name)}
    parameters |= {name: True for name in _FLAGS if answers.get(name)}
    nulls = [one.strip() for one in answers.get("null", "").split(",")]
    parameters["null"] = [one for one in nulls if one]
    faults: dict[int, str] = {}
    open_dates = {one.column for one in proposal.questions if one.table == "dates"}
    targets: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for place, name in list_columns(header):
        told = answers.get(f"target.{place}", "")
        if not told:
            faults[place] = "Choose a target, or leave the column out."
        elif told.startswith(FIRST_OF):
            groups.setdefault(told.removeprefix(FIRST_OF), []).append(name)
        else:
            targets[name] = "" if told == LEFT_OUT else told
        is_open = name in open_dates and told not in ("", LEFT_OUT)
        if is_open and not answers.get(f"dates.{place}"):
            faults[place] = "Choose whether the day or the month comes first."
    parameters["map"] = {**targets, **_join_groups(groups, kept)}
    parameters |= _read_cells(answers, header, parameters["map"], kept)
    return AnsweredColumns(parameters=parameters, faults=faults)


def _join_groups(
    groups: Mapping[str, Sequence[str]], kept: Mapping[str, Any]
) -> dict[str, str]:
    """Return the columns of each group in the order of preference, with its target."""
    joined = {}
    for target, names in groups.items():
        told = next(
            (
                group
                for text, other in (kept.get("map") or {}).items()
                if other == target and len(group := find_group(text, names)) > 1
            ),
            (),
        )
        ordered = [*(one for one in told if one in names)]
        ordered += [one for one in names if one not in ordered]
        joined[join_columns(ordered)] = target
    return joined


def _read_cells(
    answers: Answers,
    header: Sequence[str],
    targets: Mapping[str, str],
    kept: Mapping[str, Any],
) -> dict[str, Any]:
    """Return how the cells of columns are written, and what their words mean."""
    found: dict[str, Any] = {option: [] for option in NOTATIONS}
    words: dict[str, dict[str, str]] = {}
    for place, name in list_columns(header):
        if targets.get(name) == "":
            continue
        if ".status" in targets.get(name, ""):
            words[name] = dict((kept.get("words") or {}).get(name) or {})
        for option in NOTATIONS:
            if value := answers.get(f"{option}.{place}"):
                found[option].append(f"{name}={value}")
        before = f"word.{place}."
        for key, meaning in answers.items():
            if key.startswith(before):
                word = key.removeprefix(before)
                said = NOTHING if meaning == LEFT_OUT else meaning
                words.setdefault(name, {})[word] = said
    return {**found, "words": words}


def read_reading(answers: Answers) -> dict[str, Any]:
    """Return the options of a form that say how the file is read."""
    names = ("encoding", "delimiter", "sheet")
    return {name: answers[name] for name in names if answers.get(name)}


def load_answers(
    parameters: Mapping[str, Any], *, name: str, database_id: int, dry_run: bool
) -> UploadParameters:
    """Return options as the query of an upload says them; raise InvalidRequest."""
    told = {one: value for one, value in parameters.items() if value not in ({}, [])}
    pairs = [*list_query(told), ("name", name), ("db_id", str(database_id))]
    pairs.append(("new_map", "true"))
    if dry_run:
        pairs.append(("dry_run", "true"))
    return load_upload(gather(pairs), _TYPE)


_NAMED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


def place_faults(
    error: InvalidRequest, header: Sequence[str]
) -> tuple[dict[int, str], list[Fault]]:
    """Return the faults of a mapping by the places of their columns, and the others.

    A fault names its column.
    """
    places = {name: place for place, name in list_columns(header)}
    by_place: dict[int, str] = {}
    others: list[Fault] = []
    for fault in error.faults:
        names = [one or other for one, other in _NAMED.findall(fault.message)]
        place = next((places[one] for one in names if one in places), None)
        if place is None:
            others.append(fault)
        else:
            by_place.setdefault(place, fault.message)
    return by_place, others
