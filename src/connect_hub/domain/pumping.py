"""SMS pumping: codes sent to a block of numbers for the money, and confirmed by nobody."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import structlog

from connect_hub import metrics
from connect_hub.domain.refusals import Limit, TooManyRequests
from connect_hub.statements import fetch

PERIOD = timedelta(hours=1)
_UNCONFIRMED = 100  # codes in a period
_CONFIRMED_OF_SENT = 1 / 10

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
        return unconfirmed >= _UNCONFIRMED and self.confirmed < self.sent * _CONFIRMED_OF_SENT


_ALARM = """
    UPDATE number_block SET
        alarmed_at = coalesce(alarmed_at, now()), alarms = alarms + (alarmed_at IS NULL)::int
    WHERE prefix = $1
    RETURNING alarmed_at, alarmed_at = now() AS first
"""


async def check(traffic: Traffic, *, guard: Literal["off", "alarm", "block"]) -> None:
    """Log an alarm once a period; where the guard blocks, refuse the block for a period.

    Raises:
        TooManyRequests: until a period after the alarm.
    """
    if guard == "off" or not (traffic.suspicious or traffic.alarmed_at):
        return
    alarmed_at = traffic.alarmed_at
    if not alarmed_at:
        (row,) = await fetch(_ALARM, traffic.prefix)
        alarmed_at = row["alarmed_at"]
        if row["first"]:
            metrics.PUMPING_ALARMS.inc()
            log.warning(
                "sms pumping suspected",
                block=traffic.prefix,
                sent=traffic.sent,
                confirmed=traffic.confirmed,
            )
    if guard == "block":
        raise TooManyRequests(retry_at=alarmed_at + PERIOD, now=traffic.now, limit=Limit.SERVER)
