"""One sheet of a workbook as lines of JSON, read in a process of its own.

The library holds a whole sheet in memory, and what a file makes it hold is for the
file to say: so this process may take so much and no more, and ends alone.

Usage: sheet_reader.py PATH BYTES SHEET. The first line says which sheet is read, the
others are its rows; or the only line says why there are none.
"""

import json
import math
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

#: Whole numbers from here on are not told apart by what a workbook holds them in.
_EXACT = 2**53
#: Rows that are written at once.
_ROWS = 500


def write_cell(value: object) -> str | int:
    """Return the text of a cell; a number for one whose digits are lost."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            seconds = int(value.total_seconds())
            return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        case int() | float():
            return _write_number(value)
    return str(value)


def _write_number(value: float) -> str | int:
    if not math.isfinite(value):
        return ""
    if value == int(value):
        return str(int(value)) if abs(value) < _EXACT else int(value)
    return format(Decimal(repr(value)), "f")


def _choose(book: CalamineWorkbook, asked: str) -> str:
    """Return the name of the sheet; SystemExit, with the reason, if there is none."""
    tables = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
    names = [one.name for one in tables]
    if asked:
        if asked in names:
            return asked
        if asked.isdecimal() and 0 < int(asked) <= len(names):
            return names[int(asked) - 1]
        listed = ", ".join(map(repr, names[:20]))
        raise LookupError(f"Sheet {asked!r} not found. Sheets: {listed}")
    shown = [one.name for one in tables if one.visible == SheetVisibleEnum.Visible]
    if not names:
        raise LookupError("The workbook has no sheet with data")
    return (shown or names)[0]


def _read(path: str, asked: str) -> Iterator[object]:
    try:
        book = CalamineWorkbook.from_path(path)
        name = _choose(book, asked)
        sheet = book.get_sheet_by_name(name)
    except PasswordError:
        yield {"error": "The workbook is protected by a password. Save it without one"}
    except LookupError as error:
        yield {"error": str(error)}
    except CalamineError as error:
        yield {"error": f"The file is not a workbook, or it is damaged: {error}"}
    else:
        yield {"sheet": name, "sheets": len(book.sheet_names)}
        for row in sheet.iter_rows():
            yield [write_cell(cell) for cell in row]


def main(path: str, limit: str, asked: str) -> None:
    """Write the sheet to standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))
    # A file that keeps it busy for ever is a file that cannot be read.
    resource.setrlimit(resource.RLIMIT_CPU, (600, 600))
    lines: list[str] = []
    for one in _read(path, asked):
        lines.append(json.dumps(one))
        if len(lines) == _ROWS:
            sys.stdout.write("\n".join(lines) + "\n")
            lines.clear()
    sys.stdout.write("".join(line + "\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
