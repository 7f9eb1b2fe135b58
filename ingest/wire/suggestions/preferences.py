"""Several columns of one field: the one that is used, and the others (R4, R6)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ingest.domain.catalog import FieldType
from ingest.wire.suggestions.consent_columns import BASIS
from ingest.wire.suggestions.guesses import TAGS, ColumnGuess, Table, TargetChoice
from ingest.wire.suggestions.headings import PLACES, Preference
from ingest.wire.suggestions.samples import SampledColumn
from ingest.wire.suggestions.vocabulary import load_vocabulary, normalize

#: Text fields that are offered for a second address, at most.
_OFFERED = 2
#: Words of the address that messages go to.
_MAIN = (
    "для рассылок",
    "mailing",
    "primary",
    "main",
    "preferred",
    "default",
    "основной",
)


#: Of several dates, the one when the person became known.
_CREATED = re.compile(r"creat|erstell|cre[ea]|cria|созда|ство")


@dataclass(slots=True)
class SettledColumns:
    """Verdicts of all columns, and the columns that stand in for each other."""

    guesses: list[ColumnGuess]
    #: Columns by target, in the order of preference.
    first_of: dict[str, tuple[SampledColumn, ...]] = field(default_factory=dict)

    def put(self, guess: ColumnGuess) -> None:
        """Replace the guess of a column."""
        self.guesses[guess.column.place] = guess


def settle(guesses: Sequence[ColumnGuess], table: Table) -> SettledColumns:
    """Return the guesses with one column, or one order of columns, for each field."""
    settled = SettledColumns(list(guesses))
    by_field: dict[str, list[ColumnGuess]] = {}
    for guess in guesses:
        if guess.meant:
            by_field.setdefault(guess.meant, []).append(guess)
    for name, candidates in by_field.items():
        if name == "email":
            _settle_emails(candidates, settled, table)
        elif name == "phones":
            _settle_phones(candidates, settled, table)
        elif name == TAGS:
            _settle_tags(candidates, settled, table)
        else:
            _settle_one(name, candidates, settled)
    _settle_system(settled, table)
    _settle_repeated(settled)
    return settled


def _settle_emails(
    candidates: Sequence[ColumnGuess], settled: SettledColumns, table: Table
) -> None:
    """Choose the email, and ask about second ones, which make no second profile."""
    certain = [one for one in candidates if one.certain]
    seconds = [one for one in certain if _is_second(one)]
    main = [one for one in certain if one not in seconds] or seconds[:1]
    plain = [one for one in main if _rank(one) is Preference.PLAIN]
    if plain:
        main, rest = plain[:1], [one for one in main if one is not plain[0]]
    else:
        main, rest = sorted(main, key=_prefer_main), []
    if len(main) > 1:
        settled.first_of["email"] = tuple(one.column for one in main)
        for guess in main:
            settled.put(replace(guess, why=f"{guess.why}; the first that is filled"))
    for guess in [*rest, *(one for one in seconds if one not in main)]:
        settled.put(_ask_second(guess, table))


def _is_second(guess: ColumnGuess) -> bool:
    heading, words = guess.heading, load_vocabulary().second_address
    tokens = set(guess.column.form.split())
    return bool(tokens & words) or (heading is not None and heading.number > 1)


def _prefer_main(guess: ColumnGuess) -> tuple[bool, int]:
    form = guess.column.form
    return not any(word in form for word in _MAIN), guess.column.place


def _ask_second(guess: ColumnGuess, table: Table) -> ColumnGuess:
    """Ask about another address of the same person (R6)."""
    kept = [
        TargetChoice(name, f"keep it as a text in {name}")
        for name in table.list_fields(FieldType.UNICODE)[:_OFFERED]
    ]
    # Without statuses in the file, it would say that the person agreed.
    if any(one.meaning not in BASIS for one in table.consents.values()):
        kept.append(TargetChoice("email_sub", "add a subscription to the same profile"))
    return guess.ask("a second address of the same person", *kept)


def _settle_phones(
    candidates: Sequence[ColumnGuess], settled: SettledColumns, table: Table
) -> None:
    """Keep all phones, but those whose label is a fax."""
    for guess in candidates:
        faxes = _count_faxes(guess.column, table)
        if not guess.certain or not faxes:
            continue
        if faxes == 1:
            settled.put(guess.left_out("faxes, by the label next to it"))
        else:
            settled.put(
                guess.ask(
                    f"{faxes:.0%} are faxes, by the label next to it",
                    TargetChoice("phones", "import all as phones"),
                )
            )


def _count_faxes(column: SampledColumn, table: Table) -> float:
    """Return the share of the numbers of a column that a label calls faxes."""
    words = load_vocabulary().left_out
    base = column.form.removesuffix(" value")
    labels = {f"{base} label", f"{base} type"}
    for label in table.columns:
        if label.form in labels and column.cells:
            pairs = zip(label.rows, column.rows, strict=True)
            named = [normalize(text).split() for text, cell in pairs if cell]
            faxes = [
                any(words.get(one) == "no_phone" for one in each) for each in named
            ]
            return sum(faxes) / len(faxes)
    return 0.0


def _settle_tags(
    candidates: Sequence[ColumnGuess], settled: SettledColumns, table: Table
) -> None:
    """Choose the database's own field of tags."""
    names = table.list_fields(FieldType.TAGS)
    taken = {one.target for one in settled.guesses if one.target in names}
    free = [name for name in names if name not in taken]
    for guess in candidates:
        if not names:
            settled.put(
                replace(
                    guess,
                    target=None,
                    certain=True,
                    why="tags; the database has no field of the type tags",
                    choices=(),
                )
            )
            continue
        choices = [TargetChoice(name, f"import as {name}") for name in names]
        if not guess.certain or len(names) > 1 or not free:
            why = guess.why if not guess.certain else "tags; choose the field"
            settled.put(guess.ask(why, *choices))
            continue
        name = free.pop()
        settled.put(replace(guess, target=name, why=f"tags, for the field {name}"))


def _settle_one(
    name: str, candidates: Sequence[ColumnGuess], settled: SettledColumns
) -> None:
    """Choose one column of a field, the person's own; the others are asked about."""
    best, *others = sorted(candidates, key=_prefer)
    if not best.certain:
        return
    for guess in others:
        if not guess.certain:
            continue
        if not guess.column.cells:
            why = f"empty, and {best.column.name!r} is the same field"
            settled.put(guess.left_out(why))
            continue
        both = (best.column.name, guess.column.name)
        first = TargetChoice(name, f"use it where {best.column.name!r} is empty", both)
        settled.put(guess.ask(f"{best.column.name!r} is {name} already", first))


def _prefer(guess: ColumnGuess) -> tuple[bool, bool, bool, int, int, float, int]:
    heading = guess.heading
    number = heading.number if heading is not None else 0
    score = heading.score if heading is not None else 0.0
    in_place = guess.meant in PLACES
    empty = not guess.column.cells
    return (
        not guess.certain,
        empty and not in_place,
        guess.meant == "_regdate" and not _CREATED.search(guess.column.form),
        _rank(guess),
        number,
        -score,
        guess.column.place,
    )


def _rank(guess: ColumnGuess) -> Preference:
    return guess.heading.rank if guess.heading is not None else Preference.PLAIN


def _settle_system(settled: SettledColumns, table: Table) -> None:
    """Put in order what a known system has in several columns."""
    if table.system is None:
        return
    by_form = {one.form: one for one in table.columns}
    for target, forms in table.system.first_of.items():
        found = tuple(by_form[form] for form in forms if form in by_form)
        if len(found) > 1:
            settled.first_of[target] = found


def _settle_repeated(settled: SettledColumns) -> None:
    """Leave out a column with the name of another; a map has each name once."""
    seen: set[str] = set()
    for guess in list(settled.guesses):
        name = guess.column.name.strip()
        if name in seen and guess.target != "":
            settled.put(guess.left_out("another column has the same name"))
        seen.add(name)


def find_main(guesses: Iterable[ColumnGuess], field_name: str) -> ColumnGuess | None:
    """Return the first certain column of a field, best by its whole name."""
    found = [one for one in guesses if one.certain and one.target == field_name]
    ranked = sorted(found, key=lambda one: (-_score(one), one.column.place))
    return ranked[0] if ranked else None


def _score(guess: ColumnGuess) -> float:
    return guess.heading.score if guess.heading is not None else 0.0


def lacks(column: SampledColumn) -> float:
    """Return the share of rows in which a column is empty."""
    return 1 - len(column.cells) / len(column.rows) if column.rows else 0.0
