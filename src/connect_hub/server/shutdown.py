"""How a serving process ends: it says so first, so that no request comes to a closed door."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import parent_process
from types import FrameType


class GracefulShutdown:
    """Whether this process is about to stop.

    At SIGTERM it is not ready any more, and keeps no connection open after the answer to a request;
    `delay` later, when proxies have noticed, it stops as if the signal came only now.
    """

    def __init__(self, delay: timedelta) -> None:
        self._delay = delay.total_seconds()
        self.draining = False

    @contextmanager
    def install(self) -> Iterator[None]:
        """Wait for SIGTERM before whoever was to handle it, as long as this lasts."""
        stop = signal.getsignal(signal.SIGTERM)
        if not self._delay or not callable(stop):
            yield
            return
        loop = asyncio.get_running_loop()

        def begin(number: int, _frame: FrameType | None) -> None:
            if not self.draining:
                self.draining = True
                loop.call_soon_threadsafe(loop.call_later, self._delay, stop, number, None)

        signal.signal(signal.SIGTERM, begin)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, stop)


def end_with_parent() -> None:
    """Stop a worker whose parent was killed: it would keep the port."""
    if parent := parent_process():
        asyncio.get_running_loop().add_reader(parent.sentinel, _end_after, parent.sentinel)


def _end_after(parent: int) -> None:
    asyncio.get_running_loop().remove_reader(parent)  # which stays readable
    os.kill(os.getpid(), signal.SIGINT)  # at once: SIGTERM may take its time
