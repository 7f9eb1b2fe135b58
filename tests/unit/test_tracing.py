"""Trace contexts as W3C writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.telemetry.tracing import open_tracer
from ingest.wire.traceparents import parse_traceparent

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("header", "parsed"),
    [
        pytest.param(GOOD, GOOD, id="as it is written"),
        pytest.param(f" {GOOD} ", GOOD, id="in spaces"),
        pytest.param(f"{GOOD}-more", GOOD, id="of a later version"),
        pytest.param(None, None, id="absent"),
        pytest.param("", None, id="empty"),
        pytest.param(GOOD.upper(), None, id="in capitals"),
        pytest.param(GOOD.replace("00-", "ff-", 1), None, id="of no version"),
        pytest.param(f"00-{'0' * 32}-b7ad6b7169203331-01", None, id="of no trace"),
        pytest.param(f"00-{'a' * 32}-{'0' * 16}-01", None, id="of no span"),
        pytest.param(f"{GOOD}{'x' * 300}", None, id="without end"),
    ],
)
def test_a_context_is_taken_as_the_standard_has_it(
    header: str | None, parsed: str | None
) -> None:
    assert parse_traceparent(header) == parsed


@given(st.text())
def test_whatever_is_taken_can_stand_in_a_header(text: str) -> None:
    parsed = parse_traceparent(text)

    assert parsed is None or (len(parsed) == 55 and parsed.isascii())


def test_without_a_place_to_send_to_contexts_are_passed_on() -> None:
    span = open_tracer("test", {}).start("import", GOOD)

    assert span.traceparent == GOOD
    assert open_tracer("test", {}).start("import", None).traceparent is None
