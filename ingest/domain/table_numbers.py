"""Numbers in tables, whose decimal mark is that of their column (V10)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

#: What every input reads.
_PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BLANKS = "[ \xa0\u202f'\u2019]"
#: A number with one mark, or with marks between thousands, and its decimals.
_POINT = re.compile(
    rf"[+-]?(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+\.[0-9]*|[0-9]{{1,3}}(?:,[0-9]{{3}}){{2,}}"
    rf"|[0-9]{{1,3}}(?:{_BLANKS}[0-9]{{3}})+\.[0-9]+|[0-9]+\.(?:[0-9]{{1,2}}|[0-9]{{4,}}))"
)
_COMMA = re.compile(
    rf"[+-]?(?:[0-9]{{1,3}}(?:\.[0-9]{{3}})+,[0-9]*|[0-9]{{1,3}}(?:\.[0-9]{{3}}){{2,}}"
    rf"|[0-9]{{1,3}}(?:{_BLANKS}[0-9]{{3}})+,[0-9]+|[0-9]+,(?:[0-9]{{1,2}}|[0-9]{{4,}})"
    # A number with so many digits, or a zero, before the comma has no thousands.
    r"|(?:0|[0-9]{4,}),[0-9]{3})"
)
_OPEN = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_GROUPED = re.compile(rf"[+-]?[0-9]{{1,3}}(?:{_BLANKS}[0-9]{{3}})+")


@dataclass(slots=True)
class MarkSurvey:
    """The decimal mark that the numbers of a column show."""

    #: The first row that proves a mark.
    proofs: dict[str, int] = field(default_factory=dict)
    #: The first row with a comma that may be either.
    open_row: int | None = None
    #: Whether any number needs reading: it is not as every input reads it.
    is_decorated: bool = False

    def add(self, row: int, cell: str) -> None:
        """Look at the cell of a row."""
        if _POINT.fullmatch(cell):
            self.proofs.setdefault(".", row)
        elif _COMMA.fullmatch(cell):
            self.proofs.setdefault(",", row)
        elif _OPEN.fullmatch(cell):
            self.open_row = self.open_row or row
        elif not _GROUPED.fullmatch(cell):
            return
        if not _PLAIN.fullmatch(cell):
            self.is_decorated = True

    @property
    def mark(self) -> str:
        """The mark that the column proves; empty for none, or for both."""
        return next(iter(self.proofs)) if len(self.proofs) == 1 else ""

    @property
    def conflict(self) -> tuple[int, ...]:
        """Two rows that need different marks; empty for no conflict."""
        return tuple(sorted(self.proofs.values())) if len(self.proofs) > 1 else ()


def survey_marks(cells: Iterable[tuple[int, str]]) -> MarkSurvey:
    """Return what the cells of a column, each with its row, show of their mark."""
    survey = MarkSurvey()
    for row, cell in cells:
        survey.add(row, cell)
    return survey
