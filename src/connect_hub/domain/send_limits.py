"""What each code that is sent counts against: its phone, the networks that asked, and the whole."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from connect_hub.domain import rate_limits
from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.rate_limits import Allowance, Use
from connect_hub.domain.refusals import Limit
from connect_hub.security import networks
from connect_hub.security.keys import Keys
from connect_hub.settings import Rate, Settings

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Counted:
    """The uses of one send; those of the phone are given back where no gateway takes it."""

    of_phone: list[Use]
    others: list[Use]

    @property
    def all(self) -> list[Use]:
        """Every use."""
        return self.of_phone + self.others


async def count(to: Phone, *, address: str, keys: Keys, settings: Settings) -> Counted:
    """Count a send by every limit, or by none if one is used up.

    Raises:
        TooManyRequests: until the time when all are free again.
    """
    of_phone = _of_phone(to, address=address, keys=keys, settings=settings)
    others = _others(address, keys=keys, settings=settings)
    uses = await rate_limits.spend(*of_phone, *others)
    keys_of_phone = {allowance.key for allowance in of_phone}
    return Counted(
        of_phone=[use for use in uses if use.key in keys_of_phone],
        others=[use for use in uses if use.key not in keys_of_phone],
    )


def _of_phone(to: Phone, *, address: str, keys: Keys, settings: Settings) -> list[Allowance]:
    # Of the networks only the widest: a narrower one would need a limit that is lower still.
    of_one_network = f"{to.e164} {networks.widest(address)}"
    rates = settings.sends_per_phone, settings.sends_per_phone_and_address
    return [
        Allowance.of(to.e164, "sends to a phone", rates=rates[0], limit=Limit.SENDS, keys=keys),
        Allowance.of(
            of_one_network,
            "sends to a phone from a network",
            rates=rates[1],
            limit=Limit.SENDS,
            keys=keys,
        ),
    ]


def _others(address: str, *, keys: Keys, settings: Settings) -> list[Allowance]:
    return [
        *rate_limits.of_networks(
            address,
            "sends of an address",
            rates=settings.sends_per_address,
            limit=Limit.NETWORK,
            keys=keys,
        ),
        Allowance.of("", "sends", rates=settings.sends_total or (), limit=Limit.SERVER, keys=keys),
    ]


def most_in(period: timedelta, rates: tuple[Rate, ...]) -> int | None:
    """Tell how many uses any such period can hold; None: without limit."""
    return min((rate.count * ceil(period / rate.period) for rate in rates), default=None)
