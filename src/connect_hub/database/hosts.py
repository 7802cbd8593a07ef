"""Connects to the first of several hosts that will do, as libpq does."""

from typing import Any

import asyncpg

_NOT_HERE = (OSError, asyncpg.InternalClientError, asyncpg.CannotConnectNowError)


async def connect(*, host: str | list[str], timeout: float, **arguments: Any) -> Any:
    """Open a connection to the first host that answers and has the required session attributes.

    asyncpg gives one timeout to all hosts together, so a first host that does not answer, such as
    one without power, would keep us from ever reaching the next leader.

    Args:
        host: one, or several to try in order.
        timeout: in seconds, for all hosts; each has an equal share.
        arguments: the others of `asyncpg.connect`.

    Raises:
        Exception: why the last host cannot be used.
    """
    hosts = [host] if isinstance(host, str) else host
    share = timeout / len(hosts)
    for each in hosts[:-1]:
        try:
            return await asyncpg.connect(host=each, timeout=share, **arguments)
        except _NOT_HERE:
            continue
    return await asyncpg.connect(host=hosts[-1], timeout=share, **arguments)
