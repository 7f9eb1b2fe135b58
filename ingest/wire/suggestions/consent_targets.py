"""Targets of columns of consent, and the statuses that their words mean (R8).

A column that forbids is certain: whatever is filled in it, and is no "no", forbids. One
that permits is a question, unless its words are statuses.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from ingest.wire.suggestions.consent_columns import (
    BASIS,
    ConsentColumn,
    ConsentMeaning,
)
from ingest.wire.suggestions.guesses import ColumnGuess, Table, TargetChoice
from ingest.wire.suggestions.samples import SampledColumn
from ingest.wire.suggestions.shapes import is_date, is_flag, is_number, share
from ingest.wire.suggestions.vocabulary import (
    NOBODY_AGREED,
    find_boolean,
    find_status,
    load_vocabulary,
    normalize_word,
)

#: Every other filled cell.
REST = "*"
#: Words that are listed of a column, at most.
_LISTED = 30
#: What forbids, by what a column says.
_STATUSES: Mapping[ConsentMeaning, str] = {
    ConsentMeaning.NOT: "unsubscribed",
    ConsentMeaning.BOUNCED: "hardbounced",
    ConsentMeaning.COMPLAINED: "complained",
}
#: Columns that have a status of each row.
_WITH_STATUS = frozenset({ConsentMeaning.STATUS, ConsentMeaning.MAY, *_STATUSES})
#: Parts of headers that turn a yes into a no.
_NEGATIVE = re.compile(
    r"\bno\b|\bnot\b|\bdont\b|unsub|optout|opt out|opted out|suppress|bounce|complain"
    r"|spam|black|block|stop|disabl|deactiv|deaktiv|\boff\b|abmeld|abbestell|widerspr|desabonn|desinscr|descadastr"
    r"|disiscri|afgemeld|uitgeschr|wypisan|отпис|отказ|запрет|заблок|suspend|\b\u043d\u0435\b|відпис|baja"
)
#: Words that forbid nothing, whatever the name of their column.
_PERMITTING = frozenset(
    {"allow", "allowed", "permitted", "ok", "subscribed", "active", "never", "erlaubt"}
)
#: Words of the name of a time.
_TIME_NAME = re.compile(r"\b(?:date|time|at|on|am|le|el)\b|дата")
_OF_CALLS = re.compile(r"\b(?:call|calls|phone)\b")


def judge_consent(
    start: ColumnGuess, consent: ConsentColumn, table: Table
) -> ColumnGuess:
    """Return the target of a column of consent, or the question about it."""
    start = replace(start, consent=consent)
    meaning = consent.meaning
    if meaning in BASIS:
        return _judge_basis(start, consent, table)
    if meaning is ConsentMeaning.STATUS:
        return _judge_statuses(start, consent, table)
    if status := _STATUSES.get(meaning):
        return _judge_forbidding(start, consent, status)
    return _judge_unclear(start, consent, table)


def _judge_unclear(
    start: ColumnGuess, consent: ConsentColumn, table: Table
) -> ColumnGuess:
    """Return the question about a column that may permit, or forbid."""
    form = start.column.form
    is_negative = bool(_NEGATIVE.search(form)) or (
        table.system is not None and table.system.flags == ConsentMeaning.NOT
    )
    if consent.meaning is ConsentMeaning.UNKNOWN and is_negative:
        why = "its name is about opting out"
        return _ask_forbidding(start, consent, why, _find_status(form))
    if share(start.column, is_date) == 1 and has_statuses(table, consent):
        consent = replace(consent, meaning=ConsentMeaning.TIME)
        return _judge_basis(start, consent, table)
    return _ask_permitting(start, consent)


def _judge_statuses(
    start: ColumnGuess, consent: ConsentColumn, table: Table
) -> ColumnGuess:
    column, target = start.column, f"{consent.subscription}.status"
    known = {}
    if table.system is not None:
        known = dict(table.system.words.get(column.form, {}))
    found = {normalize_word(cell) for cell in column.cells}
    unknown = sorted(found - load_vocabulary().statuses.keys() - known.keys())
    words = known or {one: find_status(one) or "" for one in sorted(found)[:_LISTED]}
    start = replace(start, words=words)
    if known and not unknown:
        return replace(start, target=target, certain=True, why="words of the system")
    question = TargetChoice(target, "read its words as statuses")
    if unknown:
        listed = ", ".join(repr(one) for one in unknown[:3])
        return start.ask(f"statuses of consent, with unknown words: {listed}", question)
    if not found:
        return start.ask("statuses of consent; the column is empty", question)
    if found <= load_vocabulary().weak_statuses:
        return start.ask("statuses of consent, or of something else", question)
    return replace(start, target=target, certain=True, why="all words are statuses")


def _judge_forbidding(
    start: ColumnGuess, consent: ConsentColumn, status: str
) -> ColumnGuess:
    column = start.column
    if _OF_CALLS.search(column.form) and consent.subscription == "phone_sub":
        return _ask_forbidding(start, consent, "about calls, and perhaps messages")
    if "type" in column.form.split() or _is_count(column):
        return _ask_forbidding(
            start, consent, "counts or kinds of what forbids", status
        )
    if "reason" in column.form and status == "unsubscribed":
        return _ask_forbidding(start, consent, "reasons of opt-outs", status)
    if not (_is_plain(column) or "reason" in column.form):
        return _ask_forbidding(start, consent, f"its name means {status}", status)
    target = f"{consent.subscription}.status"
    if _is_time(column):
        target += f"+{consent.subscription}.time"
    return replace(
        start,
        target=target,
        certain=True,
        why=f"its name means {status}; no other value than a no permits",
        words={"false": "", REST: status},
    )


def _is_plain(column: SampledColumn) -> bool:
    """Say whether all cells are yes or no, or all are times, or none is filled."""
    return not column.cells or 1 in (share(column, is_flag), share(column, is_date))


def _is_count(column: SampledColumn) -> bool:
    """Say whether cells are numbers other than 0 and 1."""
    return any(
        is_number(cell) and not is_flag(cell) for cell in set(column.cells)
    ) and (share(column, is_date) < 1)


def _is_time(column: SampledColumn) -> bool:
    if column.cells:
        return share(column, is_date) == 1
    return bool(_TIME_NAME.search(column.form))


def _ask_forbidding(
    start: ColumnGuess, consent: ConsentColumn, why: str, status: str = "unsubscribed"
) -> ColumnGuess:
    found = {normalize_word(cell) for cell in start.column.cells}
    permitting = dict.fromkeys(sorted(found & _PERMITTING), "")
    words = {"false": "", **permitting, REST: status}
    question = TargetChoice(
        f"{consent.subscription}.status", f"any value but a no means {status}"
    )
    return replace(start, words=words).ask(why, question)


def _ask_permitting(start: ColumnGuess, consent: ConsentColumn) -> ColumnGuess:
    if share(start.column, is_date) == 1:
        question = TargetChoice(
            f"{consent.subscription}.status+{consent.subscription}.time",
            "a filled cell means subscribed",
        )
        return replace(start, words={REST: "subscribed"}).ask(
            "the time of a consent", question
        )
    words = {"true": "subscribed", "false": NOBODY_AGREED}
    others = {
        one: status
        for one in sorted({normalize_word(cell) for cell in start.column.cells})
        if find_boolean(one) is None and (status := find_status(one)) is not None
    }
    listed = dict(list(others.items())[:_LISTED])
    question = TargetChoice(
        f"{consent.subscription}.status",
        "a yes means subscribed, a no makes no subscription",
    )
    return replace(start, words=words | listed).ask(
        f"{consent.why}; does a yes mean consent?", question
    )


def _find_status(form: str) -> str:
    """Return what a negative header forbids by."""
    if "bounce" in form:
        return _STATUSES[ConsentMeaning.BOUNCED]
    if "spam" in form or "complain" in form:
        return _STATUSES[ConsentMeaning.COMPLAINED]
    return _STATUSES[ConsentMeaning.NOT]


def _judge_basis(
    start: ColumnGuess, consent: ConsentColumn, table: Table
) -> ColumnGuess:
    """Return a basis, which is stored only with a status."""
    if not has_statuses(table, consent):
        return replace(start, why="about consent, of which the file has no status")
    part = f"{consent.subscription}.{consent.meaning}"
    if consent.meaning in (ConsentMeaning.TEXT, ConsentMeaning.SOURCE):
        return start.ask(
            "the basis of a consent", TargetChoice(part, "store it as that")
        )
    return replace(start, target=part, certain=True, why="the basis of the consent")


def has_statuses(table: Table, consent: ConsentColumn) -> bool:
    """Return whether another column, or the system, has statuses of such consent."""
    if table.system is not None and (
        table.system.status or table.system.status_by_name
    ):
        return True
    return any(
        one.meaning in _WITH_STATUS
        and one.subscription == consent.subscription
        and one.place != consent.place
        for one in table.consents.values()
    )
