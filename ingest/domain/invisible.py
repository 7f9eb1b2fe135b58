"""Characters that nobody sees, by their names."""

import re
import unicodedata

#: Categories of characters that are not drawn: controls, formats, separators.
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
#: Blanks and line ends, which are no riddle, and NUL, which each input refuses by name.
_PLAIN = frozenset(" \t\r\n\0")
#: What has no name in Unicode but this one among people.
_CONTROLS = {0x1B: "ESCAPE", 0x7F: "DELETE", 0x85: "NEXT LINE"}


#: For a regular expression: marks of byte order and of direction, joiners, blanks of
#: no width. They are in many texts by accident.
MARKS = "\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_AT_ENDS = re.compile(rf"\A[\s{MARKS}]+|[\s{MARKS}]+\Z")


def trim(name: str) -> str:
    """Return `name` without what nobody sees at its ends."""
    return name.strip() if name.isascii() else _AT_ENDS.sub("", name)


def name_invisible(text: str) -> str:
    """Return the first unseen character of `text` as `U+200B ZERO WIDTH SPACE`.

    Empty if there is none. Blanks of other widths, marks of direction and controls
    are unseen; plain blanks, tabs and line ends are not.
    """
    if text.isascii() and text.isprintable():
        return ""
    for character in text:
        if character not in _PLAIN and unicodedata.category(character) in _UNSEEN:
            code = ord(character)
            name = unicodedata.name(character, _CONTROLS.get(code, "CONTROL CHARACTER"))
            return f"U+{code:04X} {name}"
    return ""


def reveal(message: str, text: object) -> str:
    """Return `message`, with the unseen character of `text` that may explain it."""
    found = name_invisible(text) if isinstance(text, str) else ""
    if not found:
        return message
    return f"{message.partition(' (')[0]} (holds the invisible character {found})"
