"""Records how many connections of the pool are in use."""

import asyncio
from datetime import timedelta

from connect_hub.database.connections.scopes import current_pool
from connect_hub.observability import metrics

INTERVAL = timedelta(seconds=1)


async def observe() -> None:
    """Record the metrics every second; runs until cancelled."""
    while True:
        pool = await current_pool()
        metrics.POOL.labels("idle").set(len(pool.idle))
        metrics.POOL.labels("used").set(len(pool.open) - len(pool.idle))
        await asyncio.sleep(INTERVAL.total_seconds())
