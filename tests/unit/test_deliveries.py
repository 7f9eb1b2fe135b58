from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.addresses import parse_allow_list
from ingest.domain.deliveries import (
    BREAKER_FAILURES,
    CONCURRENCY,
    SCHEDULE,
    Attempt,
    EndpointHealth,
    pause,
    retry_delay,
)
from workers.webhooks import judge

_jitter = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, len(SCHEDULE)), _jitter)
def test_each_wait_is_the_scheduled_one_and_up_to_a_fifth_more(
    attempts: int, jitter: float
) -> None:
    delay = retry_delay(attempts, jitter)

    assert delay is not None
    assert SCHEDULE[attempts - 1] <= delay <= SCHEDULE[attempts - 1] * 1.2


def test_after_the_last_wait_there_is_none() -> None:
    assert retry_delay(len(SCHEDULE) + 1, 0.5) is None


@given(st.integers(0, BREAKER_FAILURES - 1), _jitter)
def test_a_few_failures_pause_nothing(failures: int, jitter: float) -> None:
    assert pause(failures, None, jitter) is None


@given(st.integers(BREAKER_FAILURES, 10**6), _jitter)
def test_a_pause_grows_to_a_quarter_of_an_hour(failures: int, jitter: float) -> None:
    seconds = pause(failures, None, jitter)

    assert seconds is not None
    assert 10 <= seconds <= 900 * 1.2


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        pytest.param(30.0, 30.0, id="as asked"),
        pytest.param(10**9, 3600.0, id="an hour at most"),
        pytest.param(0.0, None, id="no wait asked"),
    ],
)
def test_what_the_endpoint_asks_for_is_honoured_at_once(
    asked: float, seconds: float | None
) -> None:
    assert pause(0, asked, 0.0) == seconds


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a00:1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not parse_allow_list([]).admits("example.com", address)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07::1", "64:ff9b::5db8:d70e"]
)
def test_a_public_address_is_admitted(address: str) -> None:
    assert parse_allow_list([]).admits("example.com", address)


@pytest.mark.parametrize(
    ("entries", "admitted"),
    [
        pytest.param(["10.0.0.0/8"], True, id="its network"),
        pytest.param(["10.1.2.3"], True, id="its address"),
        pytest.param([" CRM.internal "], True, id="its name, in another case"),
        pytest.param(["10.2.0.0/16", "::/0", "other"], False, id="others"),
        pytest.param([""], False, id="nothing"),
    ],
)
def test_an_allow_list_names_networks_addresses_and_hosts(
    entries: list[str], admitted: bool
) -> None:
    assert parse_allow_list(entries).admits("crm.internal", "10.1.2.3") is admitted


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        pytest.param("7", 7.0, id="seconds"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, id="a date in the past"),
        pytest.param("soon", None, id="neither"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_retry_after_is_read_as_http_writes_it(
    retry_after: str | None, seconds: float | None
) -> None:
    assert judge(503, retry_after).retry_after == seconds


@pytest.mark.parametrize(
    ("status", "delivered", "outage", "gone"),
    [
        pytest.param(200, True, False, False, id="ok"),
        pytest.param(299, True, False, False, id="last of success"),
        pytest.param(301, False, False, False, id="redirect"),
        pytest.param(404, False, False, False, id="refused"),
        pytest.param(410, False, False, True, id="gone"),
        pytest.param(429, False, True, False, id="too many"),
        pytest.param(500, False, True, False, id="broken"),
    ],
)
def test_a_status_tells_success_outage_and_the_end(
    status: int, delivered: bool, outage: bool, gone: bool
) -> None:
    attempt = judge(status, None)

    assert (attempt.is_delivered, attempt.is_outage, attempt.is_gone) == (
        delivered,
        outage,
        gone,
    )


NOW = datetime(2026, 1, 1, tzinfo=UTC)
TAKEN, REFUSED = Attempt(status=204), Attempt(status=400, error="Answered 400")
DOWN = Attempt(status=503, error="Answered 503", is_outage=True)


def after(standing: EndpointHealth, *ended: tuple[int, Attempt]) -> EndpointHealth:
    return standing.after(ended, NOW, 0.0)


@given(st.integers(0, CONCURRENCY))
def test_as_many_begin_as_have_ended(under_way: int) -> None:
    assert EndpointHealth(failures=0).room(under_way) == CONCURRENCY - under_way


@pytest.mark.parametrize("failures", range(1, BREAKER_FAILURES + 2))
def test_after_a_failure_attempts_go_round_by_round(failures: int) -> None:
    standing = EndpointHealth(failures=failures)

    assert standing.room(1) == 0
    assert standing.room(0) == (1 if failures >= BREAKER_FAILURES else CONCURRENCY)


def test_an_outage_counts_once_however_many_events_it_meets() -> None:
    standing = EndpointHealth(failures=0)

    for _ in range(CONCURRENCY):
        standing = after(standing, (0, DOWN))

    assert standing.failures == 1
    assert standing.paused_until is None


def test_the_last_of_several_rounds_in_a_row_pauses() -> None:
    standing = EndpointHealth(failures=0)

    for number in range(BREAKER_FAILURES):
        assert standing.room(0) == CONCURRENCY
        standing = after(standing, (number, DOWN), (number, DOWN))

    assert standing.failures == BREAKER_FAILURES
    assert standing.paused_until == NOW + timedelta(seconds=10)
    assert standing.room(0) == 0


@pytest.mark.parametrize("answer", [TAKEN, REFUSED])
def test_one_answer_of_the_round_that_paused_ends_the_pause(answer: Attempt) -> None:
    standing = after(EndpointHealth(failures=BREAKER_FAILURES - 1), (0, DOWN))
    assert standing.paused_until

    standing = after(standing, (0, answer))

    assert standing.failures == 0
    assert standing.room(0) == CONCURRENCY


def test_a_pause_that_was_asked_for_stays_whatever_else_is_answered() -> None:
    busy = Attempt(status=429, error="Answered 429", retry_after=60.0, is_outage=True)
    less = replace(busy, retry_after=5.0)

    standing = after(EndpointHealth(failures=0), (0, busy))
    standing = after(standing, (0, TAKEN), (0, less))

    assert standing.paused_until == NOW + timedelta(seconds=60)
    assert standing.room(0) == 0


def test_an_endpoint_that_is_gone_is_given_nothing_more() -> None:
    gone = Attempt(status=410, error="Answered 410")

    standing = after(after(EndpointHealth(failures=0), (0, gone)), (0, TAKEN))

    assert standing.is_gone
    assert standing.room(0) == 0
