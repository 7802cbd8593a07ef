"""Invitations: a client applies another client's invitation code, and lists who applied its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from connect_hub.database.connections import Row, fetch
from connect_hub.database.models import APPLIED_CODE, Client, InvitedCount
from connect_hub.database.queries import ANY_ID, ANY_TIME, PreparedQuery, hydrate
from connect_hub.domain import events, invitation_codes, rate_limits
from connect_hub.domain.phone_numbers import PhoneNumber
from connect_hub.domain.refusals import (
    InvitationAlreadyApplied,
    InvitationUsedUp,
    OwnInvitationCode,
)
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings

# The triggers reject rings and used-up codes, and set invited_at.
_APPLY = f"""
    WITH invited AS (
        UPDATE client SET inviter_id = $2, applied_invitation_code = $4
        WHERE id = $1 AND inviter_id IS NULL AND applied_invitation_code IS NULL
        AND deleted_at IS NULL
        RETURNING id, inviter_id, $3::uuid AS campaign_id, check_invitations_left(inviter_id, $5)
    ), {events.write("client.invited", source="invited", data=invitation_codes.EVENT, origin=6)}
    SELECT FROM invited
"""
_READ_APPLIED_CODE = f"""
    SELECT {APPLIED_CODE} AS applied_code
    FROM client LEFT JOIN client AS inviter ON inviter.id = client.inviter_id WHERE client.id = $1
"""


async def apply_invite(client: Client, code: str, *, keys: Keys, settings: Settings) -> Client:
    """Attach a client to the owner of an invitation code; a client can do this once.

    Returns:
        The client with its applied code.

    Raises:
        InvitationCodeNotFound, OwnInvitationCode, InvitationAlreadyApplied, InvitationRing
        InvitationUsedUp
        TooManyRequests: this phone has applied too many codes that were refused.
    """
    code = invitation_codes.parse(code)
    limit = invitation_codes.unknown_limit(client.phone, keys=keys, settings=settings)
    hits = await rate_limits.consume(limit)
    invitation = await invitation_codes.find(code)
    if invitation.inviter_id == client.id:
        raise OwnInvitationCode
    try:
        with invitation_codes.refusals():
            applied = await fetch(
                _APPLY,
                client.id,
                *invitation,
                settings.invitations_per_client,
                *events.origin_values(),
            )
    except InvitationUsedUp:
        await rate_limits.refund(hits)
        raise
    await rate_limits.refund(hits)  # only the other refusals count, not a repeated call
    if not applied:
        (row,) = await fetch(_READ_APPLIED_CODE, client.id)
        raise InvitationAlreadyApplied(someone_invitation_code=row["applied_code"] or "")
    client.applied_code = invitation.code
    return client


@dataclass(frozen=True)
class Position:
    """A position in the list of invited clients, which a page begins after."""

    invited_at: datetime
    id: UUID


class Invited(NamedTuple):
    """What a client sees of a client that it invited."""

    id: UUID
    phone: PhoneNumber
    name: str | None
    invited_at: datetime


def invited_by(client: Client) -> QuerySet[Client]:
    """Query the clients who applied this client's code, latest first, without deleted ones."""
    return client.invited.filter(deleted_at=None).order_by("-invited_at", "-id")


first_page = PreparedQuery(
    lambda: invited_by(hydrate(Client, {"id": ANY_ID})).limit(1).only(*Invited._fields)
)
_later_page = PreparedQuery(
    lambda: (
        invited_by(hydrate(Client, {"id": ANY_ID}))
        .filter(Q(Q(invited_at__lt=ANY_TIME) | Q(id__lt=ANY_ID)), invited_at__lte=ANY_TIME)
        .limit(1)
        .only(*Invited._fields)
    )
)


async def invited_clients(client: Client, *, first: int, after: Position | None) -> list[Invited]:
    """List up to `first` clients who applied this client's code, latest first."""
    if after is None:
        rows = await first_page.rows(client.id, first)
    else:
        at = after.invited_at
        rows = await _later_page.rows(client.id, at, after.id, at, first)
    return [_invited(row) for row in rows]


_LATEST = """
    SELECT coalesce(max(invited_at), 'epoch') AS invited_at
    FROM client WHERE inviter_id = $1 AND deleted_at IS NULL
"""


async def latest_invited_at(client: Client) -> datetime:
    """Return when this client's code was last applied; 1970 if it never was."""
    (row,) = await fetch(_LATEST, client.id)
    invited_at: datetime = row["invited_at"]
    return invited_at


_SINCE = """
    SELECT requested.inviter_id, invited.*
    FROM unnest($1::uuid[], $2::timestamptz[]) AS requested (inviter_id, after)
    CROSS JOIN LATERAL (
        SELECT id, phone, name, invited_at FROM client
        WHERE inviter_id = requested.inviter_id AND invited_at > requested.after
        AND deleted_at IS NULL
        ORDER BY invited_at LIMIT $3
    ) AS invited
"""


async def invited_since(
    after: Mapping[UUID, datetime], *, limit: int
) -> list[tuple[UUID, Invited]]:
    """List who applied the code of each inviter after a given time, in order.

    `invited_at` grows in the order of the commits, so a client that is committed later is also
    found later.

    Args:
        after: the time by inviter.
        limit: the first clients of each inviter that are listed.
    """
    if not after:
        return []
    rows = await fetch(_SINCE, list(after), list(after.values()), limit)
    return [(row["inviter_id"], _invited(row)) for row in rows]


def _invited(row: Row) -> Invited:
    return Invited(row["id"], row["phone"], row["name"], row["invited_at"])


_count = PreparedQuery(lambda: InvitedCount.filter(client_id=ANY_ID))


async def invitations_left(client: Client, *, max_uses: int | None) -> int | None:
    """Return how often this client's codes may still be applied.

    Args:
        client: the inviter.
        max_uses: how often they may be applied in all; None means without limit.
    """
    if max_uses is None:
        return None
    row = await _count.one(client.id)
    return max(0, max_uses - row.count - row.deleted) if row else max_uses


async def invited_count(client: Client) -> int:
    """Return how many clients applied this client's code."""
    row = await _count.one(client.id)
    return row.count if row else 0
