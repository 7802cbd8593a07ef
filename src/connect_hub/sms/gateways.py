"""Several gateways: which is tried when, and for how long."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import structlog

from connect_hub.observability import metrics, tracing
from connect_hub.sms.gateway import Gateway, UnreachableError
from connect_hub.sms.message import Message, NotSentError

FAILURES = 3  # in a row, until a gateway is left out
LEFT_OUT = timedelta(minutes=1)

log = structlog.get_logger()


@dataclass
class Route:
    """A gateway, and how it has done lately."""

    gateway: Gateway
    failures: int = 0  # since it last took a message
    out_until: float = 0  # by the clock of `monotonic`

    def succeeded(self) -> None:
        """Trust it again."""
        self.failures, self.out_until = 0, 0

    def failed(self) -> None:
        """Leave it out for a while, if it fails time and again."""
        self.failures += 1
        if self.failures >= FAILURES:
            self.out_until = monotonic() + LEFT_OUT.total_seconds()


class Gateways:
    """Real gateways, tried in the order of their URLS, all within one time.

    Each may take an equal share of the time that is left, so that a slow one leaves some to the
    next. One that failed three times in a row is left out for a minute; if all are, all are tried:
    a doubtful gateway is better than none.

    Raises:
        StartupError: a URL is wrong.
    """

    simulated = False

    def __init__(self, urls: Sequence[str], *, within: timedelta) -> None:
        gateways = [Gateway(url, place=place) for place, url in enumerate(urls, start=1)]
        _tell_apart(gateways)
        self._within = within
        self.routes = [Route(gateway) for gateway in gateways]

    def __str__(self) -> str:
        return ", then ".join(route.gateway.name for route in self.routes)

    async def send(self, message: Message) -> str:
        """Send a message by the first gateway that takes it, and name that.

        Raises:
            NotSentError: none did.
        """
        now = monotonic()
        end = now + self._within.total_seconds()
        routes = [route for route in self.routes if route.out_until <= now] or self.routes
        for place, route in enumerate(routes):
            share = (end - monotonic()) / (len(routes) - place)
            if await _took(route, message, within=timedelta(seconds=share)):
                return route.gateway.name
        raise NotSentError


async def _took(route: Route, message: Message, *, within: timedelta) -> bool:
    name, country = route.gateway.name, message.country
    try:
        with tracing.trace_sms(name, country=country):
            await route.gateway.send(message, within=within)
    except NotSentError as error:
        if not isinstance(error, UnreachableError):  # which is the number's fault
            route.failed()
        metrics.SMS_FAILED.labels(name, country).inc()
        log.warning("sms gateway failed", gateway=name, country=country, in_a_row=route.failures)
        return False
    route.succeeded()
    return True


def _tell_apart(gateways: Sequence[Gateway]) -> None:
    seen: Counter[str] = Counter()
    for gateway in gateways:
        seen[gateway.name] += 1
        if (nth := seen[gateway.name]) > 1:
            gateway.name += f" {nth}"
