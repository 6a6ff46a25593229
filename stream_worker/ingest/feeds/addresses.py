"""Which addresses may be asked: the public internet, and what the operator has opened.

A feed's URL, and every redirect of its server, is somebody else's word. What decides is the address that a connection
is really made to, when it is made: neither a name that resolves to another address the second time, nor a literal
address, nor a redirect comes past it (server-side request forgery, CWE-918).
"""

import errno
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import AddrInfoType

from stream_worker.errors import ConfigurationError

SCHEMES = ("http", "https")

Network = IPv4Network | IPv6Network

#: IANA's registry calls parts of the first global; cloud providers answer at both from inside a machine.
_NOT_PUBLIC_V4 = (ip_network("192.0.0.0/24"), ip_network("168.63.129.16/32"))
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")


class RefusedAddress(OSError):
    """A connection that was not made. An OSError, so that another address of the same name may be tried."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "the address is not public, see FINSENTRY_FEEDS_PRIVATE_NETWORKS")


class AddressGuard:
    """Makes the sockets of connections to public addresses and to `opened` networks, and refuses all others."""

    def __init__(self, opened: Sequence[Network] = ()) -> None:
        self._opened = tuple(opened)

    def socket(self, info: AddrInfoType) -> socket.socket:
        """A socket for aiohttp to connect to the address of `info`. Raises RefusedAddress."""
        family, kind, protocol, _, address = info
        if not self.allows(str(address[0])):
            raise RefusedAddress
        return socket.socket(family, kind, protocol)

    def allows(self, address: str) -> bool:
        """Whether a connection may be made to an address, in its textual form, with or without an IPv6 zone."""
        ip = _carried(ip_address(address))
        return is_public(ip) or any(ip in network for network in self._opened)


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the public internet: no private, loopback, link-local (cloud metadata), shared
    (CGNAT), multicast or reserved one, nor an IPv6 address that stands for such an IPv4 address."""
    ip = _carried(ip)
    if not ip.is_global or ip.is_multicast:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_V4)
    return ip in _GLOBAL_UNICAST_V6 and ip not in _SIX_TO_FOUR


def opened_networks(text: str) -> tuple[Network, ...]:
    """FINSENTRY_FEEDS_PRIVATE_NETWORKS, "10.1.0.0/16,fd00::/8", as networks. Raises ConfigurationError."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ConfigurationError(
            f"FINSENTRY_FEEDS_PRIVATE_NETWORKS does not hold: {error}; give networks like 10.1.0.0/16,fd00::/8."
        ) from None


def _carried(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv4-mapped or translated (NAT64, RFC 6052) IPv6 address leads to."""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip in _NAT64:
            return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip
