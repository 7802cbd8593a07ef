"""The CPU that a server takes for each request.

On a machine that others use too, only what was measured side by side compares: all contenders get
slices of some 40 ms in shuffled turns, and a ratio is that of two slices of one cycle.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Self

from tests.bench.client import Connections, connected

CONNECTIONS = 16
_SLICE = 0.04  # seconds of the server's CPU
_FEWEST = 32  # requests in a slice
_AFTERMATH = 0.003  # seconds; a server logs once the answer is out


@dataclass(frozen=True)
class Server:
    """One that runs."""

    pid: int
    port: int

    @property
    def cpu(self) -> float:
        """Seconds of CPU that all its threads took so far."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    @property
    def memory(self) -> float:
        """Resident memory in MB, a million bytes each."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024 / 1e6


@dataclass(frozen=True)
class Contender:
    """A server, and an endless supply of requests to it."""

    server: Server
    requests: Iterator[bytes]
    is_right: Callable[[bytes], bool]  # of an answer's body


@dataclass(frozen=True)
class Slice:
    """One turn; microseconds for one request."""

    cpu: float  # of the server
    wall: float  # until the answer; half of the requests took less


@dataclass(frozen=True)
class Ratio:
    """How two contenders compare over all cycles."""

    median: float
    low: float  # a fifth of the cycles were below
    high: float  # a fifth were above

    @classmethod
    def of(cls, values: list[float], others: list[float]) -> Self:
        """Compare turn by turn."""
        ratios = [value / other for value, other in zip(values, others, strict=True)]
        fifths = quantiles(ratios, n=5)
        return cls(median(ratios), fifths[0], fifths[-1])


def measure(
    contenders: Mapping[str, Contender], *, cycles: int, connections: int = CONNECTIONS
) -> dict[str, list[Slice]]:
    """Measure all contenders in turns."""
    slices: dict[str, list[Slice]] = {name: [] for name in contenders}
    with ExitStack() as stack:
        open_to = {
            name: stack.enter_context(connected(contender.server.port, connections))
            for name, contender in contenders.items()
        }
        counts = {name: _count(contenders[name], open_to[name]) for name in contenders}
        for _ in range(cycles):
            for name in random.sample(list(contenders), len(contenders)):
                slices[name].append(_slice(contenders[name], open_to[name], counts[name]))
    return slices


def latencies(
    contenders: Mapping[str, Contender], *, turns: int, connections: int
) -> dict[str, list[float]]:
    """Keep each contender busy for some seconds; return the seconds that each request took."""
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name in random.sample(list(contenders), len(contenders)):
            contender = contenders[name]
            with connected(contender.server.port, connections) as open_to:
                one_second = round(_count(contender, open_to) / _SLICE)
                took[name] += open_to.ask(contender.requests, one_second, contender.is_right)
    return took


def warm(contender: Contender, requests: int) -> None:
    """Send some requests to a server before it is measured."""
    with connected(contender.server.port, CONNECTIONS) as connections:
        connections.ask(contender.requests, requests, contender.is_right)


def _count(contender: Contender, connections: Connections) -> int:
    """Try how many requests make a slice."""
    connections.ask(contender.requests, _FEWEST, contender.is_right)
    trial = _slice(contender, connections, _FEWEST)
    return max(_FEWEST, round(_SLICE / (trial.cpu / 1e6)))


def _slice(contender: Contender, connections: Connections, count: int) -> Slice:
    before = contender.server.cpu
    took = connections.ask(contender.requests, count, contender.is_right)
    time.sleep(_AFTERMATH)
    return Slice((contender.server.cpu - before) / count * 1e6, median(took) * 1e6)
