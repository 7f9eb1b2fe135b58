"""One column after another to what it is taken for: header times cells (R2)."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from ingest.domain.catalog import FieldType
from ingest.wire.suggestions.ambiguity import judge_ambiguous
from ingest.wire.suggestions.consent_targets import judge_consent
from ingest.wire.suggestions.full_names import ask_full_name
from ingest.wire.suggestions.guesses import (
    ASKED,
    CERTAIN,
    FULL_NAME,
    ColumnGuess,
    Table,
    TargetChoice,
)
from ingest.wire.suggestions.headings import QUALIFIED, WHOLE, Heading
from ingest.wire.suggestions.left_out import NEVER, REASONS, find_left_out
from ingest.wire.suggestions.own_fields import judge_own
from ingest.wire.suggestions.samples import SampledColumn
from ingest.wire.suggestions.shapes import (
    is_email,
    is_flag,
    is_phone,
    score_cells,
    share,
)
from ingest.wire.suggestions.systems import NO_FIELD
from ingest.wire.suggestions.vocabulary import (
    NOBODY_AGREED,
    load_vocabulary,
)

_NO_FIELD_WHY = "no field for it; declare one to keep it"
#: The share of cells of one shape that speaks for a field, whatever the header.
_SHAPED = 0.95
#: The share of cells that a header must have on its side.
_CONTRADICTED = 0.5


def judge(column: SampledColumn, table: Table) -> ColumnGuess:
    """Return what a column is taken for, by itself and by its neighbours."""
    start = ColumnGuess(column=column, why="")
    if not column.name.strip():
        return start.left_out("has no name")
    if find_left_out(column.form) == NEVER:
        return start.left_out(REASONS[NEVER])
    found = (each(start, table) for each in _JUDGES)
    return next((one for one in found if one is not None), start)


def _judge_system(start: ColumnGuess, table: Table) -> ColumnGuess | None:
    """Return what the system that wrote the file explains; None for nothing."""
    system, form = table.system, start.column.form
    if system is None:
        return None
    words = system.words.get(form, {})
    if form in system.asked:
        choices = [TargetChoice(one, f"import as {one}") for one in system.asked[form]]
        why = f"its use depends on your account in {system.short_title}"
        return replace(start, words=words).ask(why, *choices)
    if form in system.columns:
        return _read_target(start, system.columns[form], words, table)
    for target, listed in system.first_of.items():
        if form in listed:
            return replace(start, target=target, certain=True, why=system.title)
    return _judge_flag(start, table)


def _read_target(
    start: ColumnGuess, target: str, words: Mapping[str, str], table: Table
) -> ColumnGuess:
    """Return a column with the target that its system has for it."""
    system = table.system.short_title if table.system else ""
    if target == NO_FIELD:
        return replace(start, certain=True, why=_NO_FIELD_WHY)
    if target == "":
        return start.left_out(f"of {system} alone")
    if target.endswith(".status") and not words:
        words = {"true": "subscribed", "false": NOBODY_AGREED}
    return replace(
        start,
        target=target,
        certain=True,
        why=f"known of {system}",
        words=words,
        meant="" if "_sub" in target else target,
        heading=Heading(target, WHOLE),
        consent=table.consents.get(start.column.place),
    )


def _judge_flag(start: ColumnGuess, table: Table) -> ColumnGuess | None:
    """Return the question about a yes/no column of a list of opt-outs."""
    system = table.system
    if system is None or not system.flags or start.column.place in table.consents:
        return None
    if not start.column.cells or share(start.column, is_flag) < 1:
        return None
    words = {"false": "", "*": "unsubscribed"}
    question = TargetChoice("email_sub.status", "a yes means unsubscribed")
    return replace(start, words=words).ask("a category to opt out of", question)


def _judge_consent(start: ColumnGuess, table: Table) -> ColumnGuess | None:
    """Return what a column says of consent; None for one that says nothing of it."""
    consent = table.consents.get(start.column.place)
    if consent is None:
        return None
    found = judge_consent(start, consent, table)
    return found if found.certain or found.choices else None


def _judge_others(start: ColumnGuess, _: Table) -> ColumnGuess | None:
    """Return a column of other people and things as one that is left out (R10)."""
    reason = find_left_out(start.column.form)
    return start.left_out(REASONS[reason]) if reason else None


def _judge_name(start: ColumnGuess, table: Table) -> ColumnGuess:
    """Return what the header and the cells of a column mean together."""
    ambiguous = judge_ambiguous(start, table)
    if ambiguous is not None:
        if ambiguous.meant == FULL_NAME:
            return ask_full_name(ambiguous, table)
        return ambiguous
    heading = table.headings.get(start.column.place)
    if heading is None:
        return _judge_answers(start, table) or _judge_cells(start)
    if heading.field == FULL_NAME and heading.score >= QUALIFIED:
        return ask_full_name(start, table)
    return _judge_heading(start, heading)


def _judge_heading(start: ColumnGuess, heading: Heading) -> ColumnGuess:
    column, field = start.column, heading.field
    found = replace(start, meant=field, heading=heading)
    fits = score_cells(column, load_vocabulary().kinds.get(field, ""))
    question = TargetChoice(field, f"import as {field}")
    if column.cells and fits < _CONTRADICTED and heading.score >= QUALIFIED:
        return found.ask(
            f"its name means {field}, but {fits:.0%} of the values fit", question
        )
    score = heading.score * fits
    if heading.is_company and not field.startswith("_"):
        return found.ask("a company's, or the person's", question)
    if score >= CERTAIN:
        return replace(found, target=field, certain=True, why=_explain(found))
    if score >= ASKED:
        return found.ask(f"its name is near to {heading.core!r}", question)
    return _judge_cells(start)


def _explain(guess: ColumnGuess) -> str:
    heading = guess.heading
    if heading is None or heading.core == guess.column.form:
        return "its name"
    return f"its name, as {heading.core!r}"


def _judge_answers(start: ColumnGuess, table: Table) -> ColumnGuess | None:
    """Return the question about answers of several choices; None for others."""
    is_form = table.system is not None and table.system.is_form
    names = table.list_fields(FieldType.TAGS)
    if not is_form or not names:
        return None
    if not any(", " in cell for cell in start.column.cells):
        return None
    choices = [TargetChoice(name, f"its choices as tags, in {name}") for name in names]
    return start.ask("choices of a question, or a text", *choices)


def _judge_cells(start: ColumnGuess) -> ColumnGuess:
    """Return what cells mean under a header that means nothing known."""
    column = start.column
    if column.cells and share(column, is_email) >= _SHAPED:
        return replace(start, meant="email").ask(
            "its values are emails", TargetChoice("email", "the person's email")
        )
    written = share(column, lambda cell: not cell.isdigit())
    if written >= _CONTRADICTED and share(column, is_phone) >= _SHAPED:
        return replace(start, meant="phones").ask(
            "its values are phones", TargetChoice("phones", "the person's phone")
        )
    return replace(start, certain=True, why=_NO_FIELD_WHY)


#: The first that knows a column decides.
_JUDGES: tuple[Callable[[ColumnGuess, Table], ColumnGuess | None], ...] = (
    _judge_system,
    judge_own,
    _judge_consent,
    _judge_others,
    _judge_name,
)
