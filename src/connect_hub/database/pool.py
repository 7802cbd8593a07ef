"""Connections of a pool, had by those who wait in the order they came.

asyncpg's pool lets whoever comes just then go first, and who waited wait again behind all others.
So all that a server asks the database while it serves has to come by here.
"""

import asyncio
from collections import deque
from datetime import timedelta
from functools import lru_cache
from typing import Any

import asyncpg

from connect_hub import background


class Turns:
    """All who use one pool: as many as it has connections at once, the others wait."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._left = pool.get_max_size()
        self._waiting: deque[asyncio.Future[Any]] = deque()

    async def take(self) -> Any:
        """Wait for one's turn, and have a connection."""
        if self._left:
            self._left -= 1
            return await self._acquired()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            connection = await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was one's turn just then
                self._leave(turn.result())
            raise
        return connection or await self._acquired()

    async def give_back(self, connection: Any, *, tidied_within: timedelta | None = None) -> None:
        """Let the next one have it as it is, which spares the pool's work; else the pool has it.

        Args:
            connection: one that was taken.
            tidied_within: where a statement was cancelled, how long that may take; nobody has the
                connection before.
        """
        if tidied_within is None and _is_sound(connection):
            if not self._pass(connection):
                await self._pool.release(connection)
            return
        timeout = tidied_within.total_seconds() if tidied_within else None
        try:
            await self._pool.release(connection, timeout=timeout)
        finally:
            self._pass(None)

    async def replace_all(self, stale: Any = None) -> None:
        """Have every connection closed once it is free, and opened anew when it is needed.

        A session keeps the defaults that it began with, such as being read-only.

        Args:
            stale: the connection that showed it, if one did; nothing happens if it is to be
                replaced already.
        """
        if stale is None or _is_current(stale):
            await self._pool.expire_connections()

    def _leave(self, connection: Any) -> None:
        if connection:
            background.spawn(self.give_back(connection))
        else:
            self._pass(None)

    def _pass(self, connection: Any) -> bool:
        """Give somebody the turn, and tell whether there was one who waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        self._left += 1
        return False

    async def _acquired(self) -> Any:
        try:
            return await self._pool.acquire()
        except BaseException:
            self._pass(None)
            raise


def _is_sound(connection: Any) -> bool:
    try:
        return _is_current(connection) and not (
            connection.is_closed() or connection.is_in_transaction()
        )
    except asyncpg.InterfaceError:  # it was lost, and the pool knows
        return False


def _is_current(connection: Any) -> bool:
    """Tell whether it was opened since the pool's connections were last expired."""
    holder = connection._holder  # noqa: SLF001 (asyncpg itself looks only at release)
    expected: bool = holder._generation == holder._pool._generation  # noqa: SLF001 (likewise)
    return expected


@lru_cache(1)
def turns_of(pool: asyncpg.Pool) -> Turns:
    """Find who uses a pool."""
    return Turns(pool)
