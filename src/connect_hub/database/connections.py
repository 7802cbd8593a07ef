"""Statements: sent as they are, on Tortoise's connections."""

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
from connect_hub.database.pool import turns_of

Row = Mapping[str, Any]  # by column

USUAL = timedelta(seconds=12)  # so that PostgreSQL, if it answers, says so first
_LOOK_EVERY = timedelta(seconds=0.5)
_TIDIED_WITHIN = timedelta(seconds=5)  # or the connection is ended


async def fetch(sql: str, *values: object) -> list[Row]:
    """Run one statement on a connection of Tortoise's pool, and return its rows.

    Raises:
        TimeoutError: not within the time there is.
    """
    held = _held.get()
    if held in _waiting:  # or it is none, or has ended before a task that was started within
        return await held.fetch(sql, *values)
    async with OneConnection() as own:
        return await own.fetch(sql, *values)


async def replace_connections() -> None:
    """Replace all connections: those opened while the database took no writes may stay so."""
    if pool := _database(require_context())._pool:  # noqa: SLF001 (Tortoise has no name for it)
        await turns_of(pool).replace_all()


class Within:
    """Lets all that is fetched in its block be done within so long, and not each statement."""

    def __init__(self, limit: timedelta) -> None:
        self._limit = limit

    def __enter__(self) -> None:
        """Begin."""
        self._before = _until.set(time.monotonic() + self._limit.total_seconds())

    def __exit__(self, *_: object) -> None:
        """Go on as before."""
        _until.reset(self._before)


def leaving(reserve: timedelta) -> asyncio.Timeout:
    """Let what is no statement take the time there is, but for so much that statements may need."""
    until = _until.get()
    left = until - time.monotonic() - reserve.total_seconds() if until else None
    return asyncio.timeout(left)


async def watch() -> None:
    """Let nothing wait for the database longer than it may, for ever.

    One look at all that waits is cheaper than a timer for each statement.
    """
    while True:
        await asyncio.sleep(_LOOK_EVERY.total_seconds())
        now = time.monotonic()
        for waiting in [one for one in _waiting if one.until < now]:
            waiting.give_up()


class OneConnection:
    """Runs all that is fetched within on one connection, one statement after another.

    To take a connection from the pool and give it back costs as much as a small statement. It is
    taken at the first one, and held: so nothing else may be waited for within.
    """

    _connection: asyncpg.Connection | None = None
    _is_late = False

    async def __aenter__(self) -> Self:
        """Begin; what is fetched by tasks that start within counts as within.

        Raises:
            TimeoutError: there is no time left.
        """
        now = time.monotonic()
        self.until = _until.get() or now + USUAL.total_seconds()
        if self.until < now:
            raise TimeoutError
        self._task = asyncio.current_task()
        self._before = _held.set(self)
        _waiting.add(self)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Give the connection back.

        Raises:
            TimeoutError: what was fetched took too long.
        """
        _held.reset(self._before)
        try:
            if self._connection:
                await self._turns.give_back(self._connection)
        except asyncio.CancelledError:
            if not self._is_late:
                raise
            kind = asyncio.CancelledError
        finally:
            _waiting.discard(self)
        if self._is_late and self._task:
            by_others = self._task.uncancel() > 0
            if kind is asyncio.CancelledError:
                raise asyncio.CancelledError if by_others else TimeoutError

    def give_up(self) -> None:
        """End whatever is waited for within, unless others do."""
        if self._task and not self._task.cancelling():
            self._is_late = self._task.cancel()

    @property
    def has_connection(self) -> bool:
        """Whether the next statement runs where the last one did."""
        return self._connection is not None

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        """Run a statement as `fetch` does."""
        if self._connection is None:
            database = _database(require_context())
            self._turns = turns_of(database._pool or await _opened(database))  # noqa: SLF001 (Tortoise has no name for it)
            connection = await self._turns.take()
            if self not in _waiting:  # whoever asked has gone meanwhile
                background.spawn(self._turns.give_back(connection))
                raise TimeoutError
            self._connection = connection
        try:
            rows: list[Row] = await self._connection.fetch(sql, *values)
        except asyncpg.ReadOnlySQLTransactionError:
            await self._turns.replace_all(self._connection)
            raise
        except asyncio.CancelledError:
            with suppress(asyncpg.InterfaceError):  # it was lost
                if self._is_late or self._connection.is_in_transaction():
                    self._connection.terminate()
            # Else asyncpg cancels the statement before the next one: nobody waits for that.
            give_back = self._turns.give_back(self._connection, tidied_within=_TIDIED_WITHIN)
            background.spawn(give_back)
            self._connection = None
            raise
        return rows


class SharedConnection(OneConnection):
    """The same for what may be fetched by several tasks at once: their statements take turns."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Give the connection back, once the statement that runs has ended."""
        try:
            await self._turn.acquire()
        except asyncio.CancelledError:
            if self._connection:
                with suppress(asyncpg.InterfaceError):  # it was lost
                    self._connection.terminate()
            await super().__aexit__(asyncio.CancelledError)
            raise
        try:
            await super().__aexit__(kind)
        finally:
            self._turn.release()

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        """Run a statement as `fetch` does."""
        async with self._turn:
            if self in _waiting:
                return await super().fetch(sql, *values)
        return await fetch(sql, *values)


@lru_cache(1)
def _database(context: TortoiseContext) -> Any:
    """Find what Tortoise has connected to; it looks whether that is the right one at each query."""
    return context.connections.get("default")


async def _opened(database: Any) -> asyncpg.Pool:
    async with database.acquire_connection():  # at the first one, Tortoise opens the pool
        return database._pool  # noqa: SLF001 (likewise)


_held: ContextVar[OneConnection | None] = ContextVar("held connection", default=None)
_until: ContextVar[float | None] = ContextVar("until", default=None)
_waiting: set[OneConnection] = set()


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    """Make all that is fetched within one transaction."""
    async with OneConnection() as held:
        await fetch("BEGIN")
        try:
            yield
        except BaseException:
            if held.has_connection:  # or it was ended, which rolls back
                await fetch("ROLLBACK")
            raise
        await fetch("COMMIT")
