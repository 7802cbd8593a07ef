"""Deadlines of the statements in a block."""

import asyncio
import time
from contextvars import ContextVar, Token
from datetime import timedelta

DEFAULT_TIMEOUT = timedelta(seconds=12)  # longer than PostgreSQL's, whose errors say more


class deadline:  # noqa: N801 (used like a function: a generator would take three times as long)
    """Set one deadline for all statements in the block, instead of one for each.

    Args:
        timeout: from the beginning of the block.
    """

    __slots__ = ("_before", "_timeout")
    _before: Token[float | None]

    def __init__(self, timeout: timedelta) -> None:
        self._timeout = timeout

    def __enter__(self) -> None:
        self._before = _deadline.set(time.monotonic() + self._timeout.total_seconds())

    def __exit__(self, *_: object) -> None:
        _deadline.reset(self._before)


def current_deadline() -> float:
    """Return the deadline of a scope that begins now, in seconds of `time.monotonic`.

    Raises:
        TimeoutError: it has passed.
    """
    now = time.monotonic()
    end = _deadline.get() or now + DEFAULT_TIMEOUT.total_seconds()
    if end < now:
        raise TimeoutError
    return end


def timeout_reserving(reserve: timedelta) -> asyncio.Timeout:
    """Limit work other than statements to the time before the deadline, minus a reserve.

    Args:
        reserve: what the statements after the block may need.
    """
    end = _deadline.get()
    return asyncio.timeout(end - time.monotonic() - reserve.total_seconds() if end else None)


_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)  # seconds of `monotonic`
