"""Which code is sent to a phone, and how long the phone waits for the next one."""

from dataclasses import dataclass
from datetime import datetime
from secrets import token_bytes

from connect_hub.database.connections import fetch
from connect_hub.domain import sms_pumping
from connect_hub.domain.codes import guess_limits
from connect_hub.domain.codes.digits import expected_digits
from connect_hub.domain.codes.guess_limits import GUESSES_PER_LONG_CODE
from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.rate_limits import RateLimit
from connect_hub.domain.refusals import Limit, LiveCode, TooManyRequests
from connect_hub.observability import metrics
from connect_hub.security.keys import Keys
from connect_hub.settings import LONG_CODE, Settings


@dataclass(frozen=True, repr=False)
class IssuedCode:
    """A code that is about to be sent."""

    phone: Phone
    nonce: bytes
    digits: str
    expires_at: datetime
    resend_at: datetime  # when the phone may request a code again
    traffic: sms_pumping.Traffic  # of the phone's block of numbers, with this send


# A live code is sent again; a code that is expired, guessed too often, too short or of a former
# key is replaced. Neither happens before resend_at.
_ISSUE = f"""
    WITH code AS (
        INSERT INTO sign_in_code AS code
            (phone, key_id, nonce, length, expires_at, resend_at, sends, guesses)
        SELECT $1, $2, $3, CASE WHEN allowance_free_at(uses, $10, $11) > now()
                                THEN {LONG_CODE} ELSE $4 END,
               now() + $5, now() + ($6::interval[])[1], 1, 0
        FROM (SELECT) AS one_row LEFT JOIN allowance ON key = $9
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


async def issue(phone: Phone, *, keys: Keys, settings: Settings) -> IssuedCode:
    """Count a send of the phone's live code, or of a new code if it has none.

    Raises:
        TooManyRequests: the wait since the last send is not over.
    """
    limit = guess_limits.phone_limit(phone, keys=keys, settings=settings)
    fixed = settings.test_code(phone.e164)
    rows = await fetch(
        _ISSUE,
        phone.e164,
        keys.code_key_ids[0],
        token_bytes(16),
        len(fixed) if fixed else settings.code_length,
        settings.code_lifetime,
        settings.resend_after,
        settings.guesses_per_code,
        keys.code_key_ids,
        limit.key,
        limit.counts,
        limit.periods,
        phone.block,
        sms_pumping.PERIOD,
    )
    if not rows:
        raise await _resend_wait(phone, limit, keys=keys, settings=settings)
    row = rows[0]
    return IssuedCode(
        phone=phone,
        nonce=row["nonce"],
        digits=expected_digits(phone, row, keys=keys, settings=settings),
        expires_at=row["expires_at"],
        resend_at=row["resend_at"],
        traffic=sms_pumping.Traffic(
            row["prefix"], row["sent"], row["confirmed"], row["alarmed_at"], row["now"]
        ),
    )


# A short code of a phone that has used up its guesses does not work: see `verification`.
_RESEND_WAIT = f"""
    SELECT clock_timestamp() AS now, coalesce(resend_at, clock_timestamp()) AS resend_at, length,
           expires_at,
           coalesce(expires_at > clock_timestamp() AND key_id = ANY ($2)
           AND guesses < CASE length WHEN {LONG_CODE} THEN {GUESSES_PER_LONG_CODE} ELSE $3 END
           AND (length = {LONG_CODE} OR coalesce(
               (SELECT allowance_free_at(uses, $5, $6) FROM allowance WHERE key = $4),
               '-infinity') <= clock_timestamp()), false) AS live
    FROM (SELECT) AS one_row LEFT JOIN sign_in_code ON phone = $1
"""


async def _resend_wait(
    phone: Phone, guess_limit: RateLimit, *, keys: Keys, settings: Settings
) -> TooManyRequests:
    (row,) = await fetch(
        _RESEND_WAIT,
        phone.e164,
        keys.code_key_ids,
        settings.guesses_per_code,
        guess_limit.key,
        guess_limit.counts,
        guess_limit.periods,
    )
    return TooManyRequests(
        retry_at=row["resend_at"],
        now=row["now"],
        limit=Limit.RESEND_WAIT,
        code=LiveCode(row["length"], row["expires_at"]) if row["live"] else None,
    )


_RECORD_SENT = """
    WITH sent AS (UPDATE sign_in_code SET gateway = $3 WHERE phone = $1 AND nonce = $2)
    SELECT clock_timestamp() AS now
"""


async def record_sent(code: IssuedCode, *, gateway: str) -> datetime:
    """Record which gateway accepted a code, and return the database's time after sending."""
    metrics.SMS_SENT.labels(gateway, code.phone.country).inc()
    (row,) = await fetch(_RECORD_SENT, code.phone.e164, code.nonce, gateway)
    now: datetime = row["now"]
    return now


_CANCEL_SEND = """
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


async def cancel_send(code: IssuedCode, *, tried: bool) -> None:
    """Undo the count of a send, so that the phone may request a code again at once.

    Args:
        code: the code that was not sent.
        tried: whether a gateway was asked. It may have sent the code although it reported a
            failure, so the code stays valid. Otherwise a code that was never sent is deleted.
    """
    phone = code.phone
    await fetch(_CANCEL_SEND, phone.e164, code.nonce, code.resend_at, phone.block, tried)
