"""Graceful shutdown: what happens between SIGTERM and exit.

1. If there are several workers, uvicorn's supervisor sends SIGTERM to each, and waits for them.
2. `GracefulShutdown` starts draining: /readyz answers 503, and each response closes its connection.
   Requests are still accepted, for SHUTDOWN_DELAY. Ctrl-C and a delay of 0 skip this step.
3. uvicorn closes the port, and WebSockets with 1012. Requests in flight have SHUTDOWN_TIMEOUT to
   end, then they are cancelled.
4. The lifespan of `app.py` ends, in the reverse order of its start: SMS under way have SMS_TIMEOUT
   to end. Then the webhooks, the live updates, the background tasks and the database pool are
   closed, and the last traces are sent.
5. With one process, uvicorn raises SIGTERM again, now for the handler of `cli/serve.py`; with
   several, the supervisor returns. Either way the contexts of `serve` close, the metrics and the
   embedded PostgreSQL, and the process exits with 0.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import parent_process
from types import FrameType


class GracefulShutdown:
    """Delays SIGTERM, so that proxies notice before the process stops.

    At SIGTERM the process starts draining: /readyz fails, and each response closes its connection.
    After `delay` the signal reaches uvicorn's handler.
    """

    def __init__(self, delay: timedelta) -> None:
        self._delay = delay.total_seconds()
        self.draining = False

    @contextmanager
    def install(self) -> Iterator[None]:
        """Handle SIGTERM until the context ends, in front of the current handler."""
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
    """Stop this worker if its parent is killed; otherwise it would keep the port."""
    if parent := parent_process():
        asyncio.get_running_loop().add_reader(parent.sentinel, _end_after, parent.sentinel)


def _end_after(parent: int) -> None:
    asyncio.get_running_loop().remove_reader(parent)  # it stays readable
    os.kill(os.getpid(), signal.SIGINT)  # SIGTERM would wait for the delay
