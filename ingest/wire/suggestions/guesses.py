"""Guesses at the columns of a table, each with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ingest.domain.catalog import Database, FieldType
from ingest.wire.suggestions.consent_columns import ConsentColumn, find_consent
from ingest.wire.suggestions.headings import Heading, find_heading
from ingest.wire.suggestions.left_out import find_left_out
from ingest.wire.suggestions.samples import SampledColumn
from ingest.wire.suggestions.systems import System

#: Fields of a guess that are no fields of a profile.
FULL_NAME = "full_name"
TAGS = "tags"
#: From this score on a column is certain, and from that one on a question (R2).
CERTAIN = 0.75
ASKED = 0.35


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """A target that a question offers, and what comes of it."""

    target: str
    meaning: str
    #: Columns of which the first that is filled has the target; none for its own.
    first_of: tuple[str, ...] = ()


LEAVE_OUT = TargetChoice("", "leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnGuess:
    """A guess at one column."""

    column: SampledColumn
    why: str
    #: The target; empty to leave it out, None for no field or for a question.
    target: str | None = None
    certain: bool = False
    #: What it is asked about with; none for a column that no question is about.
    choices: tuple[TargetChoice, ...] = ()
    #: The field that it is a candidate for: `email`, `full_name`, `tags`, ….
    meant: str = ""
    heading: Heading | None = None
    consent: ConsentColumn | None = None
    #: The status of each of its words.
    words: Mapping[str, str] = field(default_factory=dict)

    def left_out(self, why: str) -> "ColumnGuess":
        """Return it as one that is left out."""
        return replace(self, target="", certain=True, why=why, choices=(), meant="")

    def ask(self, why: str, *choices: TargetChoice) -> "ColumnGuess":
        """Return it as a question; leaving the column out is a choice of each."""
        return replace(
            self, target=None, certain=False, why=why, choices=(*choices, LEAVE_OUT)
        )


@dataclass(frozen=True, slots=True)
class Table:
    """The first rows of a table, and what is known of it."""

    columns: Sequence[SampledColumn]
    database: Database
    #: The name of its kind, and the kind; None for an unknown one.
    system_name: str
    system: System | None
    headings: Mapping[int, Heading]
    consents: Mapping[int, ConsentColumn]

    def has(self, field_name: str, *, beside: SampledColumn) -> bool:
        """Return whether another column has a field, by its header."""
        return any(
            heading.field == field_name and place != beside.place
            for place, heading in self.headings.items()
        )

    def list_fields(self, *types: FieldType) -> list[str]:
        """Return the database's own fields of those types."""
        return [
            name
            for name, one in self.database.fields.items()
            if one.type in types and not one.system
        ]


def make_table(
    columns: Sequence[SampledColumn],
    database: Database,
    system: tuple[str, System] | None,
) -> Table:
    """Return a table with what its headers mean by themselves."""
    name, kind = system or ("", None)
    headings = {
        one.place: heading
        for one in columns
        if not find_left_out(one.form)
        and (heading := find_heading(one.form)) is not None
    }
    consents = [one for one in map(find_consent, columns) if one is not None]
    contacts = {one.field for one in headings.values()}
    if "phones" in contacts and "email" not in contacts:
        # In a list of phones alone, they are what people agree to.
        consents = [replace(one, subscription="phone_sub") for one in consents]
    return Table(
        columns,
        database,
        name,
        kind,
        headings,
        {one.place: one for one in consents},
    )
