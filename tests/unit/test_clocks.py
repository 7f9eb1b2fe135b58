"""When clocks are too far apart to say what is old."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.domain.clocks import Clocks

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("apart", "refused"),
    [(timedelta(hours=1) - SECOND, False), (timedelta(hours=1), True)],
)
@pytest.mark.parametrize("which", ["redis", "newest"])
def test_an_hour_is_too_far(
    which: str, apart: timedelta, refused: bool, sign: int
) -> None:
    moments = {"redis": NOW, "newest": NOW, which: NOW + sign * apart}

    said = Clocks(postgres=NOW, **moments).find_disagreement()

    assert bool(said) is refused
    if refused:
        name = {"redis": "the Redis clock", "newest": "the newest receipt"}[which]
        way = "ahead" if sign > 0 else "behind"
        assert said == f"the Postgres clock is 2026-11-28 12:00; {name} is 1.0 h {way}"


def test_nothing_applied_yet_is_no_disagreement() -> None:
    assert Clocks(postgres=NOW, redis=NOW, newest=None).find_disagreement() == ""
