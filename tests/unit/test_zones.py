"""Clocks of Postgres compared with those of Python."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.doctor.zones import find_difference

#: Around the end of summer time in Berlin.
MOMENTS = [datetime(2026, 10, 20, 12, tzinfo=UTC) + timedelta(weeks=n) for n in (0, 1)]
BERLIN = [datetime(2026, 10, 20, 14), datetime(2026, 10, 27, 13)]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("zone", "shown", "told"),
    [
        pytest.param("Europe/Berlin", BERLIN, "", id="alike"),
        pytest.param(
            "Europe/Berlin",
            [BERLIN[0], BERLIN[1] + timedelta(hours=1)],
            "Europe/Berlin at 2026-10-27 12:00 UTC: 14:00 in Postgres, 13:00 in Python",
            id="summer for ever",
        ),
        pytest.param(
            "Europe/Berlin", None, "Postgres does not know Europe/Berlin", id="missing"
        ),
        pytest.param("Mars/Base", BERLIN, "Python does not know Mars/Base", id="new"),
    ],
)
def test_a_difference_is_told_with_its_moment(
    zone: str, shown: list[datetime] | None, told: str
) -> None:
    assert find_difference(zone, MOMENTS, shown) == told
