"""How many guesses reach the comparison with a code, in one process or in two workers."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import httpx

from tests.support.hub import Hub


@dataclass
class Comparisons:
    """Guesses that were compared with a code, by the code's length; the truth, not the answers."""

    wrong: Counter[int] = field(default_factory=Counter)
    right: Counter[int] = field(default_factory=Counter)

    @contextmanager
    def growing(self) -> Iterator[Callable[[int], int]]:
        """Return how many wrong guesses of a length were added within the block."""
        before = self.wrong.copy()
        yield lambda length: self.wrong[length] - before[length]


class InTurn(httpx.AsyncBaseTransport):
    """Sends requests to several transports in turn."""

    def __init__(self, transports: list[httpx.AsyncHTTPTransport]) -> None:
        self._all = transports
        self._next = cycle(transports)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await next(self._next).handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._all:
            await transport.aclose()


@dataclass
class Pair:
    """Two workers that get requests in turn, and their logs."""

    hub: Hub
    notes: Path

    def compared(self) -> Counter[int]:
        """Return how many guesses they compared with codes, by length."""
        return Counter(int(line) for line in self.notes.read_text().splitlines())
