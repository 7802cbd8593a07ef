"""The rate limits of sending codes: per phone, per network and in total."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from connect_hub.domain import rate_limits
from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.rate_limits import Hit, RateLimit
from connect_hub.domain.refusals import Limit
from connect_hub.security import networks
from connect_hub.security.keys import Keys
from connect_hub.settings import Rate, Settings

DAY = timedelta(days=1)


@dataclass(frozen=True)
class SendHits:
    """The hits of one send; those of the phone are refunded if no gateway accepts the message."""

    of_phone: list[Hit]
    others: list[Hit]

    @property
    def all(self) -> list[Hit]:
        """Every hit."""
        return self.of_phone + self.others


async def consume(
    phone: Phone, *more: RateLimit, address: str, keys: Keys, settings: Settings
) -> SendHits:
    """Count a send on every limit, or on none of them if one is exhausted.

    Args:
        phone: that the code is sent to.
        more: limits beyond those of sending.
        address: the network of the request.
        keys: for the keyed hashes.
        settings: the rates.

    Raises:
        TooManyRequests: a limit is exhausted.
    """
    of_phone = _phone_limits(phone, address=address, keys=keys, settings=settings)
    others = _other_limits(address, keys=keys, settings=settings)
    hits = await rate_limits.consume(*of_phone, *others, *more)
    phone_keys = {limit.key for limit in of_phone}
    return SendHits(
        of_phone=[hit for hit in hits if hit.key in phone_keys],
        others=[hit for hit in hits if hit.key not in phone_keys],
    )


def _phone_limits(phone: Phone, *, address: str, keys: Keys, settings: Settings) -> list[RateLimit]:
    # Only the widest network is limited: a narrower one would need an even lower limit.
    phone_and_network = f"{phone.e164} {networks.widest(address)}"
    return [
        RateLimit.of(
            phone.e164,
            "sends to a phone",
            rates=settings.sends_per_phone,
            kind=Limit.SENDS,
            keys=keys,
        ),
        RateLimit.of(
            phone_and_network,
            "sends to a phone from a network",
            rates=settings.sends_per_phone_and_address,
            kind=Limit.SENDS,
            keys=keys,
        ),
    ]


def _other_limits(address: str, *, keys: Keys, settings: Settings) -> list[RateLimit]:
    return [
        *rate_limits.of_networks(
            address,
            "sends of an address",
            rates=settings.sends_per_address,
            kind=Limit.NETWORK,
            keys=keys,
        ),
        RateLimit.of("", "sends", rates=settings.sends_total or (), kind=Limit.SERVER, keys=keys),
    ]


def max_hits(rates: tuple[Rate, ...], *, period: timedelta) -> int | None:
    """Return how many hits the rates allow in any such period; None means without limit."""
    return min((rate.count * ceil(period / rate.period) for rate in rates), default=None)
