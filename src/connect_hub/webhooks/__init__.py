"""Webhooks: events are delivered to the operator's backend, by Standard Webhooks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from connect_hub import background
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings
from connect_hub.webhooks import endpoints


@asynccontextmanager
async def delivering(settings: Settings, keys: Keys) -> AsyncIterator[None]:
    """Send events to the endpoints of WEBHOOK_URLS within the context."""
    if not settings.webhook_urls:
        yield
        return
    from connect_hub.webhooks.worker import Worker  # noqa: PLC0415 - aiohttp takes 7 MB

    with suppress(Exception):  # is logged when it is tried again
        # Before the first request, whose events would else have no deliveries.
        await endpoints.register(settings.webhook_urls)
    workers = [Worker(endpoint, keys) for endpoint in settings.webhook_urls]
    tasks = [endpoints.keep_registered(settings.webhook_urls), endpoints.observe()]
    async with background.running(*tasks, *(worker.run() for worker in workers)):
        yield
