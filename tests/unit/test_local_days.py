"""The days of zones whose clocks are put back and forward at midnight."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.birthdays import judge_birthday
from ingest.domain.intervals import read_stored_date, to_datetime, to_microseconds
from ingest.domain.local_days import Instant, find_start
from tests.conditions import ZONES


def start(day: date, zone: str) -> str:
    found = find_start(day.toordinal(), zone)
    moment = None if found is None else to_datetime(found)
    return "never" if moment is None else moment.isoformat()


@pytest.mark.parametrize(
    ("day", "zone", "expected"),
    [
        (date(2026, 12, 1), "UTC", "2026-12-01T00:00:00+00:00"),
        (date(2026, 12, 1), "Europe/Moscow", "2026-11-30T21:00:00+00:00"),
        # Clocks went from midnight to one, and at midnight back to eleven.
        (date(2018, 11, 4), "America/Sao_Paulo", "2018-11-04T03:00:00+00:00"),
        (date(2018, 2, 18), "America/Sao_Paulo", "2018-02-18T03:00:00+00:00"),
        # The 30th was left out.
        (date(2011, 12, 30), "Pacific/Apia", "2011-12-30T10:00:00+00:00"),
        (date(2011, 12, 31), "Pacific/Apia", "2011-12-30T10:00:00+00:00"),
        # A minute past midnight, back to a minute past eleven.
        (date(2006, 10, 29), "America/St_Johns", "2006-10-29T02:30:00+00:00"),
    ],
)
def test_a_day_begins_when_its_clock_first_shows_it(
    day: date, zone: str, expected: str
) -> None:
    assert start(day, zone) == expected


def test_a_clock_may_go_back_into_the_day_before() -> None:
    minute = timedelta(seconds=30)
    midnight = datetime(2006, 10, 29, 2, 30, tzinfo=UTC)
    day = Instant(midnight + minute).day_in("America/St_Johns")

    assert day.ordinal == date(2006, 10, 29).toordinal()
    assert day.reverts_at == to_microseconds(midnight + 2 * minute)
    after = Instant(midnight + 3 * minute).day_in("America/St_Johns")
    assert after.ordinal == date(2006, 10, 28).toordinal()


def test_a_birthday_ends_when_the_clock_goes_back_before_it() -> None:
    born = read_stored_date("1990-10-29T12:00:00Z")
    midnight = datetime(2006, 10, 29, 2, 30, tzinfo=UTC)
    now = Instant(midnight + timedelta(seconds=30))
    assert born is not None

    holds, until = judge_birthday(born, now, days=0, zone="America/St_Johns")

    assert holds
    assert until == to_microseconds(midnight + timedelta(minutes=1))


@given(
    day=st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    zone=st.sampled_from([*ZONES, "Asia/Beirut", "America/Asuncion", "Asia/Amman"]),
)
def test_no_moment_of_a_day_is_before_its_start(day: date, zone: str) -> None:
    found = find_start(day.toordinal(), zone)
    moment = None if found is None else to_datetime(found)
    assert moment is not None

    first = Instant(moment).day_in(zone).ordinal
    before = Instant(moment - timedelta(seconds=1)).day_in(zone).ordinal

    # A day that its zone left out begins where the next does.
    assert day.toordinal() <= first <= day.toordinal() + 1
    assert before < day.toordinal()
