"""Errors of the rows of a file, by kind: count, sample, and remedy."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any

import orjson
from msgspec import Meta, Struct

from ingest.domain.errors import Fault
from ingest.domain.invisible import trim
from ingest.domain.remedies.table import find_reason, find_remedy
from ingest.domain.suggestions import NOTHINGS, Suggestion, suggest
from ingest.doors.files.rows import load_cells
from ingest.wire.headers import SUBSCRIPTION

#: Values of one kind that are kept, to tell how they are written.
_KEPT = 200
#: Kinds that are told apart; whatever else is wrong is counted together.
_MOST_KINDS = 1000
_OTHERS = Fault(code=400, message="Other errors")
#: How much of a value is shown.
_SHOWN_CHARACTERS = 60
#: Values of one kind that are told.
_SAMPLES = 3
_SAMPLE_CHARACTERS = 200
#: What is kept of a job: kinds, and rows of each.
_DUMPED_KINDS = 100
_DUMPED_ROWS = 3
_INDEXES = re.compile(r"\[[0-9]+\]")
#: A place in a row, or a count, makes no other kind of a fault.
_NUMBERS = re.compile(r"[0-9][0-9,]*")
_SUBSCRIBED = re.compile(r"data\.subscriptions\[([0-9]+)\]")
_INCORRECT = re.compile("Incorrect ([a-z])(.*)")
_TIMES = "\N{MULTIPLICATION SIGN}"


def write_option(told: Suggestion) -> str:
    """Return what a command line says: `--dates DD.MM.YYYY`."""
    return f"--{told.option} {_quote(told.value)}"


def write_parameter(told: Suggestion) -> str:
    """Return what the query of an upload says, before it is encoded."""
    return f"{told.option}={told.value}"


class FaultKind(Struct, frozen=True, kw_only=True, rename={"try_": "try"}):
    """Errors of one kind."""

    count: int
    column: str | None
    field: str
    message: str
    sample: str | None
    samples: Annotated[list[str], Meta(description="Up to three distinct values")]
    rows: Annotated[list[int], Meta(description="The first rows")]
    dropped: Annotated[
        bool, Meta(description="True if the other fields of the rows were imported")
    ]
    try_: Annotated[
        list[str], Meta(description="Parameters that would read these values")
    ]
    reason: str
    fix: str


class PossibleNull(Struct, frozen=True, kw_only=True, rename={"try_": "try"}):
    """A stored word that may mean an empty value."""

    count: int
    column: str
    value: str
    try_: str


@dataclass(slots=True)
class _Kind:
    fault: Fault
    #: Whether the rest of the rows is imported.
    dropped: bool
    count: int = 0
    rows: list[int] = field(default_factory=list)
    #: Values of the rows of before.
    samples: list[str] = field(default_factory=list)
    #: Distinct values, in the order of appearance.
    values: dict[str, None] = field(default_factory=dict)
    #: Of a table, where the first value stands.
    column: str | None = None
    #: What would have read the values of before; None if there were none.
    tried: tuple[Suggestion, ...] | None = None

    def suggest(self) -> tuple[Suggestion, ...]:
        """Return what would read all of its values; the likeliest first."""
        found = tuple(suggest(self.fault.message, self.values))
        if self.tried is None or not self.values:
            return found if self.tried is None else self.tried
        return tuple(one for one in self.tried if one in found) or found


class FaultGroups:
    """Gathers faults, row after row; memory is bounded, whatever the rows."""

    def __init__(
        self,
        columns: Sequence[tuple[str, str]] = (),
        write: Callable[[Suggestion], str] = write_option,
    ) -> None:
        """Begin; `columns` are those of a table, each with what it holds.

        `write` writes what may be told of how they are written.
        """
        self._write = write
        # A blank name is a column's too, and nobody asks for it.
        self._names = [trim(column) or target for column, target in columns]
        self._targets = [target for _, target in columns]
        self._kinds: dict[tuple[str, str, bool], _Kind] = {}
        self._nothings: dict[tuple[str, str], int] = {}

    def add(
        self,
        row: int,
        content: bytes,
        faults: Sequence[Fault],
        *,
        dropped: bool = False,
    ) -> None:
        """Count what is wrong with a row, as it is kept.

        If it is `dropped`, the rest of the row is imported.
        """
        for fault in faults:
            kind = self._find_kind(fault, dropped=dropped)
            kind.count += 1
            if len(kind.rows) < 5:
                kind.rows.append(row)
            if len(kind.values) >= _KEPT:
                continue
            column, value = self._find_value(content, fault.path)
            kind.column = kind.column or column
            if value:
                kind.values[value] = None

    def _find_kind(self, fault: Fault, *, dropped: bool) -> _Kind:
        place = _INDEXES.sub("", fault.path)
        key = (place, _NUMBERS.sub("0", fault.message), dropped)
        if key not in self._kinds and len(self._kinds) >= _MOST_KINDS:
            key, fault = ("", "", dropped), _OTHERS
        return self._kinds.setdefault(key, _Kind(fault, dropped))

    def note(self, data: object) -> None:
        """Count the words that programs write for nothing, in a row that is good."""
        if not self._targets or not isinstance(data, Mapping):
            return
        for name, value in data.items():
            if isinstance(value, str) and value.casefold() in NOTHINGS:
                place = self._find_place(str(name))
                key = (str(name) if place is None else self._names[place], value)
                self._nothings[key] = self._nothings.get(key, 0) + 1

    def _find_value(self, content: bytes, path: str) -> tuple[str | None, str]:
        """Return the column and the value that a path leads to, where it does."""
        if not self._targets:
            return None, _find_member(content, path)
        cells = load_cells(content)
        if found := _SUBSCRIBED.match(path):
            place = self._find_subscription(cells, int(found[1]))
        else:
            place = self._find_place(path.removeprefix("data."))
            place = self._find_place(_target(path)) if place is None else place
        if place is None:
            return None, ""
        value = cells[place].strip() if place < len(cells) else ""
        return self._names[place], value

    def _find_place(self, target: str) -> int | None:
        if target in self._targets:
            return self._targets.index(target)
        parts = (one.split("+") for one in self._targets)
        return next((at for at, one in enumerate(parts) if target in one), None)

    def _find_subscription(self, cells: Sequence[str], number: int) -> int | None:
        """Return which column holds a subscription: of those that hold any."""
        places = [
            place
            for place, target in enumerate(self._targets)
            if any(map(SUBSCRIPTION.fullmatch, target.split("+")))
            and place < len(cells)
            and cells[place].strip()
        ]
        return places[number] if number < len(places) else None

    def list_kinds(self) -> list[FaultKind]:
        """Return each kind of fault, the commonest first."""
        kinds = sorted(self._kinds.values(), key=lambda kind: -kind.count)
        return [self._describe(kind) for kind in kinds]

    def _describe(self, kind: _Kind) -> FaultKind:
        tried = kind.suggest() if self._targets else ()
        return FaultKind(
            count=kind.count,
            column=kind.column,
            field=_INDEXES.sub("", kind.fault.path),
            message=kind.fault.message,
            sample=next(map(_spell, (*kind.samples, *kind.values)), None),
            samples=_choose_samples(kind),
            rows=kind.rows,
            dropped=kind.dropped,
            try_=list(map(self._write, tried)),
            reason=find_reason(kind.fault),
            fix=find_remedy(kind.fault),
        )

    def dump(self) -> list[dict[str, object]]:
        """Return the commonest kinds without a value of any row, as JSON."""
        kinds = sorted(self._kinds.values(), key=lambda kind: -kind.count)
        return [
            {
                "code": kind.fault.code,
                "message": kind.fault.message,
                "path": kind.fault.path,
                "dropped": kind.dropped,
                "count": kind.count,
                "rows": kind.rows[:_DUMPED_ROWS],
                "column": kind.column,
                "try": [[one.option, one.value] for one in kind.suggest()],
            }
            for kind in kinds[:_DUMPED_KINDS]
        ]

    def load(
        self, dumped: Sequence[Mapping[str, Any]], contents: Mapping[int, bytes]
    ) -> None:
        """Go on from what was dumped; `contents` are those of some of its rows."""
        for one in dumped:
            fault = Fault(code=one["code"], message=one["message"], path=one["path"])
            kind = self._find_kind(fault, dropped=one["dropped"])
            kind.count += one["count"]
            kind.rows += one["rows"]
            kind.column = kind.column or one["column"]
            kind.tried = tuple(Suggestion(*each) for each in one["try"])
            for row in one["rows"]:
                if row in contents:
                    _, value = self._find_value(contents[row], fault.path)
                    kind.samples += [value] if value else []

    def tell(self) -> Iterator[str]:
        """Yield a line for each kind of fault, then for each word that says nothing."""
        for kind in self.list_kinds():
            yield _tell(kind)
        for note in self.list_nothings():
            yield (
                f"{note.count:,} {_TIMES} {note.column}: stored as "
                f"{note.value!r}; if it means an empty value, {note.try_}"
            )

    def list_nothings(self) -> list[PossibleNull]:
        """Return the words of good rows that may say nothing."""
        return [
            PossibleNull(
                count=count,
                column=column,
                value=value,
                try_=f"try {write_option(Suggestion('null', value))}",
            )
            for (column, value), count in self._nothings.items()
        ]


def _choose_samples(kind: _Kind) -> list[str]:
    values = dict.fromkeys(map(_spell, (*kind.samples, *kind.values)))
    return [one[:_SAMPLE_CHARACTERS] for one in islice(values, _SAMPLES)]


def _tell(kind: FaultKind) -> str:
    where = kind.column or kind.field
    text = f"{kind.count:,} {_TIMES} " + (f"{where}: " if where else "")
    text += phrase(kind.message)
    if kind.sample:
        text += f", found {_show(kind.sample)}"
    if kind.dropped:
        text += " (the rest of the row is imported)"
    if kind.try_:
        return f"{text}; try {' or '.join(kind.try_)}"
    return f"{text} (row {_list(kind.rows)}). {kind.fix}"


def phrase(message: str) -> str:
    """Return a fault's message as it goes on behind a column: `not a date`."""
    if found := _INCORRECT.fullmatch(message):
        article = "an" if found[1] in "aeiou" else "a"
        return f"not {article} {found[1]}{found[2]}"
    return message[:1].lower() + message[1:]


def _list(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows))


def _target(path: str) -> str:
    """Return the field that a path leads to: `data.phones[0]` to phones."""
    return _INDEXES.sub("", path).removeprefix("data.").partition(".")[0]


def _find_member(content: bytes, path: str) -> str:
    """Return the value of a document that a path leads to, where it is a plain one."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ""
    parts = re.findall(r"[^.\[\]]+", path)
    if isinstance(value, dict) and "data" not in value and parts[:1] == ["data"]:
        parts = parts[1:]
    for part in parts:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ""
    return "" if isinstance(value, dict | list) or value is None else str(value)


def _spell(value: str) -> str:
    """Return a value as text; bytes that were none are written as their numbers."""
    try:
        raw = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = value.encode("utf-8", "backslashreplace")
    return raw.decode("utf-8", "backslashreplace")


def _show(text: str) -> str:
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS] + "…"
    return f'"{text}"'


def _quote(value: str) -> str:
    """Return a value as a shell takes it."""
    if re.fullmatch(r"[\w./,:+-]+", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
