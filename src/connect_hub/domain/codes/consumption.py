"""The use of a verified code, which works once: concurrent callers cannot use it twice.

Each use is one statement, which deletes the code and does what the code was typed for. The guesses
that the code had reserved and did not need are refunded, and the right one too.
"""

from uuid import uuid4

from connect_hub.database.connections import Row, fetch
from connect_hub.database.models import Client
from connect_hub.database.queries import hydrate
from connect_hub.domain import events, invitation_codes, rate_limits
from connect_hub.domain.codes import guess_limits
from connect_hub.domain.codes.verification import VerifiedCode
from connect_hub.domain.events import origin_values
from connect_hub.domain.refusals import InvalidCode
from connect_hub.observability import metrics

_UNUSED = "RETURNING guess_limit, guess_hits[guesses :] AS unused"
_CONSUME = f"""
    WITH consumed AS (DELETE FROM sign_in_code WHERE phone = $1 AND nonce = $2 {_UNUSED}),
    counted AS (
        UPDATE number_block SET confirmed = confirmed + 1
        WHERE prefix = $3 AND EXISTS (SELECT FROM consumed)
    )
    SELECT guess_limit, unused FROM consumed
"""


async def consume(verified: VerifiedCode) -> None:
    """Delete a verified code.

    Raises:
        InvalidCode: a concurrent caller consumed it.
    """
    if not await _consume(_CONSUME, verified):
        raise InvalidCode(attempts_left=0)


# The statement checks whether the phone is registered before it inserts, because PostgreSQL would
# log a violation of the unique constraint together with the phone.
_CONSUME_FOR_REGISTRATION = f"""
    WITH consumed AS (
        DELETE FROM sign_in_code WHERE phone = $1 AND nonce = $2
        AND NOT EXISTS (SELECT FROM client WHERE phone = $4)
        {_UNUSED}
    ), counted AS (
        UPDATE number_block SET confirmed = confirmed + 1
        WHERE prefix = $3 AND EXISTS (SELECT FROM consumed)
    ), registered AS (
        INSERT INTO client (id, phone, invitation_code, created_at)
        SELECT $5, $4, $6, now() FROM consumed
        RETURNING *
    ), {events.write("client.registered", source="registered", origin=7)}
    SELECT * FROM registered, consumed
"""


# Nothing changes if nobody has the applied code. If it is used up, the triggers raise an error.
_CONSUME_FOR_INVITED_REGISTRATION = f"""
    WITH invitation AS ({invitation_codes.FIND.format(code="$7")}), consumed AS (
        DELETE FROM sign_in_code WHERE phone = $1 AND nonce = $2
        AND NOT EXISTS (SELECT FROM client WHERE phone = $4) AND EXISTS (SELECT FROM invitation)
        {_UNUSED}
    ), counted AS (
        UPDATE number_block SET confirmed = confirmed + 1
        WHERE prefix = $3 AND EXISTS (SELECT FROM consumed)
    ), registered AS (
        INSERT INTO client
            (id, phone, invitation_code, created_at, inviter_id, applied_invitation_code)
        SELECT $5, $4, $6, now(), inviter_id, code FROM consumed, invitation
        RETURNING *, check_invitations_left(inviter_id, $8)
    ), invited AS (SELECT registered.*, campaign_id FROM registered, invitation),
    {events.write("client.registered", source="registered", origin=9)},
    {events.write("client.invited", source="invited", data=invitation_codes.EVENT, origin=9)}
    SELECT * FROM registered, consumed
"""


async def consume_for_registration(
    verified: VerifiedCode,
    *,
    invitation_code: str,
    applied_code: str | None,
    max_uses: int | None,
) -> Client | None:
    """Delete a verified code and create the phone's client.

    Args:
        verified: the code.
        invitation_code: a new one for the client.
        applied_code: the invitation code that the client applies, if any.
        max_uses: how often a client's code may be applied; None means without limit.

    Returns:
        None: the phone is registered, nobody has the applied code, or the code was consumed.
        Nothing has changed.

    Raises:
        UniqueViolationError: the new invitation code is taken, and nothing has changed.
        InvitationCodeNotFound, InvitationUsedUp: nothing has changed.
    """
    new = verified.phone.e164, uuid4(), invitation_code
    if applied_code is None:
        rows = await _consume(_CONSUME_FOR_REGISTRATION, verified, *new, *origin_values())
    else:
        values = *new, applied_code, max_uses, *origin_values()
        with invitation_codes.refusals():
            rows = await _consume(_CONSUME_FOR_INVITED_REGISTRATION, verified, *values)
    return hydrate(Client, rows[0], applied_code=applied_code) if rows else None


# The client's own phone does not count as registered: a change to it succeeds and changes nothing.
_CONSUME_FOR_PHONE_CHANGE = f"""
    WITH consumed AS (
        DELETE FROM sign_in_code WHERE phone = $1 AND nonce = $2
        AND NOT EXISTS (SELECT FROM client WHERE phone = $4 AND id <> $5)
        {_UNUSED}
    ), counted AS (
        UPDATE number_block SET confirmed = confirmed + 1
        WHERE prefix = $3 AND EXISTS (SELECT FROM consumed)
    ), moved AS (
        UPDATE client SET phone = $4 FROM consumed WHERE id = $5 AND client.phone = $6
        RETURNING id
    ), changed AS (SELECT id FROM moved WHERE $4 <> $6),
    {events.write("client.phone_changed", source="changed", origin=7)}
    SELECT guess_limit, unused FROM moved, consumed
"""


async def consume_for_phone_change(verified: VerifiedCode, client: Client) -> bool:
    """Delete a verified code and move a client to its phone.

    Returns:
        False: another client has the phone, the client's phone has changed in the meantime, or the
        code was consumed.
    """
    values = verified.phone.e164, client.id, client.phone, *origin_values()
    return bool(await _consume(_CONSUME_FOR_PHONE_CHANGE, verified, *values))


async def _consume(sql: str, verified: VerifiedCode, *values: object) -> list[Row]:
    phone = verified.phone
    rows = await fetch(sql, verified.key, verified.nonce, phone.block, *values)
    for row in rows:
        metrics.SMS_CONFIRMED.labels(verified.gateway or "unknown", phone.country).inc()
        unused = guess_limits.reserved_hits(row["guess_limit"], row["unused"])
        await rate_limits.refund([*verified.hits, verified.throttle_hit, *unused])
    return rows


async def delete(phone: str | None) -> None:
    """Delete the codes of a phone, if it has any."""
    await fetch("DELETE FROM sign_in_code WHERE split_part(phone, ' ', 1) = $1", phone)
