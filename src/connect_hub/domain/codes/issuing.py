"""Which code is sent for a request, and how long the request waits for the next message."""

from dataclasses import dataclass
from datetime import datetime

from connect_hub.database.connections import Row, fetch
from connect_hub.domain import rate_limits, sms_pumping
from connect_hub.domain.codes import bound, guess_limits, requests, shared
from connect_hub.domain.codes.digits import expected_digits
from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.rate_limits import Hit
from connect_hub.domain.refusals import Limit, LiveCode, TooManyRequests
from connect_hub.observability import metrics
from connect_hub.security.keys import Keys
from connect_hub.settings import LONG_CODE, Settings


@dataclass(frozen=True, repr=False)
class IssuedCode:
    """A code that is about to be sent."""

    phone: Phone
    key: str  # of its row
    request_id: str | None  # None: a shared code
    nonce: bytes
    digits: str
    expires_at: datetime
    resend_at: datetime  # when the request may have a code sent again
    traffic: sms_pumping.Traffic  # of the phone's block of numbers, with this send
    guess_hits: list[Hit]  # that a new code has reserved


async def issue(
    phone: Phone, *, request_id: str | None, bind: bool, keys: Keys, settings: Settings
) -> IssuedCode:
    """Count a send of the request's live code, or of a new code if it has none.

    Args:
        phone: that the code is sent to.
        request_id: of the request whose code is sent again; None means a new request.
        bind: whether the code of a new request is bound to it.
        keys: compute the code.
        settings: the limits.

    Raises:
        TooManyRequests: the wait since the last send is not over.
    """
    if request_id is None and not bind:
        row = await shared.send(phone, keys=keys, settings=settings)
        if row is None:
            raise await _resend_wait(phone.e164, phone, keys=keys, settings=settings)
        return _issued(row, phone, request_id=None, keys=keys, settings=settings)
    if request_id is not None:
        key = requests.key_of(phone, request_id)
        if row := await bound.resend(key, phone, keys=keys, settings=settings):
            return _issued(row, phone, request_id=request_id, keys=keys, settings=settings)
        refusal = await _resend_wait(key, phone, keys=keys, settings=settings)
        if refusal.code:
            raise refusal
    request_id = requests.new_id()
    key = requests.key_of(phone, request_id)
    row = await bound.send_new(key, phone, keys=keys, settings=settings)
    return _issued(row, phone, request_id=request_id, keys=keys, settings=settings)


def _issued(
    row: Row, phone: Phone, *, request_id: str | None, keys: Keys, settings: Settings
) -> IssuedCode:
    return IssuedCode(
        phone=phone,
        key=requests.key_of(phone, request_id),
        request_id=request_id,
        nonce=row["nonce"],
        digits=expected_digits(phone, row, keys=keys, settings=settings),
        expires_at=row["expires_at"],
        resend_at=row["resend_at"],
        traffic=sms_pumping.Traffic(
            row["prefix"], row["sent"], row["confirmed"], row["alarmed_at"], row["now"]
        ),
        guess_hits=guess_limits.reserved_hits(row.get("guess_limit"), row.get("guess_hits")),
    )


# A short shared code of a phone that has used up its guesses does not work: see `verification`.
_RESEND_WAIT = f"""
    SELECT clock_timestamp() AS now, coalesce(resend_at, clock_timestamp()) AS resend_at, length,
           expires_at,
           coalesce({guess_limits.is_live("code", per_code="$3", key_ids="$2")}
           AND (length = {LONG_CODE} OR guess_hits IS NOT NULL OR coalesce(
               (SELECT allowance_free_at(uses, $5, $6) FROM allowance WHERE key = $4),
               '-infinity') <= clock_timestamp()), false) AS live
    FROM (SELECT) AS one_row LEFT JOIN sign_in_code AS code ON phone = $1
"""


async def _resend_wait(
    key: str, phone: Phone, *, keys: Keys, settings: Settings
) -> TooManyRequests:
    limit = guess_limits.phone_limit(phone, keys=keys, settings=settings)
    (row,) = await fetch(
        _RESEND_WAIT,
        key,
        keys.code_key_ids,
        settings.guesses_per_code,
        limit.key,
        limit.counts,
        limit.periods,
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
    (row,) = await fetch(_RECORD_SENT, code.key, code.nonce, gateway)
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
    ), uncounted AS (
        UPDATE number_block SET sent = sent - 1
        WHERE prefix = $4 AND sent > 0 AND EXISTS (TABLE deleted UNION ALL TABLE kept)
    )
    SELECT FROM deleted
"""


async def cancel_send(code: IssuedCode, *, tried: bool) -> None:
    """Undo the count of a send, so that its request may have a code sent at once.

    Args:
        code: the code that was not sent.
        tried: whether a gateway was asked. It may have sent the code although it reported a
            failure, so the code stays valid. Otherwise a code that was never sent is deleted.
    """
    block = code.phone.block
    if await fetch(_CANCEL_SEND, code.key, code.nonce, code.resend_at, block, tried):
        await rate_limits.refund(code.guess_hits)
