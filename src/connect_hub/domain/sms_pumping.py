"""SMS pumping: fraudsters request codes to a block of numbers that earns money from each SMS.

Nobody types these codes, so a block is suspicious if few of its codes are confirmed. With
PUMPING_GUARD=block, a suspicious block is throttled. It is not closed, because then a few addresses
could keep a million numbers from signing in. All numbers of the block share the throttled rate,
registered or not. Each confirmed code raises the block's rate, and resets the limit of the network
that confirmed it.
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

# A block is suspicious if at least _MIN_UNCONFIRMED codes of a period are unconfirmed, and fewer
# than one in _SENT_PER_CONFIRMED is confirmed.
_MIN_UNCONFIRMED = 100
_SENT_PER_CONFIRMED = 10

# A throttled block may send this many more codes at once, and one more per interval. One network
# may request this many of them, until a code is confirmed from it.
_BURST = 60
_SEND_INTERVAL = timedelta(minutes=1)
_MAX_PER_NETWORK = 3

log = structlog.get_logger()


def count_send(prefix: str, period: str, *, source: str = "") -> str:
    """Return the statement that counts a code sent to a block of numbers, and returns its traffic.

    Args:
        prefix: SQL of the block.
        period: SQL of PERIOD.
        source: a FROM clause; without its rows, nothing is counted.
    """
    return f"""
        INSERT INTO number_block AS block (prefix, since, sent, confirmed, alarms)
        SELECT {prefix}, now(), 1, 0, 0 {source}
        ON CONFLICT (prefix) DO UPDATE SET (since, sent, confirmed, alarmed_at) = (
            SELECT since, sent + 1, confirmed, alarmed_at
            FROM (VALUES
                (true, block.since, block.sent, block.confirmed, block.alarmed_at),
                (false, now(), 0, 0, NULL)
            ) AS period (current, since, sent, confirmed, alarmed_at)
            WHERE current = (greatest(block.since, block.alarmed_at) > now() - {period}::interval)
        )
        RETURNING prefix, sent, confirmed, alarmed_at
    """


@dataclass(frozen=True)
class Traffic:
    """The codes sent to one block of numbers within a period."""

    prefix: str  # + country code and 4 digits
    sent: int
    confirmed: int
    alarmed_at: datetime | None
    now: datetime

    @property
    def is_suspicious(self) -> bool:
        """Whether the traffic looks like SMS pumping."""
        unconfirmed = self.sent - self.confirmed
        return unconfirmed >= _MIN_UNCONFIRMED and self.confirmed * _SENT_PER_CONFIRMED < self.sent

    def next_send_at(self, alarmed_at: datetime) -> datetime:
        """Return when a block that was alarmed at this time may send its latest code."""
        allowed = _MIN_UNCONFIRMED + _BURST + self.confirmed * _SENT_PER_CONFIRMED
        excess = self.sent - allowed
        if excess <= 0:
            return self.now
        return min(alarmed_at + _SEND_INTERVAL * excess, alarmed_at + PERIOD)


async def check(traffic: Traffic, *, address: str, keys: Keys, settings: Settings) -> list[Hit]:
    """Log suspicious traffic once per period, and throttle it if the guard blocks.

    Returns:
        The hits of this send on the throttle.

    Raises:
        TooManyRequests: the throttled block, or the network in it, has used up its rate.
    """
    if settings.pumping_guard == "off" or not (traffic.is_suspicious or traffic.alarmed_at):
        return []
    alarmed_at = traffic.alarmed_at or await _alarm(traffic)
    if settings.pumping_guard == "alarm":
        return []
    if (next_send_at := traffic.next_send_at(alarmed_at)) > traffic.now:
        raise TooManyRequests(retry_at=next_send_at, now=traffic.now, limit=Limit.SERVER)
    return await rate_limits.consume(network_limit(traffic.prefix, address=address, keys=keys))


def network_limit(prefix: str, *, address: str, keys: Keys) -> RateLimit:
    """Make the limit of the codes that one network may request in a throttled block."""
    return RateLimit.of(
        f"{prefix} {networks.widest(address)}",
        "sends to a throttled block",
        rates=(Rate(_MAX_PER_NETWORK, PERIOD),),
        kind=Limit.SERVER,
        keys=keys,
    )


_ALARM = """
    UPDATE number_block SET
        alarmed_at = coalesce(alarmed_at, now()), alarms = alarms + (alarmed_at IS NULL)::int
    WHERE prefix = $1
    RETURNING alarmed_at, alarmed_at = now() AS is_first
"""


async def _alarm(traffic: Traffic) -> datetime:
    (row,) = await fetch(_ALARM, traffic.prefix)
    if row["is_first"]:
        metrics.PUMPING_ALARMS.inc()
        log.warning(
            "sms pumping suspected",
            block=traffic.prefix,
            sent=traffic.sent,
            confirmed=traffic.confirmed,
        )
    alarmed_at: datetime = row["alarmed_at"]
    return alarmed_at
