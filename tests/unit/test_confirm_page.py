"""The address of whoever confirms, as far as proxies are trusted: D5."""

import pytest

from ingest.domain.addresses import parse_allow_list
from ingest.doors.http.confirm_page import find_address

PROXIES = parse_allow_list(["10.0.0.0/8", "::1"])


@pytest.mark.fact("DO.5-address")
@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        # Anybody can send the header.
        ("203.0.113.7", "192.0.2.1", "203.0.113.7"),
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.9, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.9,192.0.2.1 , 10.9.9.9", "192.0.2.1"),
        ("::ffff:10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("::1", "::ffff:192.0.2.1", "192.0.2.1"),
        # All are ours: the first that is known.
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", ""),
        ("10.0.0.1", "192.0.2.1:1234", ""),
        ("10.0.0.1", "<script>", ""),
        ("not an address", "192.0.2.1", ""),
        ("10.0.0.1", ", ,", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1," * 10_000, "10.0.0.1"),
    ],
)
def test_a_proxy_is_believed_if_it_is_trusted(
    peer: str, forwarded: str | None, address: str
) -> None:
    assert find_address(peer, forwarded, PROXIES) == address


@pytest.mark.fact("DO.5-address")
def test_without_trusted_proxies_the_peer_counts() -> None:
    assert find_address("10.0.0.1", "192.0.2.1", parse_allow_list([])) == "10.0.0.1"
