"""Durations, and moments that are moved by them (S6)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.dates import dump_date
from ingest.domain.errors import InvalidValue
from ingest.domain.intervals import (
    Duration,
    parse_duration,
    read_stored_date,
    shift,
    to_datetime,
    to_microseconds,
)

MOMENTS = st.datetimes(timezones=st.just(UTC))


@pytest.mark.fact("S.6-durations")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15m", Duration(minutes=15)),
        ("36h", Duration(minutes=36 * 60)),
        ("7d", Duration(minutes=7 * 1440)),
        (" 2w ", Duration(minutes=14 * 1440)),
        ("18y", Duration(years=18)),
        ("1000y", Duration(years=1000)),
        ("365242d", Duration(minutes=365242 * 1440)),
    ],
)
def test_a_duration_has_one_unit(text: str, expected: Duration) -> None:
    assert parse_duration(text) == expected


@pytest.mark.fact("S.6-durations")
@pytest.mark.parametrize(
    "text", ["", "7", "d", "0d", "-1d", "1.5d", "1d2h", "1M", "1 d", 8, None, "7D"]
)
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(InvalidValue):
        parse_duration(text)


@pytest.mark.fact("S.6-durations")
@pytest.mark.parametrize("text", ["1001y", "365243d", "52178w", "999999999m"])
def test_a_duration_of_more_than_a_thousand_years_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="Out of range"):
        parse_duration(text)


@given(moment=MOMENTS)
def test_every_canonical_date_is_read_as_its_moment(moment: datetime) -> None:
    assert read_stored_date(dump_date(moment)) == to_microseconds(moment)
    assert to_datetime(to_microseconds(moment)) == moment


@pytest.mark.parametrize(
    "value",
    [
        *("0000-01-01T00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z"),
        *("2023-04-31T00:00:00Z", "2023-13-01T00:00:00Z", "2023-01-01"),
        *("2023-01-01T24:00:00Z", "2023-01-01T00:00:00+01:00", 1, None, []),
        "2023-01-01T00:00:00Z\n",
    ],
)
def test_what_is_no_canonical_date_is_no_moment(value: object) -> None:
    assert read_stored_date(value) is None


@given(moment=MOMENTS, years=st.integers(1, 1000), direction=st.sampled_from([1, -1]))
def test_years_keep_the_day_and_the_time(
    moment: datetime, years: int, direction: int
) -> None:
    shifted = to_datetime(
        shift(to_microseconds(moment), Duration(years=years), direction)
    )
    year = moment.year + direction * years
    if not 1 <= year <= 9999:
        assert shifted is None or not 1 <= year <= 9999
        return
    day = moment.day
    if (moment.month, day) == (2, 29) and (year % 4 or (not year % 100 and year % 400)):
        day = 28
    assert shifted == moment.replace(year=year, day=day)


@given(moment=MOMENTS, years=st.integers(1, 1000))
def test_beyond_the_last_year_moments_go_on(moment: datetime, years: int) -> None:
    at = to_microseconds(moment)
    about = timedelta(days=years * 365.2425) // timedelta(microseconds=1)

    for direction in (1, -1):
        moved = shift(at, Duration(years=years), direction) - at
        # As far as the calendar strays from its mean in four hundred years.
        assert abs(moved - direction * about) < 3 * 86_400_000_000
