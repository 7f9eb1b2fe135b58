"""Headers with more than one meaning: neighbours and cells decide, or a person (R3)."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from ingest.wire.suggestions.guesses import (
    FULL_NAME,
    ColumnGuess,
    Table,
    TargetChoice,
)
from ingest.wire.suggestions.headings import Heading, Preference, peel
from ingest.wire.suggestions.shapes import (
    is_country,
    is_date,
    is_flag,
    is_number,
    is_object_id,
    is_phone,
    is_sex,
    score_cells,
    share,
)
from ingest.wire.suggestions.vocabulary import load_vocabulary, normalize_word

_MOSTLY = 0.5
#: The share of cells with a space in a column of whole names.
_WHOLE_NAMES = 0.6
#: Groups whose headers may have words around them: `Mailing State`.
_PEELED = frozenset({"state", "name", "phone", "country_code"})
_HONORIFICS = frozenset({"dr", "prof", "professor", "rev", "sir", "dame", "mx", "dipl"})
#: Headers that are a family name beside a given name (French, German, Dutch, Polish).
_FAMILY_NAMES = frozenset({"nom"})
#: The form of address, by headers that have no other meaning.
_ADDRESSES = frozenset(
    {"salutation", "anrede", "civilite", "tratamiento", "tratamento", "обращение"}
    | {"aanhef"}
)


def find_group(form: str) -> tuple[str, Preference, int] | None:
    """Return the group of an ambiguous header, its rank, and its number."""
    groups = load_vocabulary().ambiguous
    if form in load_vocabulary().no_field:
        return None
    if form in groups:
        return groups[form], Preference.PLAIN, 0
    for core, rank, number, is_company in peel(form):
        group = groups.get(core)
        if group in _PEELED and not (is_company and group == "name"):
            return group, rank, number
    return None


def judge_ambiguous(start: ColumnGuess, table: Table) -> ColumnGuess | None:
    """Return what an ambiguous header means here; None for any other header."""
    found = find_group(start.column.form)
    if found is None:
        return None
    group, rank, number = found
    guess = _JUDGES[group](start, table)
    if guess is None or not guess.meant:
        return guess
    heading = Heading(guess.meant, 1.0, rank, number)
    return replace(guess, heading=heading)


def _certain(start: ColumnGuess, field: str, why: str) -> ColumnGuess:
    """Return a certain field, unless the cells are of another kind."""
    kind = load_vocabulary().kinds.get(field, "")
    if score_cells(start.column, kind) < _MOSTLY:
        found = replace(start, meant=field)
        return found.ask(
            f"{why}, but its values do not fit",
            TargetChoice(field, f"import as {field}"),
        )
    return replace(start, meant=field, target=field, certain=True, why=why)


def _ask(
    start: ColumnGuess, field: str, why: str, *choices: TargetChoice
) -> ColumnGuess:
    return replace(start, meant=field).ask(
        why, *(choices or (TargetChoice(field, f"import as {field}"),))
    )


def _judge_name(start: ColumnGuess, table: Table) -> ColumnGuess:
    column = start.column
    has_first = table.has("_fname", beside=column)
    has_last = table.has("_lname", beside=column)
    if has_first and has_last:
        return start.left_out("both parts of the name have columns")
    if share(column, lambda cell: " " in cell) >= _WHOLE_NAMES:
        return replace(start, meant=FULL_NAME, why="whole names in one column")
    if has_last:
        return _certain(start, "_fname", "the family name has a column of its own")
    if has_first:
        return _judge_other_name(start)
    return replace(start, meant=FULL_NAME, why="given names or whole names")


def _judge_other_name(start: ColumnGuess) -> ColumnGuess:
    """Return what a name is beside a column of given names."""
    if start.column.form in _FAMILY_NAMES:
        return _certain(start, "_lname", "the given name has a column of its own")
    return _ask(start, "_lname", "a family name or a whole name")


def _judge_whole_name(start: ColumnGuess, _: Table) -> ColumnGuess:
    return replace(start, meant=FULL_NAME, why="names of people, or of companies")


def _judge_nickname(start: ColumnGuess, _: Table) -> ColumnGuess:
    return _ask(start, "_lname", "a family name in Portugal, a nickname in Brazil")


def _judge_phone(start: ColumnGuess, _: Table) -> ColumnGuess | None:
    column = start.column
    core = column.form.rpartition(" ")[2]
    if share(column, is_flag) >= _MOSTLY:
        return None
    if core in {"whatsapp", "viber", "telegram"}:
        expected = core == "whatsapp" and not column.cells
        if not expected and share(column, is_phone) < _MOSTLY:
            return None
        return _ask(start, "phones", "a phone, or an account of a messenger")
    return _certain(start, "phones", "its name means a phone")


def _judge_state(start: ColumnGuess, _: Table) -> ColumnGuess:
    column = start.column
    odd = max(share(column, is_number), share(column, is_flag))
    if column.cells and odd >= _MOSTLY:
        return _ask(start, "_region", "a region, or a state of something")
    return _certain(start, "_region", "its name means a region")


def _judge_status(start: ColumnGuess, _: Table) -> ColumnGuess | None:
    if not start.column.cells:
        return None
    words = set(map(normalize_word, start.column.cells))
    other = words & load_vocabulary().not_consent
    why = "a status of something else" if other else "no status of consent"
    return replace(start, why=why, certain=True)


def _judge_registered(start: ColumnGuess, _: Table) -> ColumnGuess | None:
    if start.column.cells and share(start.column, is_date) < _MOSTLY:
        return None
    return _certain(start, "_regdate", "the time when the person registered")


def _judge_created(start: ColumnGuess, _: Table) -> ColumnGuess:
    if start.column.cells and share(start.column, is_date) < _MOSTLY:
        return start.left_out("another person's")
    return _certain(start, "_regdate", "its name means the registration date")


def _judge_date(start: ColumnGuess, table: Table) -> ColumnGuess | None:
    if start.column.cells and share(start.column, is_date) < _MOSTLY:
        return None
    if table.has("_regdate", beside=start.column):
        return None
    return _ask(
        start,
        "_regdate",
        "a date of registration, or of something else",
        TargetChoice("_regdate", "the registration date"),
    )


def _judge_title(start: ColumnGuess, table: Table) -> ColumnGuess | None:
    column = start.column
    sexed = share(column, is_sex)
    is_address = share(column, lambda cell: is_sex(cell) or _is_honorific(cell))
    if column.form in _ADDRESSES:
        if sexed < _MOSTLY or table.has("_sex", beside=column):
            return start.left_out("a form of address")
        return _ask(start, "_sex", "forms of address, from which the sex follows")
    if is_address >= _MOSTLY or "prefix" in column.form:
        return start.left_out("a form of address")
    return None


def _is_honorific(cell: str) -> bool:
    return normalize_word(cell).partition(" ")[0] in _HONORIFICS


def _judge_location(start: ColumnGuess, table: Table) -> ColumnGuess | None:
    column = start.column
    if column.form not in {"location", "standort", "lieu", "ubicacion", "localizacao"}:
        return None
    if any(table.has(one, beside=column) for one in ("_city", "_country")):
        return start.left_out("city or country have columns of their own")
    return _ask(
        start,
        "_city",
        "a city, a country, or a text",
        TargetChoice("_city", "the city"),
        TargetChoice("_country", "the country"),
    )


def _judge_country_code(start: ColumnGuess, _: Table) -> ColumnGuess:
    if share(start.column, is_country) >= _MOSTLY:
        return _certain(start, "_country", "its values are countries")
    if start.column.cells:
        return start.left_out("the country code of a phone")
    return _ask(start, "_country", "a country, or the country code of a phone")


def _judge_id(start: ColumnGuess, _: Table) -> ColumnGuess | None:
    if share(start.column, is_object_id) < 1:
        return replace(start, why="an ID of the other system", certain=True)
    return _ask(
        start,
        "profile_id",
        "looks like the ID of a profile; other systems have such IDs too",
        TargetChoice("profile_id", "the profile's ID in Penstock"),
    )


_JUDGES: Mapping[str, Callable[[ColumnGuess, Table], ColumnGuess | None]] = {
    "name": _judge_name,
    "whole_name": _judge_whole_name,
    "nickname": _judge_nickname,
    "phone": _judge_phone,
    "state": _judge_state,
    "status": _judge_status,
    "subscribed": _judge_registered,
    "newsletter": lambda _, __: None,
    "registered": _judge_registered,
    "created": _judge_created,
    "date": _judge_date,
    "title": _judge_title,
    "location": _judge_location,
    "country_code": _judge_country_code,
    "id": _judge_id,
}
