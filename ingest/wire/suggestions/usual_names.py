"""The field that other systems mean by a name, for the hint of an unknown column."""

from ingest.wire.suggestions.headings import STEM, find_heading, find_slip
from ingest.wire.suggestions.left_out import find_left_out
from ingest.wire.suggestions.vocabulary import load_vocabulary

#: Names with several meanings of which the first is nearly always meant in a header
#: that stands alone.
_LEANING = {"name": "_fname", "phone": "phones", "state": "_region"}
#: Of those, the names that mean another field as often.
_OPEN = frozenset(
    {"name", "nome", "nom", "naam", "nazwa", "names", "viber", "telegram"}
)


def find_usual_field(form: str) -> str:
    """Return the field that a name in normal form means; empty for none, or several."""
    words = load_vocabulary()
    if find_left_out(form) or form in words.consent:
        return ""
    if group := words.ambiguous.get(form):
        return "" if form in _OPEN else _LEANING.get(group, "")
    heading = find_heading(form)
    if heading is not None and heading.score == STEM:
        heading = find_slip(form)
    if heading is None or heading.number > 1:
        return ""
    return heading.field


def is_known_name(form: str) -> bool:
    """Return whether a name in normal form is known, be it as no field at all."""
    words = load_vocabulary()
    return bool(
        form in words.fields
        or form in words.no_field
        or form in words.consent
        or form in words.ambiguous
        or find_left_out(form)
    )
