"""How tables write dates, numbers and yes is told, and never guessed."""

from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidValue
from ingest.domain.notations import (
    date_notation,
    dates_notation,
    decimal_notation,
    words_notation,
)
from ingest.domain.suggestions import Suggestion, suggest


@pytest.mark.parametrize(
    ("text", "cell", "expected"),
    [
        ("DD.MM.YYYY", "02.09.1963", "1963-09-02"),
        ("DD.MM.YYYY", "2.9.1963", "1963-09-02"),
        ("dd.mm.yyyy", "02.09.1963", "1963-09-02"),
        ("D/M/YYYY", "2/9/1963", "1963-09-02"),
        ("MM/DD/YYYY", "09/02/1963", "1963-09-02"),
        ("DD.MM.YYYY", "02.09.1963 12:30", "1963-09-02T12:30:00"),
        ("DD.MM.YYYY", "02.09.1963 0:00:00", "1963-09-02T00:00:00"),
        ("DD.MM.YYYY HH:mm:ss", "02.09.1963 12:30:05", "1963-09-02T12:30:05"),
        ("MM/DD/YYYY HH:mm", "09/02/1963 12:30", "1963-09-02T12:30:00"),
        ("YYYYMMDD", "19630902", "1963-09-02"),
        ("YYYY/MM/DD", "1963/09/02", "1963-09-02"),
        ("DD.MM.YY", "02.09.69", "1969-09-02"),
        ("DD.MM.YY", "02.09.68", "2068-09-02"),
        ("DD-MMM-YYYY", "02-Sep-1963", "1963-09-02"),
        ("MMM DD, YYYY", "September 2, 1963", "1963-09-02"),
        ("DD.MM.YYYY", "31.02.1963", None),
        ("DD.MM.YYYY", "02/09/1963", None),
        ("DD.MM.YYYY", "1963-09-02", None),
        ("DD.MM.YYYY", "02.09.63", None),
        ("DD.MM.YYYY", "02.09.1963 25:00", None),
        ("MM/DD/YYYY", "13/01/1990", None),
        ("DD-MMM-YYYY", "02-Zep-1963", None),
        ("DD.MM.YYYY", "00.00.0000", None),
        ("MM/DD/YYYY", "9/2/1963 3:05 PM", "1963-09-02T15:05:00"),
        ("MM/DD/YYYY", "09/02/1963 12:00:00 AM", "1963-09-02T00:00:00"),
        ("MM/DD/YYYY", "09/02/1963 12:30\u202fp.m.", "1963-09-02T12:30:00"),
        ("MM/DD/YYYY", "09/02/1963 13:05 PM", None),
        ("MM/DD/YYYY hh:mm A", "09/02/1963 03:05 pm", "1963-09-02T15:05:00"),
        ("MM/DD/YYYY h:mm tt", "09/02/1963 3:05 AM", "1963-09-02T03:05:00"),
        ("MM/DD/YYYY HH:mm", "09/02/1963 03:05 PM", None),
        ("DD.MM.YYYY", "02.09.1963 12:30:05.250", "1963-09-02T12:30:05.250"),
        ("DD.MM.YYYY", "02.09.1963T12:30:05Z", "1963-09-02T12:30:05Z"),
        ("DD.MM.YYYY", "02.09.1963 12:30 +0300", "1963-09-02T12:30:00+0300"),
        ("DD.MM.YYYY", "02.09.1963 +0300", None),
    ],
)
def test_a_date_is_read_as_it_is_told(
    text: str, cell: str, expected: str | None
) -> None:
    assert date_notation(text)(cell) == expected


@given(day=st.dates(), mark=st.sampled_from("./- "))
def test_a_date_of_four_digits_a_year_comes_back(day: date, mark: str) -> None:
    written = day.strftime(f"%d{mark}%m{mark}") + f"{day.year:04}"

    assert date_notation(f"DD{mark}MM{mark}YYYY")(written) == day.isoformat()


@pytest.mark.parametrize(
    "text",
    ["", "DD.MM", "YYYY", "DD.DD.YYYY", "DD.MM.YYYY HH", "x", "DD.MM.YYYY mm:HH"],
)
def test_what_is_no_date_format_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="Must be a date format, such as"):
        date_notation(text)


@pytest.mark.parametrize(
    "formats", [["DD.MM.YYYY", "MM.DD.YYYY"], ["DDMMYYYY", "YYYYMMDD"]]
)
def test_formats_that_read_one_text_as_two_dates_are_refused(
    formats: Sequence[str],
) -> None:
    with pytest.raises(InvalidValue, match="set the format for each column"):
        dates_notation(formats)


def test_several_formats_stand_side_by_side() -> None:
    read = dates_notation(["DD.MM.YYYY", "MM/DD/YYYY"])

    assert read("02.09.1963") == read("09/02/1963") == "1963-09-02"


@pytest.mark.parametrize(
    ("mark", "cell", "expected"),
    [
        (",", "1,5", "1.5"),
        (",", "-1 234 567,89", "-1234567.89"),
        (",", "1.234,5", "1234.5"),
        (",", "1.234", "1234"),
        (",", "1'234,5", "1234.5"),
        (",", "5", "5"),
        (",", "5,", "5"),
        (".", "1,234.5", "1234.5"),
        (".", "1.5", "1.5"),
        (",", "abc", None),
        (",", "1e5", None),
    ],
)
def test_a_number_is_read_by_its_decimal_mark(
    mark: str, cell: str, expected: str | None
) -> None:
    assert decimal_notation(mark)(cell) == expected


@pytest.mark.parametrize(
    ("mark", "cell"), [(",", "1.5"), (",", "1,2,3"), (".", "1,5"), (",", "1.23,4")]
)
def test_a_number_of_the_other_mark_is_never_another_number(
    mark: str, cell: str
) -> None:
    with pytest.raises(InvalidValue, match="Must be a number"):
        decimal_notation(mark)(cell)


def test_words_are_read_in_any_case() -> None:
    read = words_notation(["yes/no", "ДА/нет"], ("true", "false"))

    assert [read(one) for one in ("YES", "no", "да", "Нет", "maybe")] == [
        "true",
        "false",
        "true",
        "false",
        None,
    ]


@pytest.mark.parametrize("pairs", [["yes"], ["/no"], ["a/b/c"], ["yes/no", "no/yes"]])
def test_words_that_mean_nothing_or_both_are_refused(pairs: list[str]) -> None:
    with pytest.raises(InvalidValue):
        words_notation(pairs, ("true", "false"))


@pytest.mark.parametrize(
    ("message", "cells", "expected"),
    [
        ("Incorrect date", ["02.09.1963", "25.12.1990"], ["dates DD.MM.YYYY"]),
        ("Incorrect date", ["02/25/1963"], ["dates MM/DD/YYYY"]),
        (
            "Incorrect date",
            ["02/09/1963"],
            ["dates DD/MM/YYYY", "dates MM/DD/YYYY"],
        ),
        ("Incorrect date", ["soon"], []),
        ("Incorrect date", ["n/a", "25.12.1990"], ["dates DD.MM.YYYY", "null n/a"]),
        ("Must be a number", ["1,5", "1 234,5"], ["decimal ,"]),
        ("Must be an integer", ["1,234", "1,234,567"], ["decimal ."]),
        ("Must be true or false", ["Yes", "No"], ["booleans yes/no"]),
        ("Must be true or false", ["да"], ["booleans да/нет"]),
        ("Must be true or false", ["perhaps"], []),
        ("Must be male or female", ["F", "M", "M"], ["sexes M/F"]),
        ("Must be male or female", ["ж"], ["sexes м/ж"]),
        ("Incorrect phone", ["-", "unknown"], ["null -", "null unknown"]),
        ("Incorrect email", ["x"], []),
        ("Incorrect date", ["", " "], []),
        ("Incorrect date", ["25.12.1990", "soon"], ["dates DD.MM.YYYY"]),
        ("Incorrect date", ["25.12.1990", "soon", "later"], []),
        (
            "Incorrect date",
            ["25.12.1990", "12/25/1990"],
            ["dates DD.MM.YYYY", "dates MM/DD/YYYY"],
        ),
        ("Must be a number", ["1,5", "2,5", "x"], ["decimal ,"]),
        ("Must be a number", ["12 %", "x"], []),
        ("Must be an integer", ["1,234"], ["decimal ."]),
        ("Must be an integer", ["12,0"], ["decimal ,"]),
        ("Incorrect date", ["0000-00-00", "0000-00-00"], ["null 0000-00-00"]),
        (
            "Must be true or false",
            ["1.0", "0.0", "nan"],
            ["booleans 1.0/0.0", "null nan"],
        ),
    ],
)
def test_an_option_is_suggested_that_reads_every_value(
    message: str, cells: list[str], expected: list[str]
) -> None:
    found: list[Suggestion] = list(suggest(message, cells))

    assert [f"{one.option} {one.value}" for one in found] == expected
