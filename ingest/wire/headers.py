"""Fields of columns, by their names."""

import re
from collections.abc import Iterable

from ingest.domain.catalog import Database
from ingest.domain.errors import InvalidValue
from ingest.domain.fields import READ_ONLY_FIELDS
from ingest.domain.invisible import name_invisible
from ingest.wire.suggestions.usual_names import find_usual_field, is_known_name
from ingest.wire.suggestions.vocabulary import normalize

#: Columns that begin so say what was wrong with a row, and are passed over.
OWN_PREFIX = "penstock_"
#: In the header of an export: its cells are read back as what they were (E4).
EXACT_MARK = OWN_PREFIX + "export=exact"
#: What else a column may be called than a field.
_ALIASES = {"phone": "phones", "id": "profile_id"}
#: Matching keys that are no fields.
KEYS = ("profile_id", "provider", "subscription_id")
#: When the values of a row were true, unless a field is called so (T2).
AS_OF = "as_of"
#: What a row says of the basis of its statuses, unless a field is called so (C5).
CONSENT = {
    f"consent_{name}": name for name in ("source", "time", "ip", "text", "confirmed")
}
#: `email_sub` subscribes the address it holds, `email_sub:3` on resource 3.
SUBSCRIPTION = re.compile(r"(email_sub|phone_sub)(?::([1-9][0-9]{0,9}))?")
_SEPARATORS = re.compile(r"[\W_]+")

#: How much of a column's name is told back.
_TOLD = 80
#: Below this, two short names are alike by chance.
_SHORT = 5


def plain(name: str) -> str:
    """Return a name as it is compared: `First-Name` is `first name`."""
    return _SEPARATORS.sub(" ", name.casefold()).strip()


def know(name: str, database: Database) -> str:
    """Return the field, key or subscription called `name`; empty for nothing to store.

    It may be called by its name, in any case, or by its title. Raises InvalidValue
    with a hint, if there is one: a field that people call so, or one letter away.
    """
    found = find_field(name, database)
    if found is not None:
        return found
    known = _list_known(database)
    hint, unseen = _hint(name, known), name_invisible(name)
    name = name[:_TOLD]
    meant = f" (its name holds the invisible character {unseen})" if unseen else ""
    meant += f"; is it {hint!r}?" if hint else "."
    raise InvalidValue(
        f"No field is called {name!r}{meant} Map it: {name}=FIELD, or skip it: {name}="
    )


def find_field(name: str, database: Database) -> str | None:
    """Return what `know` does, or None for an unknown name.

    Raises InvalidValue for the title of several fields.
    """
    known = _list_known(database)
    name = _ALIASES.get(name.lower(), name)
    if name in known:
        return name
    alike = [one for one in known if one.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    if SUBSCRIPTION.fullmatch(name.lower()):
        return name.lower()
    if name in READ_ONLY_FIELDS:
        return ""
    titled = [
        field.name
        for field in database.fields.values()
        if field.title and plain(field.title) == plain(name) != ""
    ]
    if len(titled) > 1:
        raise InvalidValue(
            f"Several fields are titled {name!r}: {', '.join(titled)}. Map it:"
            f" {name}=FIELD"
        )
    return titled[0] if titled else None


def _list_known(database: Database) -> list[str]:
    return [*database.fields, "email", "phones", *KEYS, AS_OF, *CONSENT]


def _hint(name: str, known: Iterable[str]) -> str:
    """Return the one field that is meant by all we know; empty for none.

    Other systems' names are those of suggestions: a hint names no field of another
    kind, and of a name with several meanings there is none.
    """
    listed, asked, form = list(known), plain(name), normalize(name)
    names = [one for one in listed if plain(one) == asked]
    if not names and (meant := find_usual_field(form)) in listed:
        return meant
    if not names and len(asked) >= _SHORT and not is_known_name(form):
        names = [one for one in listed if _is_slip(asked, plain(one))]
    return names[0] if len(names) == 1 else ""


def _is_slip(one: str, other: str) -> bool:
    """Say whether one slip of the fingers makes `other` of `one`: not of a digit."""
    if min(len(one), len(other)) < _SHORT or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    left, right = one[start:], other[start:]
    if any(rest[:1].isdigit() for rest in (left, right)):
        return False
    return (
        left[1:] == right
        or left == right[1:]
        or left[1:] == right[1:]
        or (left[:2] == right[1::-1] and left[2:] == right[2:])
    )
