"""A suggestion for a whole file: its columns, what is asked, and the map file (R1)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ingest.domain.catalog import Database, FieldType
from ingest.domain.counts import count
from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import Matching
from ingest.domain.table_dates import OrderSurvey, survey_orders
from ingest.wire.columns import refuse_data
from ingest.wire.file_maps import FileMap
from ingest.wire.suggestions.consent_targets import REST
from ingest.wire.suggestions.guesses import ColumnGuess, Table, TargetChoice, make_table
from ingest.wire.suggestions.judging import judge
from ingest.wire.suggestions.opt_out_lists import find_list_status
from ingest.wire.suggestions.phone_countries import list_countries
from ingest.wire.suggestions.preferences import SettledColumns, find_main, settle
from ingest.wire.suggestions.samples import SampledColumn, list_columns
from ingest.wire.suggestions.shapes import is_phone
from ingest.wire.suggestions.suggested_files import Proposal, Question, Sample
from ingest.wire.suggestions.systems import System, find_system
from ingest.wire.suggestions.vocabulary import NOBODY_AGREED

#: Matching by email, and by phone in rows without one (R13).
EMAIL_ELSE_PHONE = "email_else_phone"
#: Digits of a number that has its country code, at least.
_COUNTRY_DIGITS = 11
#: Text fields that are offered for dates that no order reads.
_OFFERED = 2
_ORDERS = ("day-first", "month-first")


def propose(
    sample: Sample, database: Database, told: Mapping[str, str] | None = None
) -> Proposal:
    """Return what the columns of a table are, as far as that is certain.

    `told` has targets that were chosen before, by column. Raises InvalidRequest for a
    file that must not be imported.
    """
    for name in sample.header:
        refuse_data(name.strip())
    columns = list_columns(sample.header, sample.rows)
    system = find_system([one.form for one in columns])
    if system is not None and system[1].refuse:
        raise InvalidRequest(system[1].refuse)
    table = make_table(columns, database, system)
    guesses = [
        ColumnGuess(
            column=one, target=told[one.name], certain=True, why="chosen before"
        )
        if told and one.name in told
        else judge(one, table)
        for one in columns
    ]
    settled = settle(guesses, table)
    return _Draft(sample, table, settled).finish()


class _Draft:
    """A proposal while it is made."""

    def __init__(self, sample: Sample, table: Table, settled: SettledColumns) -> None:
        self._sample = sample
        self._table = table
        self._settled = settled
        self._questions: list[Question] = []
        self._notes: list[str] = []
        self._dates: dict[str, tuple[str, ...]] = {}
        self._options: dict[str, Any] = {}

    def finish(self) -> Proposal:
        """Return the proposal."""
        system = self._table.system
        if system is not None:
            self._options["system"] = self._table.system_name
            self._notes += system.notes
        self._options |= self._sample.options
        self._choose_matching()
        self._subscribe()
        self._read_dates()
        self._ask_columns()
        self._ask_region()
        self._options["skip_invalid_fields"] = True
        if system is not None and system.footer:
            self._options["skip_footer"] = True
        return Proposal(
            system=self._table.system_name,
            title="" if system is None else system.title,
            guesses=tuple(self._settled.guesses),
            questions=tuple(self._questions),
            notes=tuple(self._notes),
            file_map=self._make_map(),
        )

    def _list_emails(self) -> tuple[SampledColumn, ...]:
        """Return the columns of the email, in the order of preference."""
        if grouped := self._settled.first_of.get("email"):
            return grouped
        return tuple(
            one.column
            for one in self._settled.guesses
            if one.certain and "email" in (one.target or "").split("+")
        )

    def _choose_matching(self) -> None:
        """Match rows by email, and those without one by phone (R13)."""
        emails = self._list_emails()
        phones = [
            one.column
            for one in self._settled.guesses
            if "phones" in (one.target or "").split("+")
        ]
        places = range(len(self._sample.rows))
        only = sum(
            not any(one.rows[place] for one in emails)
            and any(one.rows[place] for one in phones)
            for place in places
        )
        if not emails and phones:
            self._options["matching"] = Matching.PHONE.value
        elif only:
            self._options["matching"] = EMAIL_ELSE_PHONE
            self._notes.append(
                f"{only:,} of {len(places):,} rows have a phone and no email: they are"
                " matched by phone."
            )
        elif emails:
            self._options["matching"] = Matching.EMAIL.value

    def _subscribe(self) -> None:
        """Let contacts have subscriptions where something tells their statuses."""
        status = self._find_status()
        if status:
            self._options["status"] = status
        for contact, kind in (("email", "email_sub"), ("phones", "phone_sub")):
            told = any(
                one.certain and f"{kind}.status" in (one.target or "").split("+")
                for one in self._settled.guesses
            )
            if told or (status and kind == "email_sub"):
                self._add_subscription(contact, kind)
            else:
                self._drop_basis(kind)
        if "status" in self._options or self._has_statuses():
            return
        if not self._ask_for_opt_outs():
            self._notes.append(
                "The file records no consent: the import makes no subscriptions."
            )

    def _find_status(self) -> str:
        system = self._table.system
        if system is None:
            return ""
        status = system.find_status(self._sample.file_name)
        if status or not system.status_by_name:
            return "" if status == NOBODY_AGREED else status
        main = find_main(self._settled.guesses, "email")
        if main is not None:
            choices = (
                TargetChoice(
                    "email+email_sub", "all people in this file are subscribed"
                ),
                TargetChoice("email", "none of them is: they never subscribed"),
            )
            self._settled.put(
                replace(
                    main,
                    certain=False,
                    target=None,
                    why="only the original file name shows who is subscribed",
                    choices=choices,
                )
            )
        return ""

    def _ask_for_opt_outs(self) -> bool:
        """Ask whether a file without statuses is a list of opt-outs, if it looks so."""
        forms = {one.form for one in self._table.columns}
        status = find_list_status(self._sample.file_name, forms)
        main = find_main(self._settled.guesses, "email")
        if not status or main is None:
            return False
        people = f"all people in this file are {status}"
        self._settled.put(
            replace(
                main,
                certain=False,
                target=None,
                words={REST: status},
                why="this looks like a list of opt-outs or bounces",
                choices=(
                    TargetChoice("email+email_sub.status", people),
                    TargetChoice("email", "none of them is"),
                ),
            )
        )
        for guess in list(self._settled.guesses):
            if guess.target == "_regdate":
                time = TargetChoice("email_sub.time", "the time of the opt-out")
                own = TargetChoice("_regdate", "the time of the registration")
                why = "the time of the opt-out, or of the registration"
                self._settled.put(guess.ask(why, time, own))
        return True

    def _has_statuses(self) -> bool:
        return any(
            "_sub" in (one.target or "") or (one.consent is not None and one.choices)
            for one in self._settled.guesses
        ) or any("status" in choice.target for choice in self._list_choices())

    def _list_choices(self) -> list[TargetChoice]:
        return [one for guess in self._settled.guesses for one in guess.choices]

    def _drop_basis(self, kind: str) -> None:
        """Import no basis, which needs a subscription that nothing makes for sure."""
        for target in [one for one in self._settled.first_of if f"{kind}." in one]:
            del self._settled.first_of[target]
        is_open = any(one.choices for one in self._settled.guesses)
        for guess in list(self._settled.guesses):
            if not guess.certain or f"{kind}." not in (guess.target or ""):
                continue
            if is_open:
                choice = TargetChoice(guess.target or "", "store it with the consent")
                self._settled.put(guess.ask("the basis of a consent", choice))
            else:
                self._settled.put(guess.left_out("the basis of no consent"))

    def _add_subscription(self, contact: str, kind: str) -> None:
        grouped = self._settled.first_of.pop(contact, None)
        if grouped is not None:
            self._settled.first_of[f"{contact}+{kind}"] = grouped
        main = find_main(self._settled.guesses, contact)
        if grouped is None and main is not None:
            self._settled.put(replace(main, target=f"{contact}+{kind}"))

    def _read_dates(self) -> None:
        """Find the order of days and months, or ask for it (V1)."""
        system = self._table.system
        for guess in self._settled.guesses:
            if not guess.certain or not self._is_date(guess):
                continue
            survey = survey_orders(enumerate(guess.column.rows, start=1))
            if survey.order is not None:
                self._dates[guess.column.name] = (survey.order.value,)
            elif survey.open_row is not None and system is not None and system.dates:
                self._dates[guess.column.name] = (system.dates,)
            elif survey.open_row is not None or survey.conflict:
                self._ask_order(guess, survey)
        if system is not None and system.timezone:
            self._options["timezone"] = system.timezone

    def _is_date(self, guess: ColumnGuess) -> bool:
        target = (guess.target or "").partition("+")[0]
        if target.endswith(".time") or ".time" in (guess.target or ""):
            return True
        declared = self._table.database.fields.get(target)
        return declared is not None and declared.type.value == "date"

    def _ask_order(self, guess: ColumnGuess, survey: OrderSurvey) -> None:
        name = guess.column.name
        if guess.consent is not None and ".status" in (guess.target or ""):
            # The status counts, whenever it was.
            status, _, _ = (guess.target or "").partition("+")
            why = f"{guess.why}; its time is not imported: day or month may be first"
            self._settled.put(replace(guess, target=status, why=why))
            return
        if survey.conflict:
            first, second = survey.conflict
            why = f"rows {first} and {second} need different orders of day and month"
            texts = self._table.list_fields(FieldType.UNICODE)[:_OFFERED]
            kept = [TargetChoice(one, f"keep it as a text in {one}") for one in texts]
            self._settled.put(guess.ask(why, *kept))
            return
        example = guess.column.rows[(survey.open_row or 1) - 1]
        self._settled.put(
            replace(guess, certain=False, why="day first, or month first?")
        )
        self._questions.append(
            Question(
                column=name,
                about=f"{name!r}: is the day or the month first in {example}?",
                choices=tuple(
                    TargetChoice(order, f"the {order.partition('-')[0]} is first")
                    for order in _ORDERS
                ),
                table="dates",
                key=name,
            )
        )

    def _ask_columns(self) -> None:
        for guess in self._settled.guesses:
            if guess.choices:
                name = guess.column.name
                self._questions.append(
                    Question(
                        column=name,
                        about=_end(f"{name!r}: {guess.why}"),
                        choices=guess.choices,
                        key=name,
                    )
                )

    def _ask_region(self) -> None:
        """Ask for the country of phones that have no country code (V4)."""
        has_column = any(one.target == "_country" for one in self._settled.guesses)
        if has_column or self._table.database.phone_region:
            return
        phones = [
            one.column
            for one in self._settled.guesses
            if (one.target or "").startswith("phones")
        ]
        open_ones = [
            cell for column in phones for cell in column.cells if _lacks_country(cell)
        ]
        if open_ones:
            self._questions.append(
                Question(
                    column="",
                    about=f"The country of {count(len(open_ones), 'phone')} without a"
                    f" country code, such as {open_ones[0]}.",
                    choices=tuple(
                        TargetChoice(one, "the code of their country, or any other")
                        for one in list_countries(open_ones) or ["US"]
                    ),
                    table="",
                    key="phone_region",
                )
            )

    def _make_map(self) -> FileMap:
        names = [one.column.name for one in self._settled.guesses]
        grouped = {
            one.name: target
            for target, listed in self._settled.first_of.items()
            for one in listed
        }
        columns = {
            one.column.name: one.target or ""
            for one in reversed(self._settled.guesses)
            if one.column.name.strip()
            and not one.choices
            # A column of a group has no line of its own.
            and one.column.name not in grouped
        }
        return FileMap(
            options=self._options,
            columns={name: columns[name] for name in names if name in columns},
            first_of={
                target: tuple(one.name for one in listed)
                for target, listed in self._settled.first_of.items()
            },
            words={
                one.column.name: dict(one.words)
                for one in self._settled.guesses
                if one.words
            },
            dates=self._dates,
            skip_where=self._skip_where(),
        )

    def _skip_where(self) -> dict[str, tuple[str, ...]]:
        system: System | None = self._table.system
        if system is None:
            return {}
        by_form = {one.form: one.name for one in self._table.columns}
        return {by_form[form]: values for form, values in system.skip_where.items()}


def _end(text: str) -> str:
    """Return a sentence with the mark at its end."""
    return text if text.endswith("?") else f"{text}."


def _lacks_country(cell: str) -> bool:
    """Say whether a phone can only be read in a country.

    As many digits as a country code and a number have are both, but after the trunk
    prefixes 0 and 8.
    """
    number = cell.lstrip("(' ")
    if not is_phone(cell) or number.startswith(("+", "00", "tel:")):
        return False
    digits = "".join(filter(str.isdigit, number.partition(",")[0]))
    return len(digits) < _COUNTRY_DIGITS or digits[0] in "08"
