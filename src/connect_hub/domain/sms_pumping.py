"""SMS pumping: codes sent to a block of numbers for the money, and confirmed by nobody.

With PUMPING_GUARD=block, a suspicious block is throttled and not closed, or a few addresses could
keep a million numbers from signing in. Its numbers share what it still gets, registered or not;
people confirm their codes, so that their block gets more, and so do their networks.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from connect_hub.database.connections import fetch
from connect_hub.domain import rate_limits
from connect_hub.domain.rate_limits import Hit, RateLimit
from connect_hub.domain.refusals import Limit, TooManyRequests
from connect_hub.observability import metrics
from connect_hub.security import networks
from connect_hub.security.keys import Keys
from connect_hub.settings import Rate, Settings

PERIOD = timedelta(hours=1)
_UNCONFIRMED = 100  # codes in a period
_SENT_PER_CONFIRMED = 10

# What a throttled block gets beyond that: codes at once, one more each so often, and of these so
# many for one network until one of them is confirmed from there.
_AT_ONCE = 60
_EACH = timedelta(minutes=1)
_PER_NETWORK = 3

log = structlog.get_logger()


@dataclass(frozen=True)
class Traffic:
    """Codes to one block of numbers within a period."""

    prefix: str  # + country code and 4 digits
    sent: int
    confirmed: int
    alarmed_at: datetime | None
    now: datetime

    @property
    def suspicious(self) -> bool:
        """Whether it looks like pumping."""
        unconfirmed = self.sent - self.confirmed
        return unconfirmed >= _UNCONFIRMED and self.confirmed * _SENT_PER_CONFIRMED < self.sent

    def free_at(self, alarmed_at: datetime) -> datetime:
        """Tell when the latest of the codes may be sent, given when the block was throttled."""
        excess = self.sent - (_UNCONFIRMED + _AT_ONCE + self.confirmed * _SENT_PER_CONFIRMED)
        if excess <= 0:
            return self.now
        return min(alarmed_at + _EACH * excess, alarmed_at + PERIOD)


async def admit(traffic: Traffic, *, address: str, keys: Keys, settings: Settings) -> list[Hit]:
    """Log an alarm once a period; where the guard blocks, throttle the block until a period after.

    Returns:
        What the send has used of the throttle.

    Raises:
        TooManyRequests: the block, or the network within it, has had its codes.
    """
    if settings.pumping_guard == "off" or not (traffic.suspicious or traffic.alarmed_at):
        return []
    alarmed_at = traffic.alarmed_at or await _alarm(traffic)
    if settings.pumping_guard == "alarm":
        return []
    if (free_at := traffic.free_at(alarmed_at)) > traffic.now:
        raise TooManyRequests(retry_at=free_at, now=traffic.now, limit=Limit.SERVER)
    return await rate_limits.consume(network_limit(traffic.prefix, address=address, keys=keys))


def network_limit(prefix: str, *, address: str, keys: Keys) -> RateLimit:
    """Name the codes that a network may ask for in a throttled block of numbers."""
    return RateLimit.of(
        f"{prefix} {networks.widest(address)}",
        "sends to a throttled block",
        rates=(Rate(_PER_NETWORK, PERIOD),),
        kind=Limit.SERVER,
        keys=keys,
    )


_ALARM = """
    UPDATE number_block SET
        alarmed_at = coalesce(alarmed_at, now()), alarms = alarms + (alarmed_at IS NULL)::int
    WHERE prefix = $1
    RETURNING alarmed_at, alarmed_at = now() AS first
"""


async def _alarm(traffic: Traffic) -> datetime:
    (row,) = await fetch(_ALARM, traffic.prefix)
    if row["first"]:
        metrics.PUMPING_ALARMS.inc()
        log.warning(
            "sms pumping suspected",
            block=traffic.prefix,
            sent=traffic.sent,
            confirmed=traffic.confirmed,
        )
    alarmed_at: datetime = row["alarmed_at"]
    return alarmed_at
