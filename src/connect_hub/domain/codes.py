"""Sign-in codes: sent, guessed and spent, each in one statement."""

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from secrets import token_bytes
from string import digits as decimal_digits
from uuid import uuid4

from connect_hub.database.connections import Row, fetch, model_of
from connect_hub.database.models import Client
from connect_hub.domain import rate_limits, sms_pumping
from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.rate_limits import Hit, RateLimit
from connect_hub.domain.refusals import InvalidCode, Limit, LiveCode, TooManyRequests
from connect_hub.domain.user_input import MAX_LENGTH, compact
from connect_hub.observability import metrics
from connect_hub.security.keys import Keys
from connect_hub.settings import LONG_CODE, Settings

# A phone whose guesses are spent is not locked, or any stranger could lock out its owner: its next
# codes are so long that many guesses are worth nothing.
GUESSES_PER_LONG_CODE = 100


@dataclass(frozen=True, repr=False)
class Code:
    """A code to be sent, and the traffic of its block of numbers."""

    phone: Phone
    nonce: bytes
    digits: str
    expires_at: datetime
    resend_at: datetime
    traffic: sms_pumping.Traffic


@dataclass(frozen=True, repr=False)
class Confirmed:
    """A code guessed right and not yet spent."""

    phone: Phone
    nonce: bytes
    gateway: str | None  # that sent it
    hits: list[Hit]  # those of a wrong guess, until it is released or spent
    throttled: Hit  # of its block of numbers, by this network, until it is spent


# A live code is sent again, any other is replaced; both wait for resend_at.
_NEXT = f"""
    WITH code AS (
        INSERT INTO sign_in_code AS code
            (phone, key_id, nonce, length, expires_at, resend_at, sends, guesses)
        SELECT $1, $2, $3, CASE WHEN allowance_free_at(uses, $10, $11) > now()
                                THEN {LONG_CODE} ELSE $4 END,
               now() + $5, now() + ($6::interval[])[1], 1, 0
        FROM (SELECT) AS once LEFT JOIN allowance ON key = $9
        ON CONFLICT (phone) DO UPDATE SET
            (key_id, nonce, length, expires_at, resend_at, sends, guesses) = (
                SELECT key_id, nonce, length, expires_at,
                       clock_timestamp() + ($6::interval[])[least(sends + 1, cardinality($6))],
                       sends + 1, guesses
                FROM (VALUES
                    (true, code.key_id, code.nonce, code.length, code.expires_at,
                     code.sends, code.guesses),
                    (false, excluded.key_id, excluded.nonce, excluded.length, excluded.expires_at,
                     0, 0)
                ) AS next (live, key_id, nonce, length, expires_at, sends, guesses)
                WHERE live = (
                    code.expires_at > now() AND code.length >= excluded.length
                    AND code.guesses < CASE code.length WHEN {LONG_CODE}
                                       THEN {GUESSES_PER_LONG_CODE} ELSE $7 END
                    AND code.key_id = ANY ($8)
                )
            )
        WHERE code.resend_at <= clock_timestamp()
        RETURNING key_id, nonce, length, expires_at, resend_at
    ), traffic AS (
        INSERT INTO number_block AS block (prefix, since, sent, confirmed, alarms)
        SELECT $12, now(), 1, 0, 0 FROM code
        ON CONFLICT (prefix) DO UPDATE SET (since, sent, confirmed, alarmed_at) = (
            SELECT since, sent + 1, confirmed, alarmed_at
            FROM (VALUES
                (true, block.since, block.sent, block.confirmed, block.alarmed_at),
                (false, now(), 0, 0, NULL)
            ) AS period (current, since, sent, confirmed, alarmed_at)
            WHERE current = (greatest(block.since, block.alarmed_at) > now() - $13::interval)
        )
        RETURNING prefix, sent, confirmed, alarmed_at
    )
    SELECT *, clock_timestamp() AS now FROM code, traffic
"""
# The code of a phone under attack is dead where it is short: see `confirm`.
_WAIT = f"""
    SELECT clock_timestamp() AS now, coalesce(resend_at, clock_timestamp()) AS resend_at, length,
           expires_at,
           coalesce(expires_at > clock_timestamp() AND key_id = ANY ($2)
           AND guesses < CASE length WHEN {LONG_CODE} THEN {GUESSES_PER_LONG_CODE} ELSE $3 END
           AND (length = {LONG_CODE} OR coalesce(
               (SELECT allowance_free_at(uses, $5, $6) FROM allowance WHERE key = $4),
               '-infinity') <= clock_timestamp()), false) AS live
    FROM (SELECT) AS once LEFT JOIN sign_in_code ON phone = $1
"""


async def next_code(phone: Phone, *, keys: Keys, settings: Settings) -> Code:
    """Take the live code of a phone once more, or a new one; a send of it is counted.

    Raises:
        TooManyRequests: until the wait since the last send is over.
    """
    guesses = _phone_guess_limit(phone, keys=keys, settings=settings)
    fixed = settings.test_code(phone.e164)
    rows = await fetch(
        _NEXT,
        phone.e164,
        keys.code_key_ids[0],
        token_bytes(16),
        len(fixed) if fixed else settings.code_length,
        settings.code_lifetime,
        settings.resend_after,
        settings.guesses_per_code,
        keys.code_key_ids,
        guesses.key,
        [rate.count for rate in guesses.rates],
        [rate.period for rate in guesses.rates],
        phone.block,
        sms_pumping.PERIOD,
    )
    if not rows:
        raise await _wait(phone, guesses, keys=keys, settings=settings)
    row = rows[0]
    return Code(
        phone=phone,
        nonce=row["nonce"],
        digits=_digits(phone, row, keys=keys, settings=settings),
        expires_at=row["expires_at"],
        resend_at=row["resend_at"],
        traffic=sms_pumping.Traffic(
            row["prefix"], row["sent"], row["confirmed"], row["alarmed_at"], row["now"]
        ),
    )


async def _wait(
    phone: Phone, guesses: RateLimit, *, keys: Keys, settings: Settings
) -> TooManyRequests:
    (row,) = await fetch(
        _WAIT,
        phone.e164,
        keys.code_key_ids,
        settings.guesses_per_code,
        guesses.key,
        [rate.count for rate in guesses.rates],
        [rate.period for rate in guesses.rates],
    )
    return TooManyRequests(
        retry_at=row["resend_at"],
        now=row["now"],
        limit=Limit.RESEND_WAIT,
        code=LiveCode(row["length"], row["expires_at"]) if row["live"] else None,
    )


_SENT = """
    WITH sent AS (UPDATE sign_in_code SET gateway = $3 WHERE phone = $1 AND nonce = $2)
    SELECT clock_timestamp() AS now
"""


async def sent(code: Code, *, gateway: str) -> datetime:
    """Remember which gateway took a code, and tell the database's time: sending took some."""
    metrics.SMS_SENT.labels(gateway, code.phone.country).inc()
    (row,) = await fetch(_SENT, code.phone.e164, code.nonce, gateway)
    now: datetime = row["now"]
    return now


_NOT_SENT = """
    WITH deleted AS (
        DELETE FROM sign_in_code
        WHERE phone = $1 AND nonce = $2 AND resend_at = $3 AND sends = 1 AND NOT $5
        RETURNING phone
    ), kept AS (
        UPDATE sign_in_code SET resend_at = now(), sends = sends - 1
        WHERE phone = $1 AND nonce = $2 AND resend_at = $3 AND (sends > 1 OR $5)
        RETURNING phone
    )
    UPDATE number_block SET sent = sent - 1
    WHERE prefix = $4 AND sent > 0 AND EXISTS (TABLE deleted UNION ALL TABLE kept)
"""


async def not_sent(code: Code, *, tried: bool) -> None:
    """Undo a send: the code may be asked for again at once.

    A gateway that was tried may have sent it although it failed. So the code stays alive then;
    otherwise a code that was never sent is deleted.
    """
    phone = code.phone
    await fetch(_NOT_SENT, phone.e164, code.nonce, code.resend_at, phone.block, tried)


_COUNT_GUESS = f"""
    UPDATE sign_in_code SET guesses = guesses + 1
    WHERE phone = $1 AND expires_at > now() AND key_id = ANY ($3)
    AND guesses < CASE length WHEN {LONG_CODE} THEN {GUESSES_PER_LONG_CODE} ELSE $2 END
    RETURNING key_id, nonce, length, guesses, gateway
"""


async def confirm(
    phone: Phone, typed: str, *, address: str, keys: Keys, settings: Settings
) -> Confirmed:
    """Compare what was typed with the live code; the guess is counted before.

    Raises:
        InvalidCode: it is wrong, or no code is alive.
        TooManyRequests: this address has guessed wrong too often.
    """
    hits = await rate_limits.consume(
        *rate_limits.of_networks(
            address,
            "guesses of an address",
            rates=settings.guesses_per_address,
            kind=Limit.GUESSES,
            keys=keys,
        )
    )
    rows = await fetch(_COUNT_GUESS, phone.e164, settings.guesses_per_code, keys.code_key_ids)
    if not rows:
        metrics.GUESSES.labels("late").inc()
        raise InvalidCode(attempts_left=0)
    row = rows[0]
    is_long = row["length"] == LONG_CODE
    of_phone = _phone_guess_limit(phone, keys=keys, settings=settings)
    if not is_long:
        try:
            hits += await rate_limits.consume(of_phone)
        except TooManyRequests:  # this code is dead: the next one is long
            metrics.GUESSES.labels("late").inc()
            raise InvalidCode(attempts_left=0) from None
    digits = _digits(phone, row, keys=keys, settings=settings)
    if compare_digest(_read(typed).encode(), digits.encode()):
        metrics.GUESSES.labels("right").inc()
        throttled = Hit(
            sms_pumping.network_limit(phone.block, address=address, keys=keys).key, None
        )
        return Confirmed(phone, row["nonce"], row["gateway"], hits, throttled)
    metrics.GUESSES.labels("wrong").inc()
    if is_long:
        raise InvalidCode(attempts_left=GUESSES_PER_LONG_CODE - row["guesses"])
    left = min(settings.guesses_per_code - row["guesses"], await rate_limits.remaining(of_phone))
    raise InvalidCode(attempts_left=left)


_RELEASE = """
    UPDATE sign_in_code SET guesses = guesses - 1 WHERE phone = $1 AND nonce = $2 RETURNING phone
"""


async def release(confirmed: Confirmed) -> None:
    """Leave a confirmed code alive, as if it had not been guessed.

    Raises:
        InvalidCode: it is not alive any more.
    """
    await rate_limits.refund(confirmed.hits)
    if not await fetch(_RELEASE, confirmed.phone.e164, confirmed.nonce):
        raise InvalidCode(attempts_left=0)


async def forget(phone: str | None) -> None:
    """Let the code of a phone be none."""
    await fetch("DELETE FROM sign_in_code WHERE phone = $1", phone)


_SPEND = """
    WITH spent AS (DELETE FROM sign_in_code WHERE phone = $1 AND nonce = $2 RETURNING phone),
    counted AS (
        UPDATE number_block SET confirmed = confirmed + 1
        WHERE prefix = $3 AND EXISTS (SELECT FROM spent)
    )
    SELECT FROM spent
"""
# Whether the phone is registered is asked first: PostgreSQL would log a violation, phone and all.
_SPEND_ON_CLIENT = """
    WITH spent AS (
        DELETE FROM sign_in_code WHERE phone = $1 AND nonce = $2
        AND NOT EXISTS (SELECT FROM client WHERE phone = $1)
        RETURNING phone
    ), counted AS (
        UPDATE number_block SET confirmed = confirmed + 1
        WHERE prefix = $3 AND EXISTS (SELECT FROM spent)
    )
    INSERT INTO client (id, phone, invitation_code, created_at)
    SELECT $4, phone, $5, now() FROM spent
    RETURNING *
"""

# The client's own phone does not count as registered, so the move to it moves nothing.
_SPEND_ON_MOVE = """
    WITH spent AS (
        DELETE FROM sign_in_code WHERE phone = $1 AND nonce = $2
        AND NOT EXISTS (SELECT FROM client WHERE phone = $1 AND id <> $4)
        RETURNING phone
    ), counted AS (
        UPDATE number_block SET confirmed = confirmed + 1
        WHERE prefix = $3 AND EXISTS (SELECT FROM spent)
    )
    UPDATE client SET phone = spent.phone FROM spent WHERE id = $4 AND client.phone = $5
    RETURNING id
"""


async def spend(confirmed: Confirmed) -> None:
    """Take a confirmed code out of the world; only one of many can.

    Raises:
        InvalidCode: another was first.
    """
    if not await _spend(_SPEND, confirmed):
        raise InvalidCode(attempts_left=0)


async def spend_on_client(confirmed: Confirmed, *, invitation_code: str) -> Client | None:
    """Spend a confirmed code and create the phone's client: both, or neither and return None.

    Raises:
        UniqueViolationError: the invitation code is taken; nothing is done.
    """
    rows = await _spend(_SPEND_ON_CLIENT, confirmed, uuid4(), invitation_code)
    return model_of(Client, rows[0]) if rows else None


async def spend_on_move(confirmed: Confirmed, client: Client) -> bool:
    """Spend a confirmed code and move a client to the phone.

    Returns:
        False: nothing is done, since the phone is another's or the client has moved.
    """
    return bool(await _spend(_SPEND_ON_MOVE, confirmed, client.id, client.phone))


async def _spend(sql: str, confirmed: Confirmed, *values: object) -> list[Row]:
    phone = confirmed.phone
    rows = await fetch(sql, phone.e164, confirmed.nonce, phone.block, *values)
    if rows:
        metrics.SMS_CONFIRMED.labels(confirmed.gateway or "unknown", phone.country).inc()
        await rate_limits.refund([*confirmed.hits, confirmed.throttled])
    return rows


def _phone_guess_limit(phone: Phone, *, keys: Keys, settings: Settings) -> RateLimit:
    return RateLimit.of(
        phone.e164,
        "guesses of a phone",
        rates=settings.guesses_per_phone,
        kind=Limit.GUESSES,
        keys=keys,
    )


def _digits(phone: Phone, row: Row, *, keys: Keys, settings: Settings) -> str:
    """Compute a code; a test phone has its own, unless it is under attack and that is short.

    The computation is not skipped for a test phone, or its answers would come sooner.
    """
    length = row["length"]
    computed = keys.code(phone.e164, key_id=row["key_id"], nonce=row["nonce"], length=length)
    fixed = settings.test_code(phone.e164)
    return fixed if fixed and len(fixed) == length else computed


def _read(typed: str) -> str:
    """Read digits of any script; "?" stands for what cannot be part of a code.

    What cannot be a code at all is a guess too: if it were free, it would tell for free whether
    a code is live.
    """
    if len(typed) > MAX_LENGTH:
        return "?"
    return "".join(sign if sign in decimal_digits else "?" for sign in compact(typed))
