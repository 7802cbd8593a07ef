"""The shared code of a phone: all requests that are not bound get the same one."""

from secrets import token_bytes

from connect_hub.database.connections import Row, fetch
from connect_hub.domain import sms_pumping
from connect_hub.domain.codes import guess_limits
from connect_hub.domain.phone_numbers import Phone
from connect_hub.security.keys import Keys
from connect_hub.settings import LONG_CODE, Settings

# A live code is sent again; a code that is expired, guessed too often, too short or of a former
# key is replaced. Neither happens before resend_at.
_SEND = f"""
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
                    code.length >= excluded.length
                    AND {guess_limits.is_live("code", per_code="$7", key_ids="$8")}
                )
            )
        WHERE code.resend_at <= clock_timestamp()
        RETURNING key_id, nonce, length, expires_at, resend_at
    ), traffic AS ({sms_pumping.count_send("$12", "$13", source="FROM code")})
    SELECT *, clock_timestamp() AS now FROM code, traffic
"""


async def send(phone: Phone, *, keys: Keys, settings: Settings) -> Row | None:
    """Count a send of the phone's live code, or of a new code if it has none.

    Returns:
        The code and the traffic of its block; None if the wait since the last send is not over.
    """
    limit = guess_limits.phone_limit(phone, keys=keys, settings=settings)
    fixed = settings.test_code(phone.e164)
    rows = await fetch(
        _SEND,
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
    return rows[0] if rows else None
