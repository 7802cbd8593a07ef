"""Several gateways with failover: in which order they are tried, and for how long."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import choice
from time import monotonic

import structlog

from connect_hub.observability import metrics, tracing
from connect_hub.sms.gateway import Gateway, UnsupportedNumberError
from connect_hub.sms.message import Message, NotSentError

MAX_FAILURES = 3  # in a row, until the circuit breaker opens
OPEN_FOR = timedelta(minutes=1)

_TYPICAL_LATENCIES = (0.3, 0.5, 0.8)  # seconds; used until this process has sent its first message
_KEPT_LATENCIES = 50

log = structlog.get_logger()


@dataclass
class CircuitBreaker:
    """A gateway, and a breaker that opens after three failures in a row: it is skipped then."""

    gateway: Gateway
    failures: int = 0  # since the gateway last accepted a message
    open_until: float = 0  # seconds of `monotonic`

    def record_success(self) -> None:
        """Close the breaker."""
        self.failures, self.open_until = 0, 0

    def record_failure(self) -> None:
        """Count a failure; open the breaker for a minute if there were too many."""
        self.failures += 1
        if self.failures >= MAX_FAILURES:
            self.open_until = monotonic() + OPEN_FOR.total_seconds()


class FailoverSender:
    """Tries gateways in the order of SMS_URLS, with one timeout for all of them.

    Each gateway may use an equal share of the remaining time, so that a slow one leaves time for
    the next. If the breakers of all gateways are open, all are tried: an unreliable gateway is
    better than none.

    Args:
        urls: of the gateways.
        timeout: for one message.

    Raises:
        StartupError: a URL is invalid.
    """

    simulated = False

    def __init__(self, urls: Sequence[str], *, timeout: timedelta) -> None:
        gateways = [Gateway(url, position=position) for position, url in enumerate(urls, start=1)]
        _number_duplicates(gateways)
        self._timeout = timeout
        self.breakers = [CircuitBreaker(gateway) for gateway in gateways]
        self._latencies: deque[float] = deque(maxlen=_KEPT_LATENCIES)

    def __str__(self) -> str:
        return ", then ".join(breaker.gateway.name for breaker in self.breakers)

    async def send(self, message: Message) -> str:
        """Send a message by the first gateway that accepts it, and return that gateway's name.

        Raises:
            NotSentError: no gateway accepted it.
        """
        started = monotonic()
        deadline = started + self._timeout.total_seconds()
        closed = [breaker for breaker in self.breakers if breaker.open_until <= started]
        candidates = closed or self.breakers
        for tried, breaker in enumerate(candidates):
            share = (deadline - monotonic()) / (len(candidates) - tried)
            if await _try(breaker, message, timeout=timedelta(seconds=share)):
                self._latencies.append(monotonic() - started)
                return breaker.gateway.name
        raise NotSentError

    async def simulate_latency(self) -> None:
        """Take as long as one of the latest messages did."""
        await asyncio.sleep(choice(self._latencies or _TYPICAL_LATENCIES))  # noqa: S311 (no secret)


async def _try(breaker: CircuitBreaker, message: Message, *, timeout: timedelta) -> bool:
    name, country = breaker.gateway.name, message.country
    try:
        with tracing.trace_sms(name, country=country):
            await breaker.gateway.send(message, timeout=timeout)
    except NotSentError as error:
        if not isinstance(error, UnsupportedNumberError):  # that says nothing about the gateway
            breaker.record_failure()
        metrics.SMS_FAILED.labels(name, country).inc()
        log.warning("sms gateway failed", gateway=name, country=country, in_a_row=breaker.failures)
        return False
    breaker.record_success()
    return True


def _number_duplicates(gateways: Sequence[Gateway]) -> None:
    """Add a number to repeated names of gateways, so that logs and metrics distinguish them."""
    seen: Counter[str] = Counter()
    for gateway in gateways:
        seen[gateway.name] += 1
        if (number := seen[gateway.name]) > 1:
            gateway.name += f" {number}"
