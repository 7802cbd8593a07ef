"""A code that is bound to its request: only the holder of the request's id can guess at it.

Any number of them live at once, and none ends another: see `guess_limits`.
"""

from secrets import token_bytes

from connect_hub.database.connections import Row, fetch
from connect_hub.domain import sms_pumping
from connect_hub.domain.codes import guess_limits
from connect_hub.domain.phone_numbers import Phone
from connect_hub.security.keys import Keys
from connect_hub.settings import LONG_CODE, Settings

# The block of numbers is locked before the rate limit, as in a change of phone: no deadlock.
_SEND_NEW = f"""
    WITH traffic AS ({sms_pumping.count_send("$11", "$12")}), reserved AS (
        SELECT reserve_hits($7, $8, $5, $9, $10) AS hits FROM traffic
    ), code AS (
        INSERT INTO sign_in_code (phone, key_id, nonce, length, expires_at, resend_at,
                                  sends, guesses, guess_limit, guess_hits)
        SELECT $1, $2, $3, CASE hits WHEN '{{}}' THEN {LONG_CODE} ELSE $4 END,
               now() + $5, now() + ($6::interval[])[1], 1, 0, $7, nullif(hits, '{{}}')
        FROM reserved
        RETURNING key_id, nonce, length, expires_at, resend_at, guess_limit, guess_hits
    )
    SELECT *, clock_timestamp() AS now FROM code, traffic
"""


async def send_new(key: str, phone: Phone, *, keys: Keys, settings: Settings) -> Row:
    """Count a send of a new code; it is long if the phone has no guesses left.

    Args:
        key: of the code's row.
        phone: that the code is sent to.
        keys: compute the code.
        settings: the limits.

    Returns:
        The code and the traffic of its block.
    """
    limit = guess_limits.phone_limit(phone, keys=keys, settings=settings)
    fixed = settings.test_code(phone.e164)
    (row,) = await fetch(
        _SEND_NEW,
        key,
        keys.code_key_ids[0],
        token_bytes(16),
        len(fixed) if fixed else settings.code_length,
        settings.code_lifetime,
        settings.resend_after,
        limit.key,
        settings.guesses_per_code,
        limit.counts,
        limit.periods,
        phone.block,
        sms_pumping.PERIOD,
    )
    return row


_RESEND = f"""
    WITH code AS (
        UPDATE sign_in_code AS code SET
            resend_at = clock_timestamp() + ($4::interval[])[least(sends + 1, cardinality($4))],
            sends = sends + 1
        WHERE phone = $1 AND resend_at <= clock_timestamp()
        AND {guess_limits.is_live("code", per_code="$2", key_ids="$3")}
        RETURNING key_id, nonce, length, expires_at, resend_at
    ), traffic AS ({sms_pumping.count_send("$5", "$6", source="FROM code")})
    SELECT *, clock_timestamp() AS now FROM code, traffic
"""


async def resend(key: str, phone: Phone, *, keys: Keys, settings: Settings) -> Row | None:
    """Count another send of a live code.

    Returns:
        As `send_new`; None if the code does not live, or the wait since its last send is not over.
    """
    rows = await fetch(
        _RESEND,
        key,
        settings.guesses_per_code,
        keys.code_key_ids,
        settings.resend_after,
        phone.block,
        sms_pumping.PERIOD,
    )
    return rows[0] if rows else None
