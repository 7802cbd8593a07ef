"""Receives PostgreSQL's notifications (LISTEN, NOTIFY) on one connection per process."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from connect_hub.database.config import DatabaseConfig

HEARTBEAT = "SELECT 1 AS alive"
HEARTBEAT_INTERVAL = timedelta(seconds=1)
ANSWER_TIMEOUT = timedelta(seconds=2)
MIN_RETRY_DELAY, MAX_RETRY_DELAY = timedelta(seconds=0.1), timedelta(seconds=2)

log = structlog.get_logger()


async def listen(
    config: DatabaseConfig,
    channels: Mapping[str, Callable[[str], None]],
    *,
    connected: Callable[[], None],
) -> None:
    """Call a function with the payload of each notification; runs until cancelled.

    Args:
        config: connects without a pooler, which would not pass notifications on.
        channels: the function for each channel.
        connected: called after each connect. Notifications since the connection was lost are lost.
    """
    delay = MIN_RETRY_DELAY
    is_lost = False
    while True:
        connection = None
        try:
            connection = await _connect(config, channels)
            if is_lost:
                log.warning("notifications are heard again")
            connected()
            delay, is_lost = MIN_RETRY_DELAY, False
            await _until_lost(connection)
        except Exception as error:  # noqa: BLE001 (the next attempt may succeed, whatever it is)
            if not is_lost:
                log.warning("notifications are not heard", reason=type(error).__name__)
            is_lost = True
        finally:
            if connection:
                connection.terminate()
        await asyncio.sleep(delay.total_seconds())
        delay = min(delay * 2, MAX_RETRY_DELAY)


async def _connect(config: DatabaseConfig, channels: Mapping[str, Callable[[str], None]]) -> Any:
    connection = await config.connect()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds()):
            for channel, receive in channels.items():
                await connection.add_listener(channel, _payload_only(receive))
    except BaseException:
        connection.terminate()
        raise
    return connection


def _payload_only(receive: Callable[[str], None]) -> Callable[[Any, int, str, str], None]:
    return lambda _connection, _pid, _channel, payload: receive(payload)


async def _until_lost(connection: Any) -> None:
    """Send heartbeats until one fails: a lost connection may not report an error itself."""
    while True:
        await asyncio.sleep(HEARTBEAT_INTERVAL.total_seconds())
        await connection.execute(HEARTBEAT, timeout=ANSWER_TIMEOUT.total_seconds())
