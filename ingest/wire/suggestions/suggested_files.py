"""A file to suggest targets for, and the suggestion: columns, questions, a map (R1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from ingest.wire.file_maps import FileMap
from ingest.wire.suggestions.guesses import ColumnGuess, TargetChoice
from ingest.wire.suggestions.vocabulary import NOBODY_AGREED


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The first rows of a table, and how it is written."""

    file_name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    #: Options that reading it again needs: `encoding`, `delimiter`.
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing that the file does not tell."""

    #: The column; empty for the whole file.
    column: str
    about: str
    choices: tuple[TargetChoice, ...]
    #: The table of the map file that the answer is in; empty for its options.
    table: str = "columns"
    #: The key of the answer in it; that of the column, or an option's name.
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A suggestion for one file."""

    system: str
    title: str
    guesses: tuple[ColumnGuess, ...]
    questions: tuple[Question, ...]
    #: What there is to know before the import.
    notes: tuple[str, ...]
    #: What is certain; columns that are asked about are not in it.
    file_map: FileMap

    @property
    def accepted(self) -> FileMap:
        """The map of what is certain; everything else is left out (R1)."""
        grouped = {one for names in self.file_map.first_of.values() for one in names}
        columns = {
            guess.column.name: _accept(guess)
            for guess in reversed(self.guesses)
            if guess.column.name.strip() and guess.column.name not in grouped
        }
        return structs.replace(self.file_map, columns=columns)


def _accept(guess: ColumnGuess) -> str:
    """Return the target of a column without an answer to its question.

    What may forbid does: left out, it would let people be subscribed who have left. The
    email stays one, without a subscription.
    """
    if guess.certain:
        return guess.target or ""
    targets = [choice.target for choice in guess.choices]
    if guess.words and not {"subscribed", NOBODY_AGREED} & set(guess.words.values()):
        return targets[0]
    return "email" if guess.meant == "email" and "email+email_sub" in targets else ""
