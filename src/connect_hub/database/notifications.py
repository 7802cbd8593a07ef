"""What the database tells every server: NOTIFY, heard on one connection a process."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from connect_hub.database.config import DatabaseConfig

CHECK_EVERY = timedelta(seconds=1)
ANSWERS_WITHIN = timedelta(seconds=2)
SIGN_OF_LIFE = "SELECT 1 AS alive"
RETRY_AFTER = timedelta(seconds=0.1), timedelta(seconds=2)  # at first, and at most

log = structlog.get_logger()


async def listen(
    config: DatabaseConfig,
    channels: Mapping[str, Callable[[str], None]],
    *,
    connected: Callable[[], None],
) -> None:
    """Hand the payload of each notification to its channel's function, for ever.

    Args:
        config: Tortoise's; the connection is none of its pool.
        channels: what is listened to.
        connected: called whenever it listens anew; what was told since it last did is lost.
    """
    wait, most = RETRY_AFTER
    is_lost = False
    while True:
        connection = None
        try:
            connection = await _listening(config, channels)
            if is_lost:
                log.warning("notifications are heard again")
            connected()
            wait, is_lost = RETRY_AFTER[0], False
            await _until_lost(connection)
        except Exception as error:  # noqa: BLE001 (whatever it is, the next try may go well)
            if not is_lost:
                log.warning("notifications are not heard", reason=type(error).__name__)
            is_lost = True
        finally:
            if connection:
                connection.terminate()
        await asyncio.sleep(wait.total_seconds())
        wait = min(wait * 2, most)


async def _listening(config: DatabaseConfig, channels: Mapping[str, Callable[[str], None]]) -> Any:
    connection = await config.connect()
    try:
        async with asyncio.timeout(ANSWERS_WITHIN.total_seconds()):
            for channel, told in channels.items():
                await connection.add_listener(channel, _taking_payload(told))
    except BaseException:
        connection.terminate()
        raise
    return connection


def _taking_payload(told: Callable[[str], None]) -> Callable[[Any, int, str, str], None]:
    return lambda _connection, _pid, _channel, payload: told(payload)


async def _until_lost(connection: Any) -> None:
    """Ask for a sign of life again and again: a connection may be lost without a word."""
    while True:
        await asyncio.sleep(CHECK_EVERY.total_seconds())
        await connection.execute(SIGN_OF_LIFE, timeout=ANSWERS_WITHIN.total_seconds())
