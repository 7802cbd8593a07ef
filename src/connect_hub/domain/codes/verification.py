"""The comparison of a typed code with the live one, and what a wrong guess costs.

A wrong guess counts against three limits: that of the networks it came from (the guesser has to
wait), that of the code (the phone needs a new one) and that of the phone (its next codes are long;
see `guess_limits`). Each guess is counted before the comparison, so that concurrent guesses are all
counted. A right guess is refunded when its code is consumed or released.
"""

from dataclasses import dataclass
from hmac import compare_digest

from connect_hub.database.connections import Row, fetch
from connect_hub.domain import rate_limits, sms_pumping
from connect_hub.domain.codes import guess_limits, requests
from connect_hub.domain.codes.digits import expected_digits, typed_digits
from connect_hub.domain.codes.guess_limits import GUESSES_PER_LONG_CODE
from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.rate_limits import Hit, RateLimit
from connect_hub.domain.refusals import InvalidCode, Limit, TooManyRequests
from connect_hub.observability import metrics
from connect_hub.security.keys import Keys
from connect_hub.settings import LONG_CODE, Settings


@dataclass(frozen=True, repr=False)
class VerifiedCode:
    """A code that was typed right and is not consumed yet."""

    phone: Phone
    key: str  # of its row
    nonce: bytes
    gateway: str | None  # the SMS gateway that sent it
    hits: list[Hit]  # of the guess, to be refunded when the code is released or consumed
    throttle_hit: Hit  # of this network in the phone's block of numbers; refunded on consumption


async def verify(  # noqa: PLR0913 (a class for these arguments would be one more concept)
    phone: Phone,
    typed: str,
    *,
    request_id: str | None,
    address: str,
    keys: Keys,
    settings: Settings,
) -> VerifiedCode:
    """Compare what was typed with the live code of a request.

    Args:
        phone: that the code was sent to.
        typed: the code as typed.
        request_id: as the client sent it; None means the shared code of the phone.
        address: the network of the request.
        keys: compute the expected code.
        settings: the limits.

    Raises:
        InvalidCode: the code is wrong, or there is no live code.
        TooManyRequests: this network has guessed wrong too often.
    """
    hits = await _consume_network_guess(address, keys=keys, settings=settings)
    key = requests.key_of(phone, request_id)
    code = await _count_guess(key, keys=keys, settings=settings)
    phone_limit = guess_limits.phone_limit(phone, keys=keys, settings=settings)
    # Guesses at long codes do not count against the phone, and a bound code has reserved its own.
    if code["length"] != LONG_CODE and code["guess_hits"] is None:
        hits += await _consume_phone_guess(phone_limit)
    expected = expected_digits(phone, code, keys=keys, settings=settings)
    if not compare_digest(typed_digits(typed).encode(), expected.encode()):
        metrics.GUESSES.labels("wrong").inc()
        raise InvalidCode(attempts_left=await _attempts_left(code, phone_limit, settings=settings))
    metrics.GUESSES.labels("right").inc()
    throttle = sms_pumping.network_limit(phone.block, address=address, keys=keys)
    return VerifiedCode(phone, key, code["nonce"], code["gateway"], hits, Hit(throttle.key, None))


async def _consume_network_guess(address: str, *, keys: Keys, settings: Settings) -> list[Hit]:
    limits = rate_limits.of_networks(
        address,
        "guesses of an address",
        rates=settings.guesses_per_address,
        kind=Limit.GUESSES,
        keys=keys,
    )
    return await rate_limits.consume(*limits)


_COUNT_GUESS = f"""
    UPDATE sign_in_code AS code SET guesses = guesses + 1
    WHERE phone = $1 AND {guess_limits.is_live("code", per_code="$2", key_ids="$3")}
    RETURNING key_id, nonce, length, guesses, gateway, guess_hits
"""


async def _count_guess(key: str, *, keys: Keys, settings: Settings) -> Row:
    rows = await fetch(_COUNT_GUESS, key, settings.guesses_per_code, keys.code_key_ids)
    if not rows:
        raise _no_live_code()
    return rows[0]


async def _consume_phone_guess(phone_limit: RateLimit) -> list[Hit]:
    try:
        return await rate_limits.consume(phone_limit)
    except TooManyRequests:  # short codes do not work any more: the phone's next one is long
        raise _no_live_code() from None


def _no_live_code() -> InvalidCode:
    metrics.GUESSES.labels("late").inc()
    return InvalidCode(attempts_left=0)


async def _attempts_left(code: Row, phone_limit: RateLimit, *, settings: Settings) -> int:
    guesses: int = code["guesses"]
    if code["length"] == LONG_CODE:
        return GUESSES_PER_LONG_CODE - guesses
    if code["guess_hits"] is not None:
        return len(code["guess_hits"]) - guesses
    return min(settings.guesses_per_code - guesses, await rate_limits.remaining(phone_limit))


_RELEASE = """
    UPDATE sign_in_code SET guesses = guesses - 1 WHERE phone = $1 AND nonce = $2 RETURNING phone
"""


async def release(verified: VerifiedCode) -> None:
    """Leave a verified code valid, and refund its guess.

    Raises:
        InvalidCode: the code was consumed or replaced in the meantime.
    """
    await rate_limits.refund(verified.hits)
    if not await fetch(_RELEASE, verified.key, verified.nonce):
        raise InvalidCode(attempts_left=0)
