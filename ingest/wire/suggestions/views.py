"""A suggestion as it is shown: JSON, and a map file with its questions (R1)."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from glob import escape
from typing import Any

from ingest.wire.file_maps import FileMap, dump_file_map, to_parameters
from ingest.wire.suggestions.guesses import ColumnGuess, TargetChoice
from ingest.wire.suggestions.suggested_files import Proposal, Question

#: Values of a column that stand in a comment.
_SHOWN = 2


def show_proposal(proposal: Proposal) -> dict[str, Any]:
    """Return a suggestion as JSON: columns, questions, and the options of an import."""
    options = proposal.file_map.options
    return {
        "system": proposal.system or None,
        "title": proposal.title or None,
        "encoding": options.get("encoding"),
        "delimiter": options.get("delimiter"),
        "columns": [_show_column(one) for one in proposal.guesses],
        "questions": [_show_question(one) for one in proposal.questions],
        "notes": list(proposal.notes),
        "parameters": [
            {"name": name, "value": value}
            for name, value in list_query(to_parameters(proposal.file_map))
        ],
    }


def list_query(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a job as those of a query, by name and text."""
    for name, value in parameters.items():
        if name == "words":
            yield from ((name, _write_words(*one)) for one in value.items())
        elif name == "columns":
            yield name, ",".join(value)
        elif isinstance(value, dict):
            for column, one in value.items():
                texts = one if isinstance(one, list) else [one]
                yield from ((name, f"{column}={text}") for text in texts)
        elif isinstance(value, list):
            yield from ((name, str(one)) for one in value)
        else:
            yield name, "true" if value is True else str(value)


def _write_words(column: str, words: Mapping[str, str]) -> str:
    """Return the statuses of words as `--words` has them."""
    line = io.StringIO()
    pairs = [f"{word}={status}" for word, status in words.items()]
    csv.writer(line, lineterminator="").writerow(pairs)
    return f"{column}: {line.getvalue()}"


def _show_column(guess: ColumnGuess) -> dict[str, Any]:
    return {
        "name": guess.column.name,
        "target": guess.target,
        "certain": guess.certain,
        "why": guess.why,
        "samples": list(guess.column.samples),
    }


def _show_question(question: Question) -> dict[str, Any]:
    return {
        "about": question.about,
        "option": question.table or question.key,
        "column": question.column or None,
        "choices": [_show_choice(one) for one in question.choices],
    }


def _show_choice(choice: TargetChoice) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": choice.target, "meaning": choice.meaning}
    return shown | ({"first_of": list(choice.first_of)} if choice.first_of else {})


def write_map(proposal: Proposal, command: str) -> str:
    """Return the map file of a suggestion.

    What is certain is in it; a question is a comment for each answer. `command` is what
    imports the file with it.
    """
    notes = [*_write_head(command, len(proposal.questions)), *_write_notes(proposal)]
    return dump_file_map(proposal.file_map, notes, _list_questions(proposal))


def _list_questions(proposal: Proposal) -> dict[str, list[str]]:
    """Return the lines of all questions, by the table that they stand in."""
    questions: dict[str, list[str]] = {}
    for question in proposal.questions:
        for table, lines in _write_question(question):
            questions.setdefault(table, []).extend(lines)
    return questions


def write_maps(proposals: Mapping[str, Proposal], command: str) -> str:
    """Return the map file of an archive: one suggestion for each of its files (R12)."""
    files = {escape(name): one.file_map for name, one in proposals.items()}
    questions = {escape(name): _list_questions(one) for name, one in proposals.items()}
    notes = list(
        _write_head(command, sum(len(one.questions) for one in proposals.values()))
    )
    for name, one in proposals.items():
        notes += [f"{name}: {note}" for note in _write_notes(one)]
    return dump_file_map(FileMap(files=files), notes, {"files": questions})


def _write_head(command: str, count: int) -> Iterator[str]:
    yield "Map file: the columns of a file, and what each becomes in Penstock."
    yield f"Import with it: {command}"
    yield "An empty target leaves a column out."
    if count:
        open_ones = "1 question is" if count == 1 else f"{count:,} questions are"
        yield f"{open_ones} open. To answer one, remove the # before one of its lines."


def _write_notes(proposal: Proposal) -> Iterator[str]:
    if proposal.title:
        yield f"It looks like a file of {proposal.title}."
    yield from proposal.notes


def _write_question(question: Question) -> Iterator[tuple[str, list[str]]]:
    """Yield the lines of a question by the table that they stand in."""
    lines = ["", _one_line(f"{question.about} Choose one line:")]
    grouped = [one for one in question.choices if one.first_of]
    lines += [
        _write_line(question.key, choice.target, choice.meaning)
        for choice in question.choices
        if not choice.first_of
    ]
    if grouped:
        lines.append("Or choose the line in [first_of].")
        yield (
            "first_of",
            [
                "",
                _one_line(f"{question.about} Instead of a line in [columns]:"),
                *(
                    _write_line(one.target, list(one.first_of), one.meaning)
                    for one in grouped
                ),
            ],
        )
    yield question.table, lines


def _write_line(key: str, value: object, meaning: str) -> str:
    """Return a line of TOML, with what comes of it."""
    name = key if key.isidentifier() and key.isascii() else _quote(key)
    return f"{name} = {_quote(value)}  # {_one_line(meaning)}"


def _quote(value: object) -> str:
    """Return a text, or a list of texts, in TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return " ".join(text.split())
