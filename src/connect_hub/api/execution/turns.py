"""Turns: the expensive requests of one network are handled one at a time.

A document that is not cached, and an operation without a plan, take up to 15 ms of processor time.
The event loop runs all tasks that are ready. So a single address with hundreds of connections could
let everybody else wait for seconds.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from connect_hub.security.networks import widest


class Turns:
    """Lets one request proceed at each round of the event loop, the networks one after another."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by network
        self._gate = asyncio.Lock()

    @asynccontextmanager
    async def take(self, address: str) -> AsyncIterator[None]:
        """Wait for the turn of a client's network; it ends with the context."""
        lock = self._locks.setdefault(widest(address), asyncio.Lock())
        async with lock:
            async with self._gate:  # one of all networks, after everything else that is ready
                await asyncio.sleep(0)
            yield
