"""The connections of a process, handed out in the order of arrival.

asyncpg's own pool lets newcomers overtake waiters, and acquiring and releasing one of its
connections costs as much as a small statement.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import asyncpg

from connect_hub import background

_CANCEL_TIMEOUT = timedelta(seconds=5)
_CLOSE_TIMEOUT = timedelta(seconds=5)


class ConnectionPool:
    """Opens up to `size` connections when they are needed, and keeps them open.

    Tortoise uses it in place of asyncpg's pool.

    Args:
        connect: opens a connection.
        size: the most connections that are open at once.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], *, size: int) -> None:
        self.open: set[asyncpg.Connection] = set()  # without those that have expired
        self.idle: list[asyncpg.Connection] = []  # the last used is used next: its caches are warm
        self._connect = connect
        self._unopened = size
        self._waiters: deque[asyncio.Future[asyncpg.Connection | None]] = deque()
        self._is_closed = False

    async def acquire(self) -> asyncpg.Connection:
        """Wait for a connection.

        Raises:
            asyncpg.InterfaceError: the pool is closed.
            OSError, asyncpg.PostgresError: a new connection cannot be opened.
        """
        if self._is_closed:
            raise asyncpg.InterfaceError("The pool is closed.")
        while self.idle:
            connection = self.idle.pop()
            if not connection.is_closed():
                return connection
            self.open.discard(connection)
            self._unopened += 1
        if self._unopened:
            self._unopened -= 1
            return await self._open()
        return await self._wait() or await self._open()

    async def release(self, connection: asyncpg.Connection | None) -> None:
        """Hand a connection to the next waiter, or keep it; None is the right to open one."""
        if connection is None or (connection in self.open and _is_clean(connection)):
            self._hand_over(connection)
        else:
            background.spawn(self._close(connection))

    async def release_cancelled(self, connection: asyncpg.Connection) -> None:
        """Release a connection when PostgreSQL has cancelled the statement that runs on it."""
        try:
            async with asyncio.timeout(_CANCEL_TIMEOUT.total_seconds()):
                await connection.execute("SELECT")  # asyncpg first waits for the cancellation
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 (after any, it is closed)
            connection.terminate()
        await self.release(connection)

    async def expire_connections(self, witness: asyncpg.Connection | None = None) -> None:
        """Close every connection when it is released; new ones are opened when needed.

        A session keeps the defaults with which it began, such as being read-only.

        Args:
            witness: the connection that showed the need. Nothing happens if it has expired already.
        """
        if witness is None or witness in self.open:
            self.open.clear()
            idle, self.idle = self.idle, []
            for connection in idle:
                background.spawn(self._close(connection))

    async def close(self) -> None:
        """Close all connections, also those in use, sooner than Tortoise stops waiting for it."""
        self._is_closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(asyncpg.InterfaceError("The pool is closed."))
        closing = [
            connection.close(timeout=_CLOSE_TIMEOUT.total_seconds()) for connection in self.open
        ]
        self.open.clear()
        self.idle.clear()
        await asyncio.gather(*closing, return_exceptions=True)

    async def _wait(self) -> asyncpg.Connection | None:
        """Wait for a connection, or for the right to open one."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            connection: asyncpg.Connection | None = await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # it was its turn just now
                await self.release(waiter.result())
            raise
        return connection

    async def _open(self) -> asyncpg.Connection:
        try:
            connection = await self._connect()
        except BaseException:
            self._hand_over(None)
            raise
        self.open.add(connection)
        return connection

    async def _close(self, connection: asyncpg.Connection) -> None:
        self.open.discard(connection)
        with suppress(Exception):
            await connection.close(timeout=_CLOSE_TIMEOUT.total_seconds())
        self._hand_over(None)

    def _hand_over(self, connection: asyncpg.Connection | None) -> None:
        """Wake the first waiter with a connection; with None, it opens one."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection:
            self.idle.append(connection)
        else:
            self._unopened += 1


def _is_clean(connection: asyncpg.Connection) -> bool:
    return not (connection.is_closed() or connection.is_in_transaction())
