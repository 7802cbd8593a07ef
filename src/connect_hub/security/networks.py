"""The networks of a client's address, which rate limits count by."""

from functools import lru_cache
from ipaddress import ip_network

# An IPv6 customer often has a whole /48 and can use any address in it. So a limit counts each of
# these prefixes of an address: length in bits, and the multiple of the limit of one address.
SHARES = {64: 1, 56: 4, 48: 16}
_CACHE_SIZE = 1024  # addresses


def widest(address: str) -> str:
    """Return the widest network of an address; of IPv6, the /48."""
    return networks_of(address)[-1][0]


@lru_cache(_CACHE_SIZE)
def networks_of(address: str) -> list[tuple[str, int]]:
    """List the networks of an address with their shares, the narrowest first."""
    if ":" not in address:  # IPv4, or "local" for a Unix socket
        return [(address, 1)]
    narrowest = ip_network(address, strict=False)
    return [
        (str(narrowest.supernet(new_prefix=bits)), share)
        for bits, share in SHARES.items()
        if bits <= narrowest.prefixlen
    ]
