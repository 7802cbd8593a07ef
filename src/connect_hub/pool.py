"""How much of the pool of connections is in use, told to metrics."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from tortoise.connection import get_connection

from connect_hub import metrics

EVERY = timedelta(seconds=1)


@asynccontextmanager
async def observed() -> AsyncIterator[None]:
    """Look every second, as long as this lasts."""
    task = asyncio.create_task(_forever())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _forever() -> None:
    client: Any = get_connection("default")
    while True:
        if pool := client._pool:  # noqa: SLF001 (Tortoise opens it at the first query)
            idle = pool.get_idle_size()
            metrics.POOL.labels("idle").set(idle)
            metrics.POOL.labels("used").set(pool.get_size() - idle)
        await asyncio.sleep(EVERY.total_seconds())
