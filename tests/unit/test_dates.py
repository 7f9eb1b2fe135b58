"""Dates: contract 4.3 and 14, point 38."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.domain.dates import parse_date
from ingest.domain.errors import InvalidValue


@pytest.mark.fact("4.3-forms", "4.3-output", "14.38-epoch")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("1990-07-06", "1990-07-06T00:00:00Z", id="date only"),
        pytest.param("1990-02-22T21:00:00Z", "1990-02-22T21:00:00Z", id="UTC"),
        pytest.param(
            "2023-12-31T23:59:59+03:00", "2023-12-31T20:59:59Z", id="east of UTC"
        ),
        pytest.param(
            "2023-12-31T23:59:59-01:30",
            "2024-01-01T01:29:59Z",
            id="west of UTC over midnight",
        ),
        pytest.param(
            "2001-12-31T00:00+03:00", "2001-12-30T21:00:00Z", id="without seconds"
        ),
        pytest.param("2001-12-31T00:00", "2001-12-31T00:00:00Z", id="without both"),
        pytest.param("2005-08-09T18:31:42", "2005-08-09T18:31:42Z", id="without zone"),
        pytest.param(
            "2005-08-09T18:31:42+03", "2005-08-09T15:31:42Z", id="offset of hours"
        ),
        pytest.param(
            "1990-07-06T11:15:25.526Z", "1990-07-06T11:15:25.526Z", id="milliseconds"
        ),
        pytest.param(
            "1990-07-06T11:15:25.000Z", "1990-07-06T11:15:25Z", id="zero fraction"
        ),
        pytest.param(
            "1990-07-06T11:15:25.1234569Z",
            "1990-07-06T11:15:25.123456Z",
            id="finer than microseconds is cut",
        ),
        pytest.param("1990-07-06t11:15:25z", "1990-07-06T11:15:25Z", id="lower case"),
        pytest.param(" 1990-07-06 ", "1990-07-06T00:00:00Z", id="is trimmed"),
        pytest.param("2024-02-29", "2024-02-29T00:00:00Z", id="leap day"),
        pytest.param("0001-01-01", "0001-01-01T00:00:00Z", id="first day"),
        pytest.param(
            "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z", id="last"
        ),
        pytest.param(1552600800, "2019-03-14T22:00:00Z", id="epoch seconds"),
        pytest.param(1552600800500, "2019-03-14T22:00:00.5Z", id="epoch milliseconds"),
        pytest.param("1552600800", "2019-03-14T22:00:00Z", id="epoch as text"),
        pytest.param("1552600800500", "2019-03-14T22:00:00.5Z", id="epoch text, ms"),
        pytest.param(-86400000, "1967-04-07T00:00:00Z", id="before the epoch"),
        pytest.param("-315619200", "1960-01-01T00:00:00Z", id="before it, as text"),
        pytest.param(10**11 - 1, "5138-11-16T09:46:39Z", id="largest seconds"),
        pytest.param(10**11, "1973-03-03T09:46:40Z", id="smallest milliseconds"),
        pytest.param(-(10**11), "1966-10-31T14:13:20Z", id="negative milliseconds"),
    ],
)
def test_date_is_canonical(raw: object, expected: str) -> None:
    assert parse_date(raw) == expected


@pytest.mark.fact("4.3-incorrect")
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("yesterday", id="word"),
        pytest.param("1990-02-30", id="no such day"),
        pytest.param("2023-02-29", id="no leap year"),
        pytest.param("1990-13-01", id="no such month"),
        pytest.param("0000-01-01", id="year zero"),
        pytest.param("10000-01-01", id="year of five digits"),
        pytest.param("1990-7-6", id="without zeros"),
        pytest.param("06.07.1990", id="day first"),
        pytest.param("1990-W27-5", id="ISO week"),
        pytest.param("1990-07-06  11:15:25", id="two blanks for T"),
        pytest.param("1990-07-06 11", id="hours only after a blank"),
        pytest.param("1990-07-06 11:15:25 MSK", id="zone by its name"),
        pytest.param("1990-07-06 +0300", id="offset without time"),
        pytest.param("1990-07-06T11:15:25+030", id="offset of three digits"),
        pytest.param("1990-07-06T", id="no time after T"),
        pytest.param("1990-07-06T11", id="hours only"),
        pytest.param("1990-07-06T24:00:00Z", id="hour 24"),
        pytest.param("1990-07-06T11:60:00Z", id="minute 60"),
        pytest.param("1990-07-06T11:15:60Z", id="second 60"),
        pytest.param("1990-07-06T11:15:25,5Z", id="decimal comma"),
        pytest.param("1990-07-06T11:15:25+24:00", id="offset of a day"),
        pytest.param("1990-07-06T11:15:25+03:60", id="offset minute 60"),
        pytest.param("1990-07-06Z", id="zone without time"),
        pytest.param("\u0661\u0669\u0669\u0660-07-06", id="digits of another script"),
        pytest.param("0001-01-01T00:00:00+03:00", id="offset before year 1"),
        pytest.param("9999-12-31T23:59:59-03:00", id="offset after year 9999"),
        pytest.param("12345678", id="short number as text"),
        pytest.param("1" * 16, id="long number as text"),
        pytest.param(10**15, id="epoch after year 9999"),
        pytest.param(-(10**14), id="epoch before year 1"),
        pytest.param(10**400, id="huge number"),
        pytest.param(1552600800.0, id="float"),
        pytest.param(True, id="boolean"),
        pytest.param(None, id="null"),
        pytest.param(["1990-07-06"], id="list"),
    ],
)
def test_incorrect_date_is_refused(raw: object) -> None:
    with pytest.raises(InvalidValue, match=r"^Incorrect date$"):
        parse_date(raw)


@pytest.mark.fact("16.7-blank", "16.7-offset")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("2026-11-28 12:30:00", "2026-11-28T12:30:00Z", id="MySQL"),
        pytest.param(
            "2026-11-28 12:30:00.123456", "2026-11-28T12:30:00.123456Z", id="pandas"
        ),
        pytest.param("2026-11-28 12:30", "2026-11-28T12:30:00Z", id="no seconds"),
        pytest.param(
            "2026-11-28T12:30:00.000+0000", "2026-11-28T12:30:00Z", id="Jackson"
        ),
        pytest.param("2026-11-28T12:30:00+0300", "2026-11-28T09:30:00Z", id="basic"),
        pytest.param("2026-11-28T12:30:00-0330", "2026-11-28T16:00:00Z", id="west"),
        pytest.param("2026-11-28 12:30:00+03", "2026-11-28T09:30:00Z", id="PostgreSQL"),
        pytest.param(
            "2026-11-28 12:30:00.0000000 +03:00", "2026-11-28T09:30:00Z", id="MSSQL"
        ),
        pytest.param("2026-11-28 12:30:00 +0300", "2026-11-28T09:30:00Z", id="Ruby"),
        pytest.param("2026-11-28 12:30:00 UTC", "2026-11-28T12:30:00Z", id="UTC"),
        pytest.param("2026-11-28 12:30:00z", "2026-11-28T12:30:00Z", id="z"),
    ],
)
def test_dates_are_read_as_databases_and_libraries_write_them(
    raw: str, expected: str
) -> None:
    assert parse_date(raw) == expected


SERIAL = "Incorrect date (looks like a spreadsheet serial number)"
DASHLESS = "Incorrect date (looks like a date without dashes)"


@pytest.mark.fact("16.7-serial", "16.7-dashless")
@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(
    ("number", "message"),
    [
        pytest.param(32874, SERIAL, id="1990-01-01 in a spreadsheet"),
        pytest.param(43831.5, SERIAL, id="with its time of day"),
        pytest.param(0, SERIAL, id="zero"),
        pytest.param(110_000, SERIAL, id="last serial"),
        pytest.param(-110_000, SERIAL, id="first serial"),
        pytest.param(18000101, DASHLESS, id="first day"),
        pytest.param(20261128, DASHLESS, id="day"),
        pytest.param(21001231, DASHLESS, id="last day"),
        pytest.param(20261128143000, DASHLESS, id="day and time"),
    ],
)
def test_a_number_that_is_surely_no_epoch_is_named(
    number: float, message: str, *, as_text: bool
) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_date(str(number) if as_text else number)

    assert str(caught.value) == message


@pytest.mark.fact("16.7-epoch")
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(110_001, "1970-01-02T06:33:21Z", id="after the last serial"),
        pytest.param(-110_001, "1969-12-30T17:26:39Z", id="before the first"),
        pytest.param(20261328, "1970-08-23T12:08:48Z", id="no such month"),
        pytest.param(20260230, "1970-08-23T11:50:30Z", id="no such day"),
        pytest.param(18000100, "1970-07-28T08:01:40Z", id="before the first day"),
        pytest.param(21001232, "1970-09-01T01:40:32Z", id="after the last day"),
        pytest.param(-20261128, "1969-05-11T11:54:32Z", id="negative"),
        pytest.param(-631152000000, "1950-01-01T00:00:00Z", id="ms before 1970"),
    ],
)
def test_other_numbers_are_epochs(number: int, expected: str) -> None:
    assert parse_date(number) == expected


_OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
_MOMENTS = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9998, 12, 31),  # noqa: DTZ001
    timezones=_OFFSETS,
)


@given(_MOMENTS)
def test_date_names_the_moment_that_was_sent(moment: datetime) -> None:
    text = parse_date(moment.isoformat())

    assert datetime.fromisoformat(text) == moment
    assert parse_date(text) == text


@pytest.mark.fact("14.38-epoch")
@given(st.integers(-62135596800, 253402300799))
def test_epoch_number_names_the_same_moment_as_its_text(number: int) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    milliseconds = abs(number) >= 10**11
    assume(abs(number) > 110_000 and str(number)[:2] not in ("18", "19", "20", "21"))
    moment = epoch + timedelta(
        **{"milliseconds" if milliseconds else "seconds": number}
    )

    assert datetime.fromisoformat(parse_date(number)) == moment


@given(st.text() | st.integers() | st.floats() | st.booleans())
def test_anything_is_a_date_or_incorrect(raw: object) -> None:
    try:
        text = parse_date(raw)
    except InvalidValue:
        return

    assert parse_date(text) == text
