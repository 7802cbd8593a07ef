"""A fair queue for the connections of asyncpg's pool.

asyncpg's pool is not FIFO: newcomers can overtake waiters. All statements of a serving process go
through this queue instead, so requests get connections in the order of their arrival.
"""

import asyncio
from collections import deque
from datetime import timedelta
from functools import lru_cache
from typing import Any

import asyncpg

from connect_hub import background


class FairPool:
    """A pool whose connections go to waiters in the order of their arrival."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._free = pool.get_max_size()
        self._waiters: deque[asyncio.Future[Any]] = deque()

    async def acquire(self) -> Any:
        """Wait for a connection."""
        if self._free:
            self._free -= 1
            return await self._acquire_from_pool()
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            connection = await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # it got a connection, or the right to one, just now
                self._return_unused(waiter.result())
            raise
        return connection or await self._acquire_from_pool()

    async def release(self, connection: Any, *, cancel_timeout: timedelta | None = None) -> None:
        """Hand the connection to the next waiter, which is cheaper, or return it to the pool.

        Args:
            connection: one that was acquired.
            cancel_timeout: given if a statement was cancelled; how long the cancellation may take.
                The connection goes to nobody before.
        """
        if cancel_timeout is None and _is_sound(connection):
            if not self._hand_over(connection):
                await self._pool.release(connection)
            return
        timeout = cancel_timeout.total_seconds() if cancel_timeout else None
        try:
            await self._pool.release(connection, timeout=timeout)
        finally:
            self._hand_over(None)

    async def replace_all(self, stale: Any = None) -> None:
        """Close every connection once it is released; the pool opens new ones when needed.

        A session keeps the defaults with which it began, such as being read-only.

        Args:
            stale: the connection that showed the need, if any. Nothing happens if it is going to be
                replaced already.
        """
        if stale is None or _is_current(stale):
            await self._pool.expire_connections()

    def _return_unused(self, connection: Any) -> None:
        if connection:
            background.spawn(self.release(connection))
        else:
            self._hand_over(None)

    def _hand_over(self, connection: Any) -> bool:
        """Wake the first waiter, and return whether there was one.

        Args:
            connection: for the waiter; with None, it acquires one from the pool.
        """
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        self._free += 1
        return False

    async def _acquire_from_pool(self) -> Any:
        try:
            return await self._pool.acquire()
        except BaseException:
            self._hand_over(None)
            raise


def _is_sound(connection: Any) -> bool:
    try:
        return _is_current(connection) and not (
            connection.is_closed() or connection.is_in_transaction()
        )
    except asyncpg.InterfaceError:  # the connection was lost, and the pool has noticed
        return False


def _is_current(connection: Any) -> bool:
    """Return whether the connection was opened after the pool's connections last expired."""
    holder = connection._holder  # noqa: SLF001 (asyncpg itself checks only at release)
    current: bool = holder._generation == holder._pool._generation  # noqa: SLF001 (likewise)
    return current


@lru_cache(1)
def fair_pool(pool: asyncpg.Pool) -> FairPool:
    """Return the queue of a pool, always the same one."""
    return FairPool(pool)
