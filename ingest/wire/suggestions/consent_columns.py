"""Columns that speak of consent: found by their names, by parts of them, by cells (R8).

One that is overlooked loses somebody's no. So whatever is near to consent is found, and
what is not sure is a question.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ingest.wire.suggestions.headings import QUALIFIED, find_heading
from ingest.wire.suggestions.left_out import find_left_out
from ingest.wire.suggestions.samples import SampledColumn, list_columns
from ingest.wire.suggestions.shapes import is_date, is_flag, is_status, share
from ingest.wire.suggestions.vocabulary import load_vocabulary, normalize_word


class ConsentMeaning(StrEnum):
    """The meaning of the cells of a column of consent."""

    #: Words, each a status.
    STATUS = "status"
    #: Yes: the person agreed.
    MAY = "may"
    #: Yes, a time, or a reason: the person left.
    NOT = "not"
    #: Yes, a time, or a reason: messages cannot be delivered.
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    #: The basis of a status: when, from where, what, by which form.
    TIME = "time"
    IP = "ip"
    TEXT = "text"
    SOURCE = "source"
    #: Something about consent.
    UNKNOWN = "unknown"


#: They say something of a status, and none by themselves.
BASIS = frozenset(
    {
        ConsentMeaning.TIME,
        ConsentMeaning.IP,
        ConsentMeaning.TEXT,
        ConsentMeaning.SOURCE,
    }
)


@dataclass(frozen=True, slots=True)
class ConsentColumn:
    """A column that speaks of consent."""

    place: int
    name: str
    meaning: ConsentMeaning
    #: What the subscriptions are of: `email_sub` or `phone_sub`.
    subscription: str
    #: How it was found.
    why: str


#: Words of a header that is about calls and texts.
_PHONE_WORDS = frozenset(
    {"sms", "смс", "phone", "text", "texts", "call", "calls", "mobile", "whatsapp"}
    | {"звонить", "телефон", "viber", "telefon", "telephone", "telefono"}
)
#: Words of a header that is about messages.
_MESSAGE_WORDS = frozenset(
    {"email", "emails", "mail", "mails", "mailing", "mailings", "sms", "messages"}
    | {"emailing", "newsletters", "смс", "письма", "письмо", "correos", "courriels"}
)
#: Reasons to leave a column out that a yes or no is not about.
_PEOPLE = frozenset({"other_person", "company"})
#: Parts of headers whose meaning is sure where all cells are yes or no, or times.
_SURE_STEMS = {
    ConsentMeaning.BOUNCED: re.compile(r"bounce"),
    ConsentMeaning.COMPLAINED: re.compile(r"\bspam\b|complain"),
    ConsentMeaning.NOT: re.compile(
        r"unsub|optout|opt out|opted out|optedout|blacklist|blocklist|suppress"
        r"|abgemeld|abmeld|desabonn|desinscr|descadastr|disiscri|uitgeschr|afgemeld"
        r"|wypisan|\bbaja\b|отпис|відпис"
    ),
}
#: Parts that make them doubtful.
_DOUBTS = re.compile(
    r"\bsoft\b|\bno\b|\bnot\b|\bnever\b|\bconfirm\b|\bid\b|count|page|link|\bcan\b"
)
#: Filled cells from which words of statuses are no accident.
_FEWEST_CELLS = 3
#: The share of statuses in a column that is one of statuses.
_MOSTLY = 0.5
#: A header of more words is a question of a form.
_QUESTION_WORDS = 4


def find_consent_columns(
    header: Sequence[str], rows: Iterable[Sequence[str]]
) -> list[ConsentColumn]:
    """Return the columns of a table that speak of consent, in their order (R8).

    `rows` are the first of the table. Columns of a basis alone, such as the time of an
    opt-in, are among them.
    """
    found = map(find_consent, list_columns(header, rows))
    return [one for one in found if one is not None]


def find_consent(column: SampledColumn) -> ConsentColumn | None:
    """Return what a column says of consent; None if it speaks of something else."""
    if found := _find_meaning(column):
        meaning, why = found
        return ConsentColumn(
            column.place, column.name, meaning, find_subscription(column.form), why
        )
    return None


def find_subscription(form: str) -> str:
    """Return which subscriptions a header in normal form is about."""
    words = set(form.split())
    return "phone_sub" if words & _PHONE_WORDS and "email" not in words else "email_sub"


def _find_meaning(column: SampledColumn) -> tuple[ConsentMeaning, str] | None:
    words, form = load_vocabulary(), column.form
    if known := words.consent.get(form):
        return _read_known(column, known.removeprefix("sms_"))
    # Of a state, a few words tell that it is no region.
    fewest = 1 if words.ambiguous.get(form) == "state" else _FEWEST_CELLS
    if _has_statuses(column, fewest=fewest):
        return ConsentMeaning.STATUS, "its values are statuses"
    return _find_near(column)


def _find_near(column: SampledColumn) -> tuple[ConsentMeaning, str] | None:
    """Return what a column that is not known says, by parts of its name."""
    form = column.form
    is_flags = bool(column.cells) and share(column, is_flag) == 1
    if not _is_known(form, is_flags=is_flags):
        if load_vocabulary().stems.search(form):
            return _read_stem(column, is_flags=is_flags), "its name is about consent"
        if is_flags and set(form.split()) & _MESSAGE_WORDS:
            return ConsentMeaning.UNKNOWN, "a yes or no about messages"
    if is_flags and is_question(column.name):
        return ConsentMeaning.UNKNOWN, "a question that is answered with yes or no"
    return None


def _is_known(form: str, *, is_flags: bool) -> bool:
    """Say whether a header is known as something else than consent."""
    heading = find_heading(form)
    reason = find_left_out(form)
    return (
        # A yes or no is no other person, nor the name of one.
        (bool(reason) and not (is_flags and reason in _PEOPLE))
        or form in load_vocabulary().no_field
        or (heading is not None and heading.score >= QUALIFIED)
    )


def _read_stem(column: SampledColumn, *, is_flags: bool) -> ConsentMeaning:
    """Return the meaning that a part of a header and all cells tell without doubt."""
    form = column.form
    if not is_flags and _mostly(column, _is_status_word):
        return ConsentMeaning.STATUS
    if is_flags or _mostly(column, is_date):
        for meaning, stems in _SURE_STEMS.items():
            if stems.search(form) and not _DOUBTS.search(form):
                return meaning
    return ConsentMeaning.UNKNOWN


def _read_known(column: SampledColumn, known: str) -> tuple[ConsentMeaning, str] | None:
    """Return the meaning of a known header, where its cells do not contradict it."""
    meaning = ConsentMeaning(known)
    words, form = load_vocabulary(), column.form
    group = words.ambiguous.get(form)
    if group == "status" and not _may_be_statuses(column):
        return None
    if meaning is ConsentMeaning.UNKNOWN and not _mostly(column, is_flag):
        return None
    if group in {"subscribed", "newsletter"} and _mostly(column, is_date):
        return None if meaning is ConsentMeaning.MAY else (meaning, "its name")
    if meaning in {ConsentMeaning.MAY, ConsentMeaning.NOT} and _has_statuses(column):
        return ConsentMeaning.STATUS, "its values are statuses"
    return meaning, "its name"


def _may_be_statuses(column: SampledColumn) -> bool:
    """Say whether a column called status may be one of consent (R3)."""
    words = set(map(normalize_word, column.cells))
    if words & (load_vocabulary().not_consent):
        return False
    return not column.cells or share(column, is_status) >= 1 / 3


def _has_statuses(column: SampledColumn, *, fewest: int = _FEWEST_CELLS) -> bool:
    """Say whether half of the cells are statuses, some of them of consent only."""
    words = load_vocabulary()
    found = {normalize_word(cell) for cell in set(column.cells)}
    telling = found & set(words.statuses) - words.weak_statuses - set(words.booleans)
    return (
        bool(telling)
        and not found & words.not_consent
        and len(column.cells) >= fewest
        and share(column, is_status) >= _MOSTLY
    )


def _is_status_word(cell: str) -> bool:
    """Say whether a cell is a word for a status, and for nothing else."""
    return is_status(cell) and not is_flag(cell)


def _mostly(column: SampledColumn, check: Callable[[str], bool]) -> bool:
    return bool(column.cells) and share(column, check) >= _MOSTLY


def is_question(name: str) -> bool:
    """Return whether a header is a question or a statement, as forms have them."""
    return name.rstrip().endswith("?") or len(name.split()) > _QUESTION_WORDS
