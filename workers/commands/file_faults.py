"""What is wrong with the rows of a file, by kind: how often, and such as what."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from ingest.domain.advice import advise
from ingest.domain.errors import Fault
from ingest.domain.invisible import trim
from ingest.domain.suggestions import NOTHINGS, suggest
from ingest.doors.files.inputs import Rows
from ingest.doors.files.rows import Row, load_cells
from ingest.doors.files.tables import Table

#: Values of one kind that are kept, to tell how they are written.
_KEPT = 200
#: How much of a value is shown.
_SHOWN_CHARACTERS = 60
_INDEXES = re.compile(r"\[[0-9]+\]")
_INCORRECT = re.compile("Incorrect ([a-z])(.*)")
_TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(slots=True)
class _Kind:
    fault: Fault
    count: int = 0
    rows: list[int] = field(default_factory=list)
    #: Distinct values, in the order of appearance.
    values: dict[str, None] = field(default_factory=dict)


class FaultGroups:
    """Gathers faults as rows are rehearsed; memory is bounded by kinds."""

    def __init__(self, rows: Rows) -> None:
        self._columns: dict[str, str] = {}
        self._places: dict[str, int] = {}
        if isinstance(rows, Table):
            for place, (column, target) in enumerate(rows.targets.items()):
                # A blank one at the end is a column too, and nobody asks for it.
                self._columns.setdefault(target, trim(column) or target)
                self._places.setdefault(target, place)
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self._nothings: dict[tuple[str, str], int] = {}

    def add(self, row: Row, faults: Sequence[Fault]) -> None:
        """Count what is wrong with a row."""
        for fault in faults:
            place = _INDEXES.sub("", fault.path)
            kind = self._kinds.setdefault((place, fault.message), _Kind(fault))
            kind.count += 1
            if len(kind.rows) < 5:
                kind.rows.append(row.number)
            if len(kind.values) < _KEPT and (value := self._find_value(row, fault)):
                kind.values[value] = None

    def note(self, row: Row) -> None:
        """Count the words that programs write for nothing, in a row that is good."""
        data = row.element.get("data")
        if not self._places or not isinstance(data, Mapping):
            return
        for name, value in data.items():
            if isinstance(value, str) and value.casefold() in NOTHINGS:
                key = (self._columns.get(str(name), str(name)), value)
                self._nothings[key] = self._nothings.get(key, 0) + 1

    def _find_value(self, row: Row, fault: Fault) -> str:
        target = _target(fault.path)
        place = self._places.get(target)
        if place is not None:
            cells = load_cells(row.content)
            return cells[place].strip() if place < len(cells) else ""
        return "" if self._places else _find_member(row, fault.path)

    def list_kinds(self) -> list[dict[str, object]]:
        """Return each kind of fault, the commonest first, as a document."""
        kinds = sorted(self._kinds.values(), key=lambda kind: -kind.count)
        return [self._describe(kind) for kind in kinds]

    def _describe(self, kind: _Kind) -> dict[str, object]:
        target = _target(kind.fault.path)
        return {
            "count": kind.count,
            "column": self._columns.get(target),
            "field": _INDEXES.sub("", kind.fault.path),
            "message": kind.fault.message,
            "sample": next(iter(kind.values), None),
            "rows": kind.rows,
            "try": [
                f"--{one.option} {_quote(one.value)}"
                for one in suggest(kind.fault.message, kind.values)
            ]
            if self._places
            else [],
            "fix": advise(kind.fault),
        }

    def tell(self) -> Iterator[str]:
        """Yield a line for each kind of fault, then for each word that says nothing."""
        for kind in self.list_kinds():
            yield _tell(kind)
        for note in self.list_nothings():
            yield (
                f"{note['count']:,} {_TIMES} {note['column']}: is stored as"
                f" {note['value']!r}; if it says nothing, {note['try']}"
            )

    def list_nothings(self) -> list[dict[str, object]]:
        """Return the words of good rows that may say nothing."""
        return [
            {
                "count": count,
                "column": column,
                "value": value,
                "try": f"try --null {_quote(value)}",
            }
            for (column, value), count in self._nothings.items()
        ]


def _tell(kind: Mapping[str, object]) -> str:
    where = kind["column"] or kind["field"]
    text = f"{kind['count']:,} {_TIMES} " + (f"{where}: " if where else "")
    text += phrase(str(kind["message"]))
    if kind["sample"]:
        text += f", such as {_show(str(kind['sample']))}"
    tried = kind["try"]
    if isinstance(tried, list) and tried:
        return f"{text}; try {' or '.join(tried)}"
    return f"{text} (row {_list(kind['rows'])}). {kind['fix']}"


def phrase(message: str) -> str:
    """Return a fault's message as it goes on behind a column: `not a date`."""
    if found := _INCORRECT.fullmatch(message):
        article = "an" if found[1] in "aeiou" else "a"
        return f"not {article} {found[1]}{found[2]}"
    return message[:1].lower() + message[1:]


def _list(rows: object) -> str:
    return ", ".join(map(str, rows)) if isinstance(rows, list) else ""


def _target(path: str) -> str:
    """Return the field that a path leads to: `data.phones[0]` to phones."""
    return _INDEXES.sub("", path).removeprefix("data.").partition(".")[0]


def _find_member(row: Row, path: str) -> str:
    """Return the value of a document that a path leads to, where it is a plain one."""
    try:
        value = orjson.loads(row.content)
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


def _show(value: str) -> str:
    text = value.encode("utf-8", "backslashreplace").decode()
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS] + "…"
    return f'"{text}"'


def _quote(value: str) -> str:
    """Return a value as a shell takes it."""
    if re.fullmatch(r"[\w./,:+-]+", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
