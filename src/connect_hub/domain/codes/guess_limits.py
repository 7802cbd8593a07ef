"""How many wrong guesses a phone may have before its codes become long."""

from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.rate_limits import RateLimit
from connect_hub.domain.refusals import Limit
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings

# A phone that has used up its guesses is not locked, because then any stranger could lock out its
# owner. Instead its next codes are so long that even many guesses do not help.
GUESSES_PER_LONG_CODE = 100


def phone_limit(phone: Phone, *, keys: Keys, settings: Settings) -> RateLimit:
    """Make the limit of wrong guesses at the short codes of one phone."""
    return RateLimit.of(
        phone.e164,
        "guesses of a phone",
        rates=settings.guesses_per_phone,
        kind=Limit.GUESSES,
        keys=keys,
    )
