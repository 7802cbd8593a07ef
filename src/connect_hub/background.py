"""Work that goes on beside the requests."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def running(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Go on with some work as long as this lasts; then it is cancelled, and has ended."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def spawn(work: Coroutine[Any, Any, object]) -> None:
    """See some work done for which nobody waits, nor for how it ends."""
    task = asyncio.create_task(work)
    _tasks.add(task)
    task.add_done_callback(_discard)


_tasks: set[asyncio.Task[object]] = set()  # asyncio itself would forget them


def _discard(task: asyncio.Task[object]) -> None:
    _tasks.discard(task)
    if not task.cancelled():
        task.exception()  # asyncio would log it: nobody else asks
