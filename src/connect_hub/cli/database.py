"""Work of a command on the database, beside a running server too."""

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
from connect_hub.observability import logs
from connect_hub.settings import Settings, StartupError, load

RESULT = TypeVar("RESULT")
Work = Callable[[], Awaitable[RESULT]]

_NOT_MIGRATED = "The database is not migrated: run connect-hub migrate first."


def run_with_database(work: Work[RESULT], *, migrated: bool = True) -> RESULT:
    """Do some work on the database of the settings, as long as it takes.

    Args:
        work: what is to be done.
        migrated: whether it needs a migrated database.

    Raises:
        StartupError: the database does not answer, or is not migrated though it must be.
    """
    settings = load()
    logs.configure()
    with embedded.start_or_join(settings.data_dir) if settings.embedded else nullcontext():
        return asyncio.run(_run_connected(settings, work, migrated=migrated))


async def _run_connected(settings: Settings, work: Work[RESULT], *, migrated: bool) -> RESULT:
    try:
        async with TortoiseContext() as context:
            await context.init(serving_config(settings).without_timeouts().tortoise)
            if migrated and not await is_migrated():
                raise StartupError(_NOT_MIGRATED)
            return await work()
    except (*UNAVAILABLE, *REFUSED) as error:
        if settings.embedded and isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
            raise StartupError(_NOT_MIGRATED) from error  # migrations create our user
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StartupError(
            f"The database cannot do this now ({reason}): check that it runs, that it takes writes"
            " and that DATABASE_URL is right."
        ) from error
