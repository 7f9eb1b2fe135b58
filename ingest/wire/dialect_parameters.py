"""Options of requests and commands for the notation of tables: one character each."""

from collections.abc import Mapping

from ingest.domain.errors import Fault, InvalidValue

#: What separates cells, what stands around one, and before a character of it.
MARKS = ("delimiter", "quote", "escape")
#: Delimiters that an import detects, the usual one first.
DELIMITERS = (",", ";", "\t", "|")
#: How a tab may be named.
_TABS = {"tab": "\t", "\\t": "\t"}


def read_mark(text: str) -> str:
    """Return the character that is told, by itself or as `tab`; raise InvalidValue."""
    mark = _TABS.get(text.lower(), text)
    if len(mark) != 1:
        raise InvalidValue("Must be one character, or `tab`")
    return mark


def read_detected(text: str) -> str:
    """Return a delimiter that an import detects; raise InvalidValue for another."""
    mark = _TABS.get(text.lower(), text)
    if mark not in DELIMITERS:
        raise InvalidValue("Must be a comma, a semicolon, `|`, or `tab`")
    return mark


def find_mark_faults(
    delimiter: str | None, quote: str | None, escape: str | None
) -> list[Fault]:
    """Return what is wrong with the characters that tables are written with."""
    given = {"delimiter": delimiter, "quote": quote or '"', "escape": escape}
    told = {name: mark for name, mark in given.items() if mark}
    faults = [
        Fault(code=400, message="Must not be a line end or NUL", path=name)
        for name, mark in told.items()
        if mark in "\0\r\n"
    ]
    if len(set(told.values())) < len(told):
        names = ", ".join(told)
        message = f"{names} must be different characters"
        faults.append(Fault(code=400, message=message, path="delimiter"))
    return faults


def parse_marks(
    query: Mapping[str, object], faults: list[Fault]
) -> dict[str, str | None]:
    """Return the characters that a query tells; adds to `faults` what is wrong."""
    marks = {name: _parse_mark(query, name, faults) for name in MARKS}
    faults += find_mark_faults(**marks)
    return marks


def _parse_mark(
    query: Mapping[str, object], name: str, faults: list[Fault]
) -> str | None:
    value = query.get(name)
    try:
        return read_mark(str(value)) if value else None
    except InvalidValue as error:
        faults.append(Fault(code=400, message=str(error), path=name))
    return None
