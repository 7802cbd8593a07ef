"""Access to the database for commands, also while a server is running."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import TypeVar

import asyncpg
from tortoise.context import TortoiseContext

from connect_hub.database import embedded
from connect_hub.database.config import serving_config
from connect_hub.database.errors import REFUSED, UNAVAILABLE
from connect_hub.database.migrations import is_migrated
from connect_hub.domain import events
from connect_hub.observability import logs
from connect_hub.settings import Settings, StartupError, load

RESULT = TypeVar("RESULT")
Work = Callable[[], Awaitable[RESULT]]

_NOT_MIGRATED = "The database is not migrated: run connect-hub migrate first."


def run_with_database(work: Work[RESULT], *, migrated: bool = True) -> RESULT:
    """Run a coroutine function with a connection to the database of the settings.

    Its statements have no timeout. An embedded database is started if no server has started it.

    Args:
        work: uses the connection, and returns the result.
        migrated: whether the work needs a migrated database.

    Raises:
        StartupError: the database cannot be reached or used, or is not migrated.
    """
    settings = load()
    logs.configure()
    with embedded.start_or_join(settings.data_dir) if settings.embedded else nullcontext():
        return asyncio.run(_run_connected(settings, work, migrated=migrated))


async def _run_connected(settings: Settings, work: Work[RESULT], *, migrated: bool) -> RESULT:
    events.origin.set(lambda: events.Origin(events.Actor.OPERATOR))
    try:
        async with TortoiseContext() as context:
            await context.init(serving_config(settings).without_timeouts().tortoise)
            if migrated and not await is_migrated():
                raise StartupError(_NOT_MIGRATED)
            return await work()
    except (*UNAVAILABLE, *REFUSED) as error:
        if settings.embedded and isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
            raise StartupError(_NOT_MIGRATED) from error  # migrations create the user
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StartupError(
            f"The database cannot do this now ({reason}): check that it runs and accepts writes,"
            " and that DATABASE_URL is right."
        ) from error
