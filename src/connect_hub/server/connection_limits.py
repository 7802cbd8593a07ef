"""Limits of a process: connections in all and per network, and bytes of unfinished requests."""

import resource
import sys
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import structlog

from connect_hub.security.networks import SHARES, networks_of
from connect_hub.server.client_address import ClientAddresses

log = structlog.get_logger()

CONNECTION_LIMITS = "connection_limits"  # the key in the lifespan's state
MAX_CONNECTIONS = 20_000  # of a process; an idle one takes 13 KB
RESERVED_FILES = 200  # of the limit of open files: for PostgreSQL, SMS gateways and webhooks
MAX_PENDING = 32 * 1024 * 1024  # bytes of all unfinished requests and messages
ALWAYS_ACCEPTED = 4 * 1024  # bytes; a smaller request is never rejected because of others


class ConnectionLimiter:
    """Limits how many connections each key, such as an address, may have open."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: Counter[Hashable] = Counter()

    def has_capacity(self, key: Hashable) -> bool:
        """Return whether this key may open one more connection."""
        return self._open[key] < self._limit

    @contextmanager
    def slot(self, key: Hashable) -> Iterator[None]:
        """Count one connection of this key until the context ends."""
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


class ConnectionLimits:
    """The limits that all connections of one process share.

    Args:
        addresses: find the network that a connection is counted for.
        per_network: connections that an IPv4 address or an IPv6 /64 may have open; wider IPv6
            networks may have a multiple of it (see SHARES).
        total: connections of all networks and proxies together.
    """

    def __init__(self, addresses: ClientAddresses, *, per_network: int, total: int) -> None:
        self.addresses = addresses
        self.pending = 0  # bytes of all connections together
        self._total = total
        self._all = ConnectionLimiter(total)
        self._per_network = per_network
        self._by_share = {
            share: ConnectionLimiter(per_network * share) for share in SHARES.values()
        }
        self._full: set[str] = set()  # networks whose rejection was logged, until a slot is free

    def has_room(self) -> bool:
        """Return whether the process may open one more connection; log the first rejection."""
        if self._all.has_capacity(None):
            return True
        if "all" not in self._full:
            self._full.add("all")
            log.warning("too many connections", network="all", most=self._total)
        return False

    @contextmanager
    def connection(self, address: str | None) -> Iterator[None]:
        """Count one TCP connection until the context ends.

        Args:
            address: of the peer; None for a trusted proxy or a Unix socket.
        """
        with self._all.slot(None), self.slot(address) if address else nullcontext():
            yield
        self._full.discard("all")

    def has_capacity(self, address: str) -> bool:
        """Return whether an address may open one more connection; log its first rejection."""
        for network, share in networks_of(address):
            if not self._by_share[share].has_capacity(network):
                if network not in self._full:
                    self._full.add(network)
                    log.warning(
                        "too many connections", network=network, most=self._per_network * share
                    )
                return False
        return True

    @contextmanager
    def slot(self, address: str) -> Iterator[None]:
        """Count one connection of an address until the context ends."""
        with ExitStack() as slots:
            for network, share in networks_of(address):
                slots.enter_context(self._by_share[share].slot(network))
            yield
        self._full.difference_update(network for network, _ in networks_of(address))


class PendingBytes:
    """The bytes of the unfinished request or message of one connection."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._size = 0

    def update(self, size: int) -> bool:
        """Set the number of bytes; return False if all connections together have too many."""
        self._limits.pending += size - self._size
        self._size = size
        return size <= ALWAYS_ACCEPTED or self._limits.pending <= MAX_PENDING


def limits_in(app_state: dict[str, Any]) -> ConnectionLimits:
    """Return the limits from the lifespan's state; without a lifespan nothing is limited."""
    return app_state.get(CONNECTION_LIMITS) or ConnectionLimits(
        ClientAddresses(()), per_network=sys.maxsize, total=sys.maxsize
    )


def max_connections() -> int:
    """Return how many connections a process may have open.

    Each takes a file. Without a reserve, clients that open many connections would keep the process
    from connecting to PostgreSQL and to SMS gateways.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(files - RESERVED_FILES, files // 2))
