"""How fast a body has to come."""

import pytest

from ingest.doors.http.arrivals import GRACE_SECONDS, Pace

PACE = Pace(max_seconds=60, min_rate=1000)


@pytest.mark.parametrize(
    ("size_bytes", "seconds", "kept"),
    [
        pytest.param(0, GRACE_SECONDS, True, id="nothing within the grace"),
        pytest.param(0, GRACE_SECONDS + 0.1, False, id="nothing after it"),
        pytest.param(5000, GRACE_SECONDS + 5, True, id="just the least rate"),
        pytest.param(4999, GRACE_SECONDS + 5, False, id="less than the least rate"),
        pytest.param(10**9, 60, True, id="fast, at the deadline"),
        pytest.param(10**9, 60.1, False, id="fast, and after the deadline"),
    ],
)
def test_a_body_keeps_a_rate_and_a_deadline(
    size_bytes: int, seconds: float, kept: bool
) -> None:
    assert PACE.is_kept(size_bytes, seconds) is kept
