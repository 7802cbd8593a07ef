"""Scopes: blocks whose statements run on one connection, and transactions."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from functools import lru_cache
from typing import Any, Self

import asyncpg
from tortoise.context import TortoiseContext, require_context

from connect_hub import background
from connect_hub.database.connections.deadlines import current_deadline
from connect_hub.database.connections.pool import ConnectionPool

Row = Mapping[str, Any]  # by column

_CHECK_INTERVAL = timedelta(seconds=0.5)


async def fetch(sql: str, *values: object) -> list[Row]:
    """Run one statement and return its rows.

    It runs on the connection of the current scope, or outside of one on any of the pool.

    Raises:
        TimeoutError: the deadline has passed.
    """
    scope = _current_scope.get()
    if scope in _open_scopes:  # a task may outlive the scope in which it was started
        return await scope.fetch(sql, *values)
    async with ConnectionScope() as own:
        return await own.fetch(sql, *values)


async def replace_connections() -> None:
    """Replace all connections: those opened while the database was read-only may stay read-only."""
    await (await current_pool()).expire_connections()


async def current_pool() -> ConnectionPool:
    """Return the pool of Tortoise's current context."""
    client = _client(require_context())
    if not client._pool:  # noqa: SLF001 (Tortoise has no public name for it)
        await client.create_connection(with_db=True)
    pool: ConnectionPool = client._pool  # noqa: SLF001 (likewise)
    return pool


@lru_cache(1)
def _client(context: TortoiseContext) -> Any:
    """Return Tortoise's client. Cached, as Tortoise would check the event loop at each query."""
    return context.connections.get("default")


async def enforce_deadlines() -> None:
    """Expire scopes whose deadline has passed; runs until cancelled.

    One loop over all scopes is cheaper than a timer for each statement.
    """
    while True:
        await asyncio.sleep(_CHECK_INTERVAL.total_seconds())
        now = time.monotonic()
        for scope in [scope for scope in _open_scopes if scope.deadline < now]:
            scope.expire()


class ConnectionScope:
    """Runs all statements of a block on one connection, one after another.

    Acquiring and releasing a connection costs as much as a small statement. The scope acquires it
    with the first statement and holds it until the end, so the block must not wait for anything but
    statements.
    """

    _connection: asyncpg.Connection | None = None
    _has_expired = False

    async def __aenter__(self) -> Self:
        """Open the scope, also for the tasks that are started in it.

        Raises:
            TimeoutError: the deadline has passed already.
        """
        self.deadline = current_deadline()
        self._task = asyncio.current_task()
        self._outer_scope = _current_scope.set(self)
        _open_scopes.add(self)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close the scope and release its connection.

        Raises:
            TimeoutError: the deadline has passed.
        """
        _current_scope.reset(self._outer_scope)
        if self._connection:
            await self._pool.release(self._connection)
        _open_scopes.discard(self)
        if self._has_expired and self._task:
            cancelled_by_others = self._task.uncancel() > 0
            if kind is asyncio.CancelledError:
                raise asyncio.CancelledError if cancelled_by_others else TimeoutError

    def expire(self) -> None:
        """Cancel the task of the scope, unless it is being cancelled already."""
        if self._task and not self._task.cancelling():
            self._has_expired = self._task.cancel()

    @property
    def has_connection(self) -> bool:
        """Whether the next statement runs on the same connection as the last one."""
        return self._connection is not None

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        """Run a statement as the function `fetch` does."""
        connection = self._connection or await self._acquire()
        try:
            rows: list[Row] = await connection.fetch(sql, *values)
        except asyncpg.ReadOnlySQLTransactionError:
            await self._pool.expire_connections(connection)
            raise
        except asyncio.CancelledError:
            self._connection = None
            with suppress(asyncpg.InterfaceError):  # the connection was lost
                if self._has_expired or connection.is_in_transaction():
                    connection.terminate()
            background.spawn(self._pool.release_cancelled(connection))
            raise
        return rows

    async def _acquire(self) -> asyncpg.Connection:
        self._pool = await current_pool()
        connection = await self._pool.acquire()
        if self not in _open_scopes:  # the scope was closed meanwhile
            await self._pool.release(connection)
            raise TimeoutError
        self._connection = connection
        return connection


class SharedConnectionScope(ConnectionScope):
    """A scope for several concurrent tasks, whose statements run one at a time."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close the scope once the running statement has ended."""
        try:
            await self._lock.acquire()
        except asyncio.CancelledError:
            if self._connection:
                with suppress(asyncpg.InterfaceError):  # the connection was lost
                    self._connection.terminate()
            await super().__aexit__(asyncio.CancelledError)
            raise
        try:
            await super().__aexit__(kind)
        finally:
            self._lock.release()

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        """Run a statement as the function `fetch` does."""
        async with self._lock:
            if self in _open_scopes:
                return await super().fetch(sql, *values)
        return await fetch(sql, *values)


_current_scope: ContextVar[ConnectionScope | None] = ContextVar("current scope", default=None)
_open_scopes: set[ConnectionScope] = set()


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    """Run all statements of a block in one transaction."""
    async with ConnectionScope() as scope:
        await fetch("BEGIN")
        try:
            yield
        except BaseException:
            if scope.has_connection:  # a closed connection has rolled back already
                await fetch("ROLLBACK")
            raise
        await fetch("COMMIT")
