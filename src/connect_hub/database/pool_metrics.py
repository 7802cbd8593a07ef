"""How much of the pool of connections is in use, told to metrics."""

import asyncio
from datetime import timedelta
from typing import Any

from tortoise.connection import get_connection

from connect_hub.observability import metrics

EVERY = timedelta(seconds=1)


async def observe() -> None:
    """Look every second, for ever."""
    client: Any = get_connection("default")
    while True:
        if pool := client._pool:  # noqa: SLF001 (Tortoise opens it at the first query)
            idle = pool.get_idle_size()
            metrics.POOL.labels("idle").set(idle)
            metrics.POOL.labels("used").set(pool.get_size() - idle)
        await asyncio.sleep(EVERY.total_seconds())
