import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.addresses import parse_allow_list
from ingest.domain.deliveries import BREAKER_FAILURES, SCHEDULE, pause, retry_delay
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
