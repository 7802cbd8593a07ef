"""How many connections may be open at once, and how much of unfinished requests is kept."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import ExitStack, contextmanager

import structlog

from connect_hub.security.networks import SHARES, networks_of
from connect_hub.server.client_address import ClientAddresses

log = structlog.get_logger()

CONNECTION_LIMITS = "connection_limits"  # the name under which the lifespan passes them on
MAX_UNFINISHED = 32 * 1024 * 1024  # bytes of all requests and messages that have not ended
SMALL = 4 * 1024  # bytes; a request that is not larger is never refused for the sake of others


class Places:
    """Counts what is taken, for as long as it is."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[Hashable] = Counter()

    def are_left(self, whose: Hashable) -> bool:
        """Tell whether somebody may take one more."""
        return self._taken[whose] < self._most

    @contextmanager
    def taken(self, whose: Hashable) -> Iterator[None]:
        """Take one, as long as this lasts."""
        self._taken[whose] += 1
        try:
            yield
        finally:
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]


class ConnectionLimits:
    """The limits that all connections of one process share."""

    def __init__(self, addresses: ClientAddresses, *, most: int) -> None:
        """Limit each network to so many connections; those wider than a /64 have more."""
        self.addresses = addresses
        self._most = most
        self._of_networks = {share: Places(most * share) for share in SHARES.values()}
        self._full: set[str] = set()  # addresses that were refused, until one of theirs closes
        self.unfinished = 0  # bytes

    def are_left(self, address: str) -> bool:
        """Tell whether an address may open one more connection; log the first that it may not."""
        networks = networks_of(address)
        if all(self._of_networks[share].are_left(network) for network, share in networks):
            return True
        if address not in self._full:
            self._full.add(address)
            log.warning("too many connections", network=address, most=self._most)
        return False

    @contextmanager
    def taken(self, address: str) -> Iterator[None]:
        """Count one connection of an address, as long as this lasts."""
        with ExitStack() as held:
            for network, share in networks_of(address):
                held.enter_context(self._of_networks[share].taken(network))
            yield
        self._full.discard(address)


class Unfinished:
    """The bytes of a request or message that has begun on one connection and has not ended."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._size = 0

    def are(self, size: int) -> bool:
        """Note how many there are now; False: there are too many of all connections together."""
        self._limits.unfinished += size - self._size
        self._size = size
        return size <= SMALL or self._limits.unfinished <= MAX_UNFINISHED
