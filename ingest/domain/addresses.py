"""Which addresses a webhook may be sent to: none that only we can reach."""

from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True)
class AllowList:
    """What an operator allows beyond the public addresses."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    #: Lower-case names, allowed wherever they resolve to.
    hosts: frozenset[str] = frozenset()

    def admits(self, host: str, address: str) -> bool:
        """Tell whether `host`, resolved to `address`, may be connected to."""
        if host.lower() in self.hosts:
            return True
        checked = ip_address(address)
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


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether `address` is one of the public Internet's, and of one host.

    An IPv6 address that leads to an IPv4 one is judged by that.
    """
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast
