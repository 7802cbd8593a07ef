"""How many wrong guesses a code accepts, and a phone before its codes become long.

A short code that is bound takes its guesses from the phone's limit in advance: strangers cannot
spend them, and many codes at once have no more guesses than the phone. A shared code takes each
guess when it is made.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import chain

from connect_hub.database.connections import Row
from connect_hub.domain import rate_limits
from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.rate_limits import Hit, RateLimit
from connect_hub.domain.refusals import Limit
from connect_hub.security.keys import Keys
from connect_hub.settings import LONG_CODE, Settings

# A phone that has used up its guesses is not locked, because then any stranger could lock out its
# owner. Instead its next codes are so long that even many guesses do not help.
GUESSES_PER_LONG_CODE = 100


def is_live(code: str, *, per_code: str, key_ids: str) -> str:
    """Return the SQL of whether a code still accepts guesses.

    Args:
        code: name of the row.
        per_code: SQL of GUESSES_PER_CODE.
        key_ids: SQL of the ids of all keys in SECRET_KEY.
    """
    return f"""(
        {code}.expires_at > now() AND {code}.key_id = ANY ({key_ids})
        AND {code}.guesses < CASE {code}.length WHEN {LONG_CODE} THEN {GUESSES_PER_LONG_CODE}
            ELSE coalesce(cardinality({code}.guess_hits), {per_code}) END
    )"""


def phone_limit(phone: Phone, *, keys: Keys, settings: Settings) -> RateLimit:
    """Make the limit of wrong guesses at the short codes of one phone."""
    return RateLimit.of(
        phone.e164,
        "guesses of a phone",
        rates=settings.guesses_per_phone,
        kind=Limit.GUESSES,
        keys=keys,
    )


def reserved_hits(limit: bytes | None, times: Iterable[datetime] | None) -> list[Hit]:
    """Return the hits that a bound code has reserved, from columns of its row."""
    return [Hit(limit, at) for at in times or ()] if limit else []


async def refund_unused(codes: Iterable[Row]) -> None:
    """Refund the hits that codes have reserved and no guess has used.

    Args:
        codes: rows with the columns `guess_limit` and `unused`.
    """
    hits = [reserved_hits(code["guess_limit"], code["unused"]) for code in codes]
    await rate_limits.refund(chain.from_iterable(hits))
