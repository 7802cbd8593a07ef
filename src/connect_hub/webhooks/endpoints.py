"""The endpoints of WEBHOOK_URLS and their state in the database.

Each server registers its endpoints and keeps them registered, so that all servers and commands
write deliveries for them. An endpoint that no server has in its settings gets no new deliveries.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from connect_hub.database.connections import Row, fetch
from connect_hub.observability import metrics
from connect_hub.settings import Endpoint

REGISTER_INTERVAL = timedelta(minutes=5)
OBSERVE_INTERVAL = timedelta(seconds=10)
IS_CONFIGURED = "endpoint.seen_at > now() - interval '1 day'"  # SQL
_ERROR_INTERVAL = timedelta(seconds=2)

log = structlog.get_logger()

# The columns are updated only if they differ or are old, so that idle servers write little.
_REGISTER = """
    INSERT INTO webhook_endpoint AS current (id, origin, types, seen_at)
    VALUES ($1, $2, $3, now())
    ON CONFLICT (id) DO UPDATE SET types = excluded.types, seen_at = now()
    WHERE current.types <> excluded.types OR current.seen_at < now() - $4::interval
"""


async def register(endpoints: Sequence[Endpoint]) -> None:
    """Store that a server has these endpoints in its settings."""
    for endpoint in endpoints:
        types = list(endpoint.types)
        await fetch(_REGISTER, endpoint.id, endpoint.origin, types, REGISTER_INTERVAL / 2)


async def keep_registered(endpoints: Sequence[Endpoint]) -> None:
    """Register endpoints every few minutes; runs until cancelled."""
    while True:
        try:
            await register(endpoints)
            wait = REGISTER_INTERVAL
        except Exception as error:  # noqa: BLE001 (the next attempt may succeed)
            log.warning("webhook endpoints not registered", reason=type(error).__name__)
            wait = _ERROR_INTERVAL
        await asyncio.sleep(wait.total_seconds())


_OBSERVE = """
    SELECT (SELECT count(*) FROM webhook_endpoint WHERE disabled_at IS NOT NULL) AS disabled,
           (SELECT extract(epoch FROM now() - min(created_at)) FROM webhook_delivery) AS age
"""


async def observe() -> None:
    """Record metrics of the endpoints every few seconds; runs until cancelled."""
    while True:
        with suppress(Exception):  # the workers log errors of the database
            (row,) = await fetch(_OBSERVE)
            metrics.WEBHOOKS_DISABLED.set(row["disabled"])
            metrics.WEBHOOK_OLDEST.set(row["age"] or 0)
        await asyncio.sleep(OBSERVE_INTERVAL.total_seconds())


_ENABLE = """
    UPDATE webhook_endpoint
    SET disabled_at = NULL, failing_since = NULL, failure = NULL, paused_until = NULL
    WHERE id = $1 RETURNING id
"""


async def enable(endpoint_id: str) -> bool:
    """Let an endpoint get its events again; return whether it is known."""
    return bool(await fetch(_ENABLE, endpoint_id))


_STATUS = """
    SELECT endpoint.*, waiting, failed, oldest
    FROM webhook_endpoint AS endpoint LEFT JOIN (
        SELECT endpoint, count(due_at) AS waiting, count(*) - count(due_at) AS failed,
               min(created_at) AS oldest
        FROM webhook_delivery GROUP BY endpoint
    ) AS delivery ON delivery.endpoint = endpoint.id
    ORDER BY origin, id
"""


async def status() -> list[Row]:
    """List the endpoints that the database knows, with the numbers of their deliveries."""
    return await fetch(_STATUS)
