"""The client address of a request, for rate limits and logs."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from starlette.types import Scope

log = structlog.get_logger()

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CACHE_SIZE = 1024  # addresses
_MAX_HOPS = 32  # proxies in a row
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("::ffff:0:0:0/96"))  # RFC 6052, RFC 7915
_TRANSLATED_LOCALLY = ip_network("64:ff9b:1::/48")  # NAT64 for local use (RFC 8215)
_SUBSCRIBER_PREFIX = 64  # bits of an IPv6 address; a subscriber chooses the others freely


class ClientAddresses:
    """Finds client addresses; believes X-Forwarded-For only from trusted proxies."""

    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        self._trusted = trusted_proxies
        self._warned = False

    def of(self, scope: Scope) -> str:
        """Return the client address of a request: an IPv4 address or an IPv6 /64.

        `X-Forwarded-For` is read from its right end, as far as trusted proxies wrote it.
        """
        peer = scope["client"][0] if scope["client"] else ""
        forwarded = [text for name, text in scope["headers"] if name == b"x-forwarded-for"]
        if peer and forwarded:
            hops = b",".join(forwarded).decode("latin-1").rsplit(",", _MAX_HOPS)[-_MAX_HOPS:]
            peer = self._first_untrusted(peer, hops)
        return _network(peer) or "local"  # a Unix socket has no address

    def _first_untrusted(self, peer: str, hops: list[str]) -> str:
        for hop in reversed(hops):
            if not hop.strip():
                continue
            if not self._is_trusted(peer):
                self._warn_once()
                break
            if _parse(hop) is None:
                break
            peer = hop
        return peer

    def of_connection(self, peer: tuple[str, int] | None) -> str | None:
        """Return the address of the peer of a connection, for limits.

        Returns:
            None for a trusted proxy and for a Unix socket, which carry connections of many clients.
        """
        return None if not peer or self._is_trusted(peer[0]) else _network(peer[0])

    def is_proxied(self, scope: Scope) -> bool:
        """Return whether a request comes from a trusted proxy."""
        return bool(scope["client"]) and self._is_trusted(scope["client"][0])

    def _is_trusted(self, peer: str) -> bool:
        address = _parse(peer)
        return address is not None and any(address in network for network in self._trusted)

    def _warn_once(self) -> None:
        """Log once that the header is ignored: TRUSTED_PROXIES may lack a proxy."""
        if not self._warned:
            log.warning(
                "x-forwarded-for of an untrusted peer is ignored", setting="TRUSTED_PROXIES"
            )
        self._warned = True


@lru_cache(_CACHE_SIZE)
def _parse(text: str) -> Address | None:
    """Parse an address with or without a port; an IPv4-mapped IPv6 address becomes IPv4."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(_CACHE_SIZE)
def _network(peer: str) -> str | None:
    address = _parse(peer)
    if address is None:
        return None
    address = _embedded_address(address)
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _SUBSCRIBER_PREFIX), strict=False))


def _embedded_address(address: Address) -> Address:
    """Return the IPv4 address embedded by a translator or a tunnel, or else the address itself.

    Responses to such an address go to the embedded one, so a client cannot invent it. This does not
    hold for ISATAP, where the owner of an IPv6 network chooses the rest of the address freely. An
    embedded address is never compared with TRUSTED_PROXIES.
    """
    if isinstance(address, IPv4Address):
        return address
    if address.teredo:
        return address.teredo[1]  # RFC 4380
    if address in _TRANSLATED_LOCALLY:
        return _locally_translated_address(address.packed)
    if any(address in network for network in _TRANSLATED) or _is_ipv4_compatible(address):
        return IPv4Address(address.packed[12:])
    return address.sixtofour or address  # RFC 3056


def _is_ipv4_compatible(address: IPv6Address) -> bool:
    """Return whether this is `::a.b.c.d` (RFC 4291, deprecated); `::1` is not."""
    return not any(address.packed[:12]) and address.packed[12] > 0


def _locally_translated_address(packed: bytes) -> IPv4Address:
    """Read the IPv4 address that follows a prefix of 48, 56, 64 or 96 bits (RFC 6052, 2.2).

    Byte 8 is zero, and so are the bytes after the IPv4 address.
    """
    if any(packed[13:]):
        return IPv4Address(packed[12:])
    if packed[12]:
        return IPv4Address(packed[9:13])
    if packed[11]:
        return IPv4Address(packed[7:8] + packed[9:12])
    return IPv4Address(packed[6:8] + packed[9:11])
