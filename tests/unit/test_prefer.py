"""How long a caller waits: Prefer (RFC 7240) against the default."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.doors.http.prefer import (
    MAX_WAIT_SECONDS,
    Preferences,
    choose_wait,
    dump_applied,
    parse_prefer,
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, Preferences(), id="no header"),
        pytest.param("", Preferences(), id="an empty header"),
        pytest.param(
            "respond-async", Preferences(respond_async=True), id="respond-async"
        ),
        pytest.param(
            "Respond-Async", Preferences(respond_async=True), id="names in any case"
        ),
        pytest.param(
            'respond-async=""',
            Preferences(respond_async=True),
            id="an empty value is no value",
        ),
        pytest.param(
            "respond-async=no", Preferences(), id="respond-async takes no value"
        ),
        pytest.param("wait=7", Preferences(wait_seconds=7), id="wait"),
        pytest.param("wait = 7", Preferences(wait_seconds=7), id="blanks around ="),
        pytest.param('wait="7"', Preferences(wait_seconds=7), id="a quoted number"),
        pytest.param("wait=0", Preferences(wait_seconds=0), id="no wait at all"),
        pytest.param("wait=300", Preferences(wait_seconds=300), id="the longest wait"),
        pytest.param("wait=301", Preferences(wait_seconds=300), id="longer is capped"),
        pytest.param(
            "wait=" + "9" * 900, Preferences(wait_seconds=300), id="an absurd number"
        ),
        pytest.param("wait=-1", Preferences(), id="a negative wait is ignored"),
        pytest.param("wait=1.5", Preferences(), id="a fraction is ignored"),
        pytest.param("wait=soon", Preferences(), id="a word is ignored"),
        pytest.param("wait", Preferences(), id="wait without a value is ignored"),
        pytest.param("wait=²", Preferences(), id="a digit of another script"),
        pytest.param(
            "respond-async, wait=5",
            Preferences(respond_async=True, wait_seconds=5),
            id="two in one header",
        ),
        pytest.param(
            "respond-async,wait=5",
            Preferences(respond_async=True, wait_seconds=5),
            id="two headers joined",
        ),
        pytest.param(
            "wait=5, wait=9",
            Preferences(wait_seconds=5),
            id="the first of a name counts",
        ),
        pytest.param(
            "respond-async; foo=bar",
            Preferences(respond_async=True),
            id="parameters are passed over",
        ),
        pytest.param(
            'foo="a, wait=9", wait=2',
            Preferences(wait_seconds=2),
            id="a comma inside quotes does not separate",
        ),
        pytest.param(
            ",,; wait=2, handling=lenient, ,wait=3",
            Preferences(wait_seconds=3),
            id="empty elements are passed over",
        ),
    ],
)
def test_preferences_are_read(header: str | None, expected: Preferences) -> None:
    assert parse_prefer(header) == expected


@given(st.text())
def test_no_header_breaks_the_reader(header: str) -> None:
    seconds = parse_prefer(header).wait_seconds

    assert seconds is None or 0 <= seconds <= MAX_WAIT_SECONDS


@pytest.mark.parametrize(
    ("preferences", "synchronous", "expected"),
    [
        pytest.param(Preferences(), True, 10, id="by default the default wait"),
        pytest.param(Preferences(), False, 0, id="sync false answers at once"),
        pytest.param(
            Preferences(respond_async=True), True, 0, id="respond-async answers at once"
        ),
        pytest.param(Preferences(wait_seconds=3), True, 3, id="wait shortens"),
        pytest.param(Preferences(wait_seconds=60), True, 60, id="wait lengthens"),
        pytest.param(
            Preferences(respond_async=True, wait_seconds=3),
            True,
            3,
            id="respond-async with wait waits that long",
        ),
    ],
)
def test_the_wait_is_what_the_caller_said(
    preferences: Preferences, synchronous: bool, expected: float
) -> None:
    wait = choose_wait(preferences, synchronous=synchronous, default_seconds=10)

    assert wait == expected


@pytest.mark.parametrize(
    ("preferences", "answered_async", "expected"),
    [
        pytest.param(Preferences(), True, "", id="nothing was preferred"),
        pytest.param(
            Preferences(respond_async=True), True, "respond-async", id="answered async"
        ),
        pytest.param(
            Preferences(respond_async=True, wait_seconds=3),
            False,
            "wait=3",
            id="the outcome came in time",
        ),
        pytest.param(
            Preferences(respond_async=True, wait_seconds=3),
            True,
            "respond-async, wait=3",
            id="the outcome did not come in time",
        ),
    ],
)
def test_what_was_applied_is_told(
    preferences: Preferences, answered_async: bool, expected: str
) -> None:
    assert dump_applied(preferences, answered_async=answered_async) == expected
