"""The columns of a file as a form shows them: samples, targets, and notations."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from msgspec import Struct

from ingest.domain.catalog import Database, Field, FieldType
from ingest.domain.errors import InvalidValue
from ingest.domain.invisible import trim
from ingest.domain.notations import (
    Notation,
    date_notation,
    decimal_notation,
    words_notation,
)
from ingest.domain.suggestions import BOOLEAN_PAIRS, DATE_FORMATS, SEX_PAIRS
from ingest.domain.table_dates import DayOrder, NoDate, read_table_date
from ingest.wire.column_answers import (
    FIRST_OF,
    LEFT_OUT,
    Answers,
    list_columns,
    name_place,
)
from ingest.wire.row_statuses import MEANINGS, WordReader
from ingest.wire.suggestions.guesses import ColumnGuess
from ingest.wire.suggestions.samples import SampledColumn
from ingest.wire.suggestions.suggested_files import Proposal
from ingest.wire.targets import join_columns

#: Words of a column of statuses that are shown.
_MOST_WORDS = 20
#: The share of cells that a notation must read to be offered.
_OFFERED = 0.5

#: What else a column may hold than a field, and what comes of it.
_CONTACTS = {
    "email": "Email",
    "email+email_sub": "Email, with a subscription",
    "phones": "Phones",
    "phones+phone_sub": "Phones, with a subscription",
}
_NAMES = {
    "full_name:given_first": "Whole name, given name first",
    "full_name:family_first": "Whole name, family name first",
    "full_name:comma": "Whole name, as Lovelace, Ada",
}
_SUBSCRIPTIONS = {
    "email_sub.status": "Status of the email subscription",
    "email_sub.time": "Time of the email consent",
    "email_sub.source": "Source of the email consent",
    "phone_sub.status": "Status of the SMS subscription",
    "phone_sub.time": "Time of the SMS consent",
    "phone_sub.source": "Source of the SMS consent",
}
_KEYS = {
    "profile_id": "Profile ID",
    "provider": "Provider",
    "subscription_id": "Subscription ID",
    "as_of": "Time of the values",
}


class ChoiceView(Struct, frozen=True):
    """An option of a select."""

    value: str
    label: str
    selected: bool = False


class ChoiceGroup(Struct, frozen=True):
    """Options with a heading; an empty one has none."""

    title: str
    choices: Sequence[ChoiceView]


class ReadingView(Struct, frozen=True):
    """A select that says how cells are read."""

    name: str
    label: str
    choices: Sequence[ChoiceView]


class ColumnView(Struct, frozen=True, kw_only=True):
    """A row of the form."""

    place: int
    #: As spreadsheets name it.
    letters: str
    name: str
    samples: Sequence[str]
    #: Per cent of the first rows.
    filled: int
    #: The name of its input; empty for a column that has none.
    input: str
    groups: Sequence[ChoiceGroup]
    readings: Sequence[ReadingView]
    why: str
    #: `certain`, `asked`, or `none` for no field.
    tone: str
    #: What is asked about it.
    question: str
    fault: str


def view_columns(
    header: Sequence[str],
    proposal: Proposal,
    database: Database,
    answers: Answers,
    faults: Mapping[int, str],
    words: Mapping[str, Mapping[str, str]] | None = None,
) -> list[ColumnView]:
    """Return the columns of a table; `faults` are by their places.

    `words` are the meanings that need no answer, by column.
    """
    names = dict(list_columns(header))
    form = _Form(proposal, database, answers, names, words or {})
    return [
        form.view(guess, faults.get(guess.column.place, ""))
        for guess in proposal.guesses
    ]


class _Form:
    """What is the same for all columns."""

    def __init__(
        self,
        proposal: Proposal,
        database: Database,
        answers: Answers,
        names: Mapping[int, str],
        words: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._words = words
        self._proposal = proposal
        self._database = database
        self._answers = answers
        self._names = names
        self._fields = _list_fields(database)
        self._questions = {
            one.column: one.about for one in proposal.questions if one.column
        }

    def view(self, guess: ColumnGuess, fault: str) -> ColumnView:
        """Return the view of a column."""
        column, place = guess.column, guess.column.place
        name = f"target.{place}" if place in self._names else ""
        told = self._answers.get(name, "")
        rows = len(column.rows) or 1
        return ColumnView(
            place=place,
            letters=name_place(place),
            name=trim(column.name),
            samples=[_cut(one) for one in column.rows[:2]],
            filled=len(column.cells) * 100 // rows,
            input=name,
            groups=list(self._list_groups(guess, told)) if name else [],
            readings=list(self._list_readings(column, told)) if name else [],
            why=guess.why,
            tone=_find_tone(guess, told),
            question=self._questions.get(column.name, ""),
            fault=fault,
        )

    def _list_groups(self, guess: ColumnGuess, told: str) -> Iterator[ChoiceGroup]:
        first = [ChoiceView("", "Choose…", not told)] if guess.choices else []
        first.append(ChoiceView(LEFT_OUT, "Leave out", told == LEFT_OUT))
        yield ChoiceGroup("", first)
        listed = {"", LEFT_OUT}
        if suggested := dict(self._list_suggested(guess)):
            yield ChoiceGroup("Suggested", _choose(suggested, told))
            listed |= suggested.keys()
        has_resources = self._database.default_resource_id is not None
        contacts = {
            one: label
            for one, label in _CONTACTS.items()
            if has_resources or "_sub" not in one
        }
        for title, named in (
            ("Contacts", contacts),
            ("Fields", {**self._fields, **_NAMES}),
            ("Subscriptions", _SUBSCRIPTIONS if has_resources else {}),
            ("Keys", _KEYS),
        ):
            rest = {one: label for one, label in named.items() if one not in listed}
            listed |= rest.keys()
            if rest:
                yield ChoiceGroup(title, _choose(rest, told))
        if told not in listed:
            yield ChoiceGroup("Chosen", [ChoiceView(told, told, selected=True)])

    def _list_suggested(self, guess: ColumnGuess) -> Iterator[tuple[str, str]]:
        for target, columns in self._proposal.file_map.first_of.items():
            if guess.column.name in columns:
                names = join_columns(columns)
                yield f"{FIRST_OF}{target}", f"{target}: the first filled of {names}"
        for choice in guess.choices:
            if choice.first_of:
                names = join_columns(choice.first_of)
                yield (
                    f"{FIRST_OF}{choice.target}",
                    f"{choice.target}: the first filled of {names}",
                )
            elif choice.target:
                yield choice.target, _begin(choice.meaning)

    def _list_readings(self, column: SampledColumn, told: str) -> Iterator[ReadingView]:
        for target in told.removeprefix(FIRST_OF).split("+"):
            if target.endswith(".status"):
                yield from self._list_words(column)
                continue
            kind = _find_type(target, self._database)
            if kind is not None and kind in _READINGS:
                option, label, offer = _READINGS[kind]
                name = f"{option}.{column.place}"
                chosen = self._answers.get(name, "")
                choices = [
                    ChoiceView(value, text, value == chosen)
                    for value, text in offer(column.cells)
                ]
                if chosen and not any(one.selected for one in choices):
                    choices.append(ChoiceView(chosen, chosen, selected=True))
                if len(choices) > 1 or choices[0].label not in _UNTOLD:
                    yield ReadingView(name, f"{label} of {trim(column.name)}", choices)

    def _list_words(self, column: SampledColumn) -> Iterator[ReadingView]:
        """Yield a select for each word of a column of statuses."""
        known = WordReader(self._words.get(trim(column.name), {}))
        counts = Counter(" ".join(cell.split()) for cell in column.cells)
        for word, number in counts.most_common(_MOST_WORDS):
            if len(word) > 80:
                continue
            name = f"word.{column.place}.{word}"
            usual, chosen = known.find(word), self._answers.get(name, "")
            first = "Choose…" if usual is None else f"Usual meaning: {usual or 'none'}"
            choices = [
                ChoiceView("", first, not chosen),
                *(ChoiceView(one, _MEANT[one], one == chosen) for one in _MEANT),
            ]
            yield ReadingView(name, f"{word} ({number:,})", choices)


#: What a word may mean, as people say it.
_MEANT = {
    **{one: one for one in MEANINGS},
    "none": "did not agree",
    LEFT_OUT: "no meaning",
}


def _choose(named: Mapping[str, str], told: str) -> list[ChoiceView]:
    return [ChoiceView(one, label, one == told) for one, label in named.items()]


def _list_fields(database: Database) -> dict[str, str]:
    """Return the fields by their titles, those of the database first."""
    ordered = sorted(database.fields.values(), key=lambda one: one.system)
    titles = Counter(one.title or one.name for one in ordered)
    return {one.name: _name_field(one, titles) for one in ordered}


def _name_field(field: Field, titles: Mapping[str, int]) -> str:
    title = field.title or field.name
    return title if titles[title] == 1 else f"{title} ({field.name})"


def _find_type(target: str, database: Database) -> FieldType | None:
    if target.endswith(".time") or target in ("as_of", "consent_time"):
        return FieldType.DATE
    declared = database.fields.get(target)
    return declared.type if declared else None


def _find_tone(guess: ColumnGuess, told: str) -> str:
    if not guess.certain:
        return "asked"
    return "none" if guess.target is None and told in ("", LEFT_OUT) else "certain"


def _cut(cell: str, length: int = 40) -> str:
    line = " ".join(cell.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]


def _find_read(
    read: Callable[[str], str | None], cells: Sequence[str]
) -> tuple[str, str] | None:
    """Return a cell and what it is read as; None if too few cells are read."""
    found = [(cell, text) for cell in cells if (text := _try(read, cell)) is not None]
    return found[0] if found and len(found) >= _OFFERED * len(cells) else None


def _try(read: Callable[[str], str | None], cell: str) -> str | None:
    with suppress(InvalidValue):
        return read(cell)
    return None


def _offer_dates(cells: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the formats of dates that read cells, each with the first date."""
    usual = _find_read(partial(_read_usual, None), cells)
    if usual is not None:
        yield "", f"{usual[0]} is {_day(usual[1])}"
        return
    orders = {one: _find_read(partial(_read_usual, one), cells) for one in DayOrder}
    is_open = any(orders.values())
    yield "", "Choose…" if is_open else "Usual forms"
    for order, found in orders.items():
        if found is not None:
            title = f"{order.value.partition('-')[0].capitalize()} first"
            yield order.value, f"{title}: {found[0]} is {_day(found[1])}"
    for text in () if is_open else DATE_FORMATS:
        found = _find_read(date_notation(text), cells)
        if found is not None:
            yield text, f"{text}: {found[0]} is {_day(found[1])}"


def _read_usual(order: DayOrder | None, cell: str) -> str | None:
    found = read_table_date(cell, order)
    return None if isinstance(found, NoDate) else found


def _day(text: str) -> str:
    """Return a date as people write it, where it has no time."""
    with suppress(ValueError):
        day = datetime.fromisoformat(text)
        return f"{day.day} {day:%b %Y}"
    return text


def _offer_numbers(cells: Sequence[str]) -> Iterator[tuple[str, str]]:
    marked = [cell for cell in cells if not cell.lstrip("+-").isdigit()]
    yield "", "As usual"
    for mark, title in ((",", "Decimal comma"), (".", "Decimal point")):
        found = _find_read(decimal_notation(mark), marked)
        if found is not None:
            yield mark, f"{title}: {found[0]} is {found[1]}"


def _offer_words(
    pairs: Sequence[str], meanings: tuple[str, str]
) -> Callable[[Sequence[str]], Iterator[tuple[str, str]]]:
    def offer(cells: Sequence[str]) -> Iterator[tuple[str, str]]:
        yield "", "Usual words"
        for pair in pairs:
            read: Notation = words_notation([pair], meanings)
            if _find_read(read, cells) is not None:
                one, other = pair.split("/")
                yield pair, f"{one} is {meanings[0]}, {other} is {meanings[1]}"

    return offer


#: What says nothing if there is no choice.
_UNTOLD = ("As usual", "Usual words", "Usual forms")
#: Types that are read in several ways: the option, its name, and what is offered.
_READINGS: Mapping[FieldType, tuple[str, str, Any]] = {
    FieldType.DATE: ("dates", "Dates", _offer_dates),
    FieldType.INT: ("decimal", "Numbers", _offer_numbers),
    FieldType.FLOAT: ("decimal", "Numbers", _offer_numbers),
    FieldType.BOOL: (
        "booleans",
        "Words",
        _offer_words(BOOLEAN_PAIRS, ("true", "false")),
    ),
    FieldType.SEX: ("sexes", "Words", _offer_words(SEX_PAIRS, ("male", "female"))),
}
