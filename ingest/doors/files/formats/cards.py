"""vCards, of versions 2.1, 3.0, and 4.0: contacts of phones and address books.

A card becomes properties: folded lines are joined, and values decoded and unescaped.
What is not a card is told of that card only.
"""

import quopri
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.domain.errors import InvalidValue

#: How a property begins: its group, name and parameters.
_LINE = re.compile(
    r"(?:[A-Za-z0-9_-]+\.)?(?P<name>[A-Za-z0-9_-]+)"
    r"(?P<parameters>(?:;(?:\"[^\"]*\"|[^:;\"])*)*):(?P<value>.*)",
    re.DOTALL,
)
_PARAMETER = re.compile(r";((?:\"[^\"]*\"|[^:;\"])*)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PART_END = {mark: re.compile(rf"(?<!\\)(?:\\\\)*{mark}") for mark in (";", ",")}
#: Encodings of values in vCard 2.1, which may stand without their name.
_QUOTED_PRINTABLE = "QUOTED-PRINTABLE"
_ENCODINGS = frozenset({_QUOTED_PRINTABLE, "BASE64", "B", "8BIT", "7BIT"})
#: Pictures and keys, and what programs write for themselves.
_PASSED_OVER = frozenset(
    {
        *("BEGIN", "END", "VERSION", "PRODID", "REV", "PHOTO", "LOGO", "SOUND", "KEY"),
        *("AGENT", "SOURCE", "CLASS", "MAILER", "SORT-STRING", "LABEL", "CLIENTPIDMAP"),
        *(
            "X-ABLABEL",
            "X-ABADR",
            "X-ABUID",
            "X-ABSHOWAS",
            "X-IMAGETYPE",
            "X-IMAGEHASH",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property of a card."""

    name: str
    #: Kinds, in upper case: `HOME`, `FAX`, `PREF`.
    types: frozenset[str] = frozenset()
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: Decoded, and still escaped.
    value: str = ""

    @property
    def rank(self) -> int:
        """Its place among others of its name: preferred ones come first."""
        preference = self.parameters.get("PREF", "")
        if preference.isdecimal():
            return int(preference)
        return 1 if "PREF" in self.types else 101

    @property
    def text(self) -> str:
        """Its value as text."""
        return unescape(self.value)

    def split(self, mark: str) -> list[str]:
        """Return the parts of its value between `;` or `,`, as text."""
        parts, start = [], 0
        for found in _PART_END[mark].finditer(self.value):
            parts.append(self.value[start : found.end() - 1])
            start = found.end()
        return [unescape(part) for part in [*parts, self.value[start:]]]


def unescape(text: str) -> str:
    r"""Return a text without escapes: `\,` is a comma, `\n` a line end."""
    return _ESCAPED.sub(
        lambda found: "\n" if found[1] in "nN" else found[1], text
    ).strip()


def split_cards(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the lines of each card, without line ends; a card in another is its part.

    Lines that are in no card are a card of their own, which is none.
    """
    card: list[str] = []
    depth = 0
    for raw in lines:
        line = raw.rstrip("\r\n")
        mark = line.strip().upper()
        if mark == "BEGIN:VCARD":
            # A card that has no end ends here, unless the line belongs to it.
            if depth and not _opens_agent(card):
                yield card
                card, depth = [], 0
            depth += 1
        elif not depth and not mark:
            continue
        card.append(line)
        if mark == "END:VCARD" and depth:
            depth -= 1
        if not depth and (mark == "END:VCARD" or not _is_begun(card)):
            yield card
            card = []
    if card:
        yield card


def _opens_agent(card: Sequence[str]) -> bool:
    return card[-1].strip().upper().rpartition(":")[0].startswith("AGENT")


def _is_begun(card: Sequence[str]) -> bool:
    return card[0].strip().upper() == "BEGIN:VCARD"


def parse_card(lines: Sequence[str]) -> list[Property]:
    """Return the properties of a card; raise InvalidValue for one that is broken."""
    if not _is_begun(lines) or lines[-1].strip().upper() != "END:VCARD":
        raise InvalidValue("Incorrect vCard (its beginning or its end is missing)")
    return [
        one
        for line in _join(_without_nested(lines[1:-1]))
        if (one := _parse_line(line)).name not in _PASSED_OVER
    ]


def _without_nested(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines that are of no card in the card."""
    depth = 0
    for line in lines:
        mark = line.strip().upper()
        depth += mark == "BEGIN:VCARD"
        if not depth:
            yield line
        depth -= mark == "END:VCARD" and depth > 0


def _join(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a card, those that are folded as one."""
    joined = ""
    for line in lines:
        if line[:1] in (" ", "\t") and joined:
            joined += line[1:]
        elif joined.endswith("=") and _is_quoted_printable(joined):
            joined = joined[:-1] + line.lstrip(" \t")
        else:
            if joined.strip():
                yield joined
            joined = line
    if joined.strip():
        yield joined


def _is_quoted_printable(line: str) -> bool:
    return _QUOTED_PRINTABLE in line.partition(":")[0].upper()


def _parse_line(line: str) -> Property:
    found = _LINE.fullmatch(line)
    if found is None:
        raise InvalidValue("Incorrect vCard (a line is no property)")
    name = found["name"].upper()
    types: set[str] = set()
    parameters: dict[str, str] = {}
    for parameter in _PARAMETER.findall(found["parameters"]):
        key, equals, text = parameter.partition("=")
        key, text = key.strip().upper(), text.strip().strip('"')
        if not equals:
            # As version 2.1 writes it.
            key, text = ("ENCODING" if key in _ENCODINGS else "TYPE"), key
        if key == "TYPE":
            types |= {one.strip().upper() for one in text.split(",")}
        else:
            parameters[key] = text
    value = "" if name in _PASSED_OVER else _decode(found["value"], parameters)
    return Property(
        name=name, types=frozenset(types), parameters=parameters, value=value
    )


def _decode(value: str, parameters: Mapping[str, str]) -> str:
    """Return the value of a property without its encoding; raise InvalidValue."""
    encoding = parameters.get("ENCODING", "").upper()
    if encoding in ("BASE64", "B"):
        return ""
    if encoding != _QUOTED_PRINTABLE:
        return value
    raw = quopri.decodestring(value.encode("utf-8", "surrogateescape"))
    charset = parameters.get("CHARSET") or "utf-8"
    try:
        return raw.decode(charset)
    except (LookupError, UnicodeError) as error:
        raise InvalidValue(
            "Incorrect vCard (a value is not in its encoding)"
        ) from error
