"""Tortoise's client for PostgreSQL, with our pool in place of asyncpg's.

Tortoise and aerich load it by the name of this module: see `engine` in the configuration.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from tortoise.backends.asyncpg.client import AsyncpgDBClient

from connect_hub.database import hosts
from connect_hub.database.connections.pool import ConnectionPool

ENGINE = __name__


class PooledClient(AsyncpgDBClient):
    """Opens a ConnectionPool; the arguments beside asyncpg's own are `maxsize` and `prepare`."""

    async def create_pool(self, **arguments: Any) -> Any:
        """Return the pool; its connections are opened when they are needed."""
        for unused in ("min_size", "connection_class", "loop"):
            arguments.pop(unused)
        size: int = arguments.pop("max_size")
        prepare: Callable[[Any], Awaitable[None]] | None = arguments.pop("prepare", None)

        async def connect() -> Any:
            connection = await hosts.connect(**arguments)
            try:
                if prepare:
                    await prepare(connection)
            except BaseException:
                connection.terminate()
                raise
            return connection

        return ConnectionPool(connect, size=size)


client_class = PooledClient  # the name that Tortoise looks for
