"""Records how many connections of the pool are in use."""

import asyncio
from datetime import timedelta
from typing import Any

from tortoise.connection import get_connection

from connect_hub.observability import metrics

INTERVAL = timedelta(seconds=1)


async def observe() -> None:
    """Record the metrics every second; runs until cancelled."""
    client: Any = get_connection("default")
    while True:
        if pool := client._pool:  # noqa: SLF001 (Tortoise opens it at the first query)
            idle = pool.get_idle_size()
            metrics.POOL.labels("idle").set(idle)
            metrics.POOL.labels("used").set(pool.get_size() - idle)
        await asyncio.sleep(INTERVAL.total_seconds())
