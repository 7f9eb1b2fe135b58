"""Columns of vCards: properties by their names, the preferred of several first.

`N` is `Last, First`, which `full_name:comma` takes apart; an address has a column for
each of its parts.
"""

import re
from collections.abc import Mapping, Sequence

from ingest.doors.files.formats.cards import Property

#: The order of columns; others follow as they come.
_ORDER = (
    *("UID", "N", "FN", "NICKNAME", "EMAIL", "TEL", "BDAY", "GENDER", "ADR", "ORG"),
    *("TITLE", "ROLE", "CATEGORIES", "NOTE", "URL", "TZ"),
)
#: The parts of an address; the first three are its street.
_ADDRESS = ("street", "city", "region", "postal code", "country")
#: Numbers that nobody calls.
_NO_PHONES = {"FAX": "TEL fax", "PAGER": "TEL pager"}
#: Properties of which each value has a column; of others, they are lines of one.
_NUMBERED = frozenset({"EMAIL", "TEL", "ADR", "URL", "IMPP"})
#: A number that no property has.
_LAST = 1_000_000
_COMPACT_DAY = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?=T|$)")
#: The year of birthdays without one, as Apple writes it.
_NO_YEAR = re.compile(r"(?:1604|0000)-?([0-9]{2})-?([0-9]{2})")


def make_cells(card: Sequence[Property]) -> dict[str, str]:
    """Return the cells of a card, by column; only those that hold something."""
    cells: dict[str, str] = {}
    for name, listed in _group(card).items():
        if name in _NUMBERED:
            for number, one in enumerate(listed, start=1):
                column = name if number == 1 else f"{name} {number}"
                cells |= _make_numbered(column, one)
        else:
            cells[name] = "\n".join(filter(None, map(_write, listed)))
    if cells.get("N") and not cells.get("FN"):
        # Version 2.1 has it only where somebody wrote it; the others always.
        family, _, given = cells["N"].partition(",")
        cells["FN"] = f"{given} {family}".strip()
    return {column: cell for column, cell in cells.items() if cell}


def _group(card: Sequence[Property]) -> Mapping[str, list[Property]]:
    """Return the properties by column, the preferred ones first."""
    groups: dict[str, list[Property]] = {}
    for one in sorted(card, key=lambda each: each.rank):
        if one.value:
            groups.setdefault(_name(one), []).append(one)
    return groups


def _name(one: Property) -> str:
    if one.name == "TEL":
        return next((to for kind, to in _NO_PHONES.items() if kind in one.types), "TEL")
    return one.name


def _make_numbered(column: str, one: Property) -> dict[str, str]:
    if one.name != "ADR":
        return {column: one.text.removeprefix("tel:").removeprefix("mailto:")}
    parts = [*one.split(";"), *[""] * 7][:7]
    street = ", ".join(part for part in (parts[2], parts[1], parts[0]) if part)
    listed = (street, *parts[3:])
    return {
        f"{column} {name}": text for name, text in zip(_ADDRESS, listed, strict=True)
    }


def _write(one: Property) -> str:
    if one.name == "N":
        return _write_name(one)
    if one.name == "BDAY":
        return _write_day(one)
    if one.name == "GENDER":
        return one.split(";")[0]
    if one.name in ("CATEGORIES", "NICKNAME", "ORG"):
        mark = ";" if one.name == "ORG" else ","
        return ", ".join(part for part in one.split(mark) if part)
    return one.text


def _write_name(one: Property) -> str:
    """Return `Last, First`, with a comma even where one of them is missing."""
    family, given, more = (
        part.replace(",", " ") for part in [*one.split(";"), "", "", ""][:3]
    )
    given = " ".join(f"{given} {more}".split())
    return f"{family}, {given}".strip() if family or given else ""


def _write_day(one: Property) -> str:
    """Return a birthday as tables have it; `--05-17` for one without a year (V3)."""
    text = one.text
    omitted = one.parameters.get("X-APPLE-OMIT-YEAR", "")
    if (omitted and text.startswith(omitted)) or text.startswith("0000"):
        return _NO_YEAR.sub(r"--\1-\2", text)
    return _COMPACT_DAY.sub(r"\1-\2-\3", text, count=1)


def sort_columns(names: Sequence[str]) -> list[str]:
    """Return the columns of a file in their order."""

    def rank(name: str) -> tuple[int, int]:
        first, _, rest = name.partition(" ")
        known = _ORDER.index(first) if first in _ORDER else len(_ORDER)
        number = rest.partition(" ")[0]
        if number.isdecimal():
            return known, int(number)
        return known, _LAST if name in _NO_PHONES.values() else 1

    return sorted(names, key=rank)
