"""The viewer of a request: the client whose access token was sent, and its session."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from connect_hub.database.connections import fetch
from connect_hub.database.models import CLIENT_COLUMNS, Client
from connect_hub.database.queries import hydrate
from connect_hub.domain import invitations
from connect_hub.domain.invitations import Invited
from connect_hub.security.access_tokens import Claims
from connect_hub.settings import Settings


class FirstPage(NamedTuple):
    """The latest clients who applied the viewer's code, up to `limit`."""

    limit: int
    rows: list[Invited]


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in client of a request, with its session and token."""

    client: Client
    session_id: UUID
    generation: int  # of the token
    signed_in_until: datetime  # when the token is no longer accepted
    is_touch_due: bool  # whether the use of the session must be recorded
    first_page: FirstPage | None = None  # if it was read with the viewer


FROM_ACTIVE_SESSION = """
    FROM session JOIN client ON client.id = session.client_id
    LEFT JOIN client AS inviter ON inviter.id = client.inviter_id
    WHERE session.id = $1 AND session.expires_at > now() AND client.deleted_at IS NULL
"""
# A touch is due when a token of the current generation is first seen, and then once a minute, so
# that most requests write nothing.
_TOUCH_DUE = "(seen_at IS NULL AND generation = $2 OR last_used_at < now() - interval '1 minute')"
_FIND = f"""
    SELECT {CLIENT_COLUMNS}, {_TOUCH_DUE} AS is_touch_due {FROM_ACTIVE_SESSION}
    AND generation >= $2 AND session.client_id = $3
"""


@cache
def _find_with_page() -> str:
    """Return the statement that also reads the first page, whose query Tortoise renders."""
    latest_first = "ORDER BY invited_at DESC, id DESC"
    page = invitations.first_page.subquery("viewer.id", "$4")
    return f"""
        SELECT viewer.*, page.* FROM ({_FIND}) AS viewer CROSS JOIN LATERAL (
            SELECT array_agg(id {latest_first}) AS invited_ids,
                   array_agg(phone {latest_first}) AS invited_phones,
                   array_agg(name {latest_first}) AS invited_names,
                   array_agg(invited_at {latest_first}) AS invited_times
            FROM ({page}) AS invited
        ) AS page
    """


async def find_viewer(claims: Claims, *, page_limit: int = 0) -> Viewer | None:
    """Find the client and session of a verified token.

    Args:
        claims: of the token.
        page_limit: how many invited clients to read in the same statement; 0 reads none.

    Returns:
        None if the session has ended.
    """
    identity = claims.session_id, claims.generation, claims.client_id
    if page_limit:
        rows = await fetch(_find_with_page(), *identity, page_limit)
    else:
        rows = await fetch(_FIND, *identity)
    for row in rows:
        columns = dict(row)
        return Viewer(
            session_id=claims.session_id,
            generation=claims.generation,
            signed_in_until=claims.valid_until,
            is_touch_due=columns.pop("is_touch_due"),
            first_page=FirstPage(page_limit, _pop_page(columns)) if page_limit else None,
            client=hydrate(Client, columns),
        )
    return None


def _pop_page(columns: dict[str, Any]) -> list[Invited]:
    fields = "invited_ids", "invited_phones", "invited_names", "invited_times"
    values = [columns.pop(field) or () for field in fields]  # null: nobody is invited
    return list(map(Invited, *values))


EXPIRES_AT = "least(now() + $3, created_at + $4)"  # $3: idle lifetime, $4: lifetime
_TOUCH = f"""
    UPDATE session SET
        seen_at = CASE generation WHEN $2 THEN coalesce(seen_at, now()) ELSE seen_at END,
        last_used_at = now(), expires_at = {EXPIRES_AT}, address = $5
    WHERE id = $1 AND expires_at > now() AND {_TOUCH_DUE}
"""


async def touch_session(viewer: Viewer, *, address: str, settings: Settings) -> None:
    """Record that a session is used and that tokens of its generation were seen; prolong it."""
    lifetimes = settings.session_idle_lifetime, settings.session_lifetime
    await fetch(_TOUCH, viewer.session_id, viewer.generation, *lifetimes, address)
