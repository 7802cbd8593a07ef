"""Background tasks: for the time of a context, or until they end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any


@asynccontextmanager
async def running(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run tasks within the context; at its end they are cancelled, and have ended."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def finishing(*, timeout: timedelta) -> AsyncIterator[None]:
    """Wait at the end of the context until spawned tasks have ended, such as sends of SMS."""
    try:
        yield
    finally:
        if _tasks:
            await asyncio.wait(_tasks, timeout=timeout.total_seconds())


def spawn(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run a task that nobody awaits; its result and its errors are ignored."""
    task = asyncio.create_task(coroutine)
    _tasks.add(task)
    task.add_done_callback(_discard)


_tasks: set[asyncio.Task[object]] = set()  # asyncio keeps only weak references


def _discard(task: asyncio.Task[object]) -> None:
    _tasks.discard(task)
    if not task.cancelled():
        task.exception()  # marks it as retrieved, or asyncio would log it
