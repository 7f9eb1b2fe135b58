"""Addresses that a webhook may be sent to: none of an internal network."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

#: An IPv6 address that stands for an IPv4 one behind a NAT64.
_NAT64 = IPv6Network("64:ff9b::/96")
#: All that is given out to be reached; what is outside has a meaning of its own.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
#: Blocks with a purpose of their own, and whether they are globally reachable, as IANA
#: has them (iana-ipv4-special-registry, iana-ipv6-special-registry, 2025-10). The
#: standard library's list depends on the release of Python, and lacks some.
_SPECIAL: Mapping[IPv4Network | IPv6Network, bool] = {
    ip_network(block): reachable
    for reachable, blocks in {
        False: (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8"),
            *("169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24"),
            # 6to4 relays, deprecated.
            "192.88.99.0/24",
            *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
            *("203.0.113.0/24", "240.0.0.0/4"),
            # Multicast has a registry of its own.
            "224.0.0.0/4",
            # Protocol assignments, among them Teredo, which leads to IPv4 hosts.
            "2001::/23",
            # Documentation.
            *("2001:db8::/32", "3fff::/20"),
            # 6to4, which leads to IPv4 hosts.
            "2002::/16",
        ),
        True: (
            *("192.0.0.9/32", "192.0.0.10/32"),
            *("2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:3::/32"),
            *("2001:4:112::/48", "2001:20::/28", "2001:30::/28"),
        ),
    }.items()
    for block in blocks
}


@dataclass(frozen=True, slots=True)
class AllowList:
    """Networks and hosts that an operator allows in addition to public addresses."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    #: Lower-case names, allowed wherever they resolve to.
    hosts: frozenset[str] = frozenset()

    def admits(self, host: str, address: str) -> bool:
        """Tell whether `host`, resolved to `address`, may be connected to."""
        if host.lower() in self.hosts:
            return True
        try:
            checked = _lead(ip_address(address))
        except ValueError:
            return False
        return _is_public(checked) or any(
            checked.version == network.version and checked in network
            for network in self.networks
        )


def parse_allow_list(entries: Iterable[str]) -> AllowList:
    """Read addresses, networks (CIDR) and host names."""
    networks, hosts = [], set()
    for entry in entries:
        try:
            networks.append(ip_network(entry.strip(), strict=False))
        except ValueError:
            hosts.add(entry.strip().lower())
    return AllowList(tuple(networks), frozenset(hosts - {""}))


def _lead(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, else the address."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether `address` is one of the public Internet's, and of one host."""
    if isinstance(address, IPv6Address) and (
        # A zone is for what cannot be told apart without it: addresses of a link.
        address.scope_id is not None or address not in _GLOBAL_UNICAST
    ):
        return False
    blocks = [
        block
        for block in _SPECIAL
        if block.version == address.version and address in block
    ]
    # A block inside another says more of the address.
    narrowest = max(blocks, key=lambda block: block.prefixlen, default=None)
    return narrowest is None or _SPECIAL[narrowest]
