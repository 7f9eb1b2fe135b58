"""Files of known systems, recognized as a whole by their headers (R3, R12)."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from msgspec import Struct, convert

#: A target of `columns`: no field of a profile.
NO_FIELD = "-"


class System(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of file, and what only its system explains."""

    title: str
    #: Headers in normal form by which it is recognized.
    all: frozenset[str] = frozenset()
    any: frozenset[str] = frozenset()
    none: frozenset[str] = frozenset()
    first: frozenset[str] = frozenset()
    begins: str = ""
    #: The status of every row; by a word in the file's name, where that decides.
    status: str = ""
    status_by_name: Mapping[str, str] = {}
    timezone: str = ""
    #: The order of days and months where no cell decides it.
    dates: str = ""
    #: Nobody in it agreed to anything.
    is_address_book: bool = False
    #: Its headers are the questions of a form.
    is_form: bool = False
    #: Whether lines that are no rows follow the table.
    footer: bool = False
    #: The meaning of a yes in columns that are not known otherwise.
    flags: str = ""
    #: Why such a file is not imported.
    refuse: str = ""
    notes: tuple[str, ...] = ()
    columns: Mapping[str, str] = {}
    #: Targets to choose from, apart from leaving the column out.
    asked: Mapping[str, tuple[str, ...]] = {}
    first_of: Mapping[str, tuple[str, ...]] = {}
    words: Mapping[str, Mapping[str, str]] = {}
    skip_where: Mapping[str, tuple[str, ...]] = {}

    def fits(self, forms: Sequence[str]) -> bool:
        """Return whether a table with headers `forms` is such a file."""
        known = set(forms)
        return (
            self.all <= known
            and not self.none & known
            and (not self.any or bool(self.any & known))
            and (not self.first or forms[0] in self.first)
            and any(form.startswith(self.begins) for form in forms)
        )

    @property
    def short_title(self) -> str:
        """The name of the system alone."""
        return self.title.partition(",")[0]

    @property
    def weight(self) -> int:
        """The number of headers by which it differs from others."""
        return len(self.all) + bool(self.any) + bool(self.first) + bool(self.begins)

    def find_status(self, file_name: str) -> str:
        """Return the status of every row; empty if the file does not tell it.

        Of `unsubscribed_` and `nonsubscribed_`, neither is `subscribed_`.
        """
        name = PurePath(file_name).name.lower()
        for word, status in self.status_by_name.items():
            if re.search(rf"(?<![a-z]){word}(?![a-z])", name):
                return status
        return self.status


@cache
def load_systems() -> Mapping[str, System]:
    """Return the known kinds of files, by their names."""
    source = files("ingest.wire.suggestions").joinpath("systems.toml")
    tables: Mapping[str, Any] = tomllib.loads(source.read_text("utf-8"))
    return {name: convert(table, System) for name, table in tables.items()}


def find_system(forms: Sequence[str]) -> tuple[str, System] | None:
    """Return the most specific kind of file with headers `forms`, and its name."""
    if not forms:
        return None
    found = [one for one in load_systems().items() if one[1].fits(forms)]
    return max(found, key=lambda one: one[1].weight, default=None)
