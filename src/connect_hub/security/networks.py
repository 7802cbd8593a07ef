"""The networks of a client's address, which limits count."""

from functools import lru_cache
from ipaddress import ip_network

# An IPv6 customer often has a whole /48, and picks any address in it. So each of these prefixes is
# counted: this many bits of the address, and how many times the limit of one address they share.
SHARES = {64: 1, 56: 4, 48: 16}
_REMEMBERED = 1024  # addresses


def widest(address: str) -> str:
    """Name the widest network of an address: of IPv6, the /48."""
    return networks_of(address)[-1][0]


@lru_cache(_REMEMBERED)
def networks_of(address: str) -> list[tuple[str, int]]:
    """List the networks of an address with their shares, the narrowest first."""
    if ":" not in address:  # IPv4, or no network at all
        return [(address, 1)]
    narrowest = ip_network(address, strict=False)
    return [
        (str(narrowest.supernet(new_prefix=bits)), share)
        for bits, share in SHARES.items()
        if bits <= narrowest.prefixlen
    ]
