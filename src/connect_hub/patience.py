"""An end to waiting, whatever is waited for."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

RESULT = TypeVar("RESULT")

_abandoned: set[asyncio.Task[Any]] = set()  # asyncio itself would forget them


async def within(limit: timedelta, work: Coroutine[Any, Any, RESULT]) -> RESULT:
    """Wait so long and no longer, and abandon what is not done by then.

    `asyncio.timeout` waits until what it cancels has tidied up. A connection to a database that
    does not answer takes as long for that as for a statement: its cancellation is not answered.

    Raises:
        TimeoutError: it was not done.
    """
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit.total_seconds())
    finally:
        if not task.done():
            _abandon(task)
    if not done:
        raise TimeoutError
    return task.result()


def _abandon(task: asyncio.Task[Any]) -> None:
    _abandoned.add(task)
    task.add_done_callback(_forget)
    task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # asyncio would log it: nobody else asks
