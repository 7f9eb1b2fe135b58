"""Which addresses webhooks may reach: against IANA's registries, sending nothing."""

import csv
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.addresses import parse_allow_list

#: iana-ipv4-special-registry and iana-ipv6-special-registry; N/A is as good as False.
REGISTRY = Path(__file__).parents[1] / "samples" / "special-addresses.csv"
ROWS = list(csv.DictReader(REGISTRY.read_text().splitlines()))
BLOCKS = {ip_network(row["prefix"]): row["globally_reachable"] for row in ROWS}
#: Judged by the IPv4 address that they hold.
HOLDING = {ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96")}


def admits(address: object) -> bool:
    return parse_allow_list([]).admits("example.com", str(address))


def expected(address: IPv4Address | IPv6Address) -> bool:
    """What the narrowest of the registries' blocks says of an address."""
    known = [
        block
        for block in BLOCKS
        if block.version == address.version and address in block
    ]
    narrowest = max(known, key=lambda block: block.prefixlen)
    return BLOCKS[narrowest] == "True"


@pytest.mark.parametrize("block", set(BLOCKS) - HOLDING, ids=str)
def test_a_special_block_is_reached_if_the_registry_says_so(block: object) -> None:
    network = ip_network(str(block))
    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        assert admits(address) is expected(address), address


@given(st.sampled_from(sorted(set(BLOCKS) - HOLDING, key=str)), st.data())
def test_so_is_every_address_in_it(block: object, data: st.DataObject) -> None:
    network = ip_network(str(block))
    index = data.draw(st.integers(0, network.num_addresses - 1))

    assert admits(network[index]) is expected(network[index])


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.version == 4])
@pytest.mark.parametrize("holding", ["::ffff:0:0", "64:ff9b::"])
def test_an_address_that_holds_an_ipv4_one_is_judged_by_it(
    block: object, holding: str
) -> None:
    inner = ip_network(str(block))[0]
    outer = IPv6Address(int(IPv6Address(holding)) | int(inner))

    assert admits(outer) is admits(inner)


@pytest.mark.parametrize(
    "address",
    [
        # IPv4-compatible, IPv4-translated, and what only a translator of ours knows.
        *("::93.184.215.14", "::ffff:0:93.184.215.14", "64:ff9b:1::5db8:d70e"),
        # 6to4 and Teredo, whatever they lead to.
        *("2002:5db8:d70e::1", "2002:a00:1::", "2001:0:5db8:d70e::1"),
        # Not given out, site-local, multicast.
        *("4000::1", "1::1", "fec0::1", "ff02::1", "ff0e::1", "224.0.0.1", "239.1.2.3"),
        # Addresses of a link, and what has a zone though it needs none.
        *("fe80::1%eth0", "2606:2800:21f:cb07::1%1", "::1%lo"),
        "::ffff:127.0.0.1%1",
        "no address",
        "",
    ],
)
def test_what_is_of_no_public_host_is_refused(address: str) -> None:
    assert not admits(address)


@pytest.mark.parametrize(
    "address",
    [
        *("93.184.215.14", "192.88.98.1", "192.0.1.1", "100.128.0.1", "223.255.255.1"),
        *("2606:2800:21f:cb07::1", "2001:200::1", "2a00:1450::1", "2620:4f:8001::1"),
        *("::ffff:93.184.215.14", "64:ff9b::5db8:d70e", "3fff:1000::1"),
    ],
)
def test_what_is_of_a_public_host_is_admitted(address: str) -> None:
    assert admits(address)


def test_a_network_that_is_allowed_is_reached_however_its_addresses_are_written() -> (
    None
):
    allowed = parse_allow_list(["10.0.0.0/8", "fc00::/7"])

    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00::1"):
        assert allowed.admits("example.com", address)
    for address in ("::ffff:192.168.0.1", "::10.1.2.3", "2002:a01:203::"):
        assert not allowed.admits("example.com", address)


@given(st.ip_addresses(v=4))
def test_every_public_ipv4_address_is_public_to_the_standard_library(
    address: IPv4Address,
) -> None:
    if admits(address):
        assert ip_address(address).is_global
