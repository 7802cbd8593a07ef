"""Sessions: where a client is signed in, and until when.

`session_refresh` exchanges refresh tokens.
"""

from collections.abc import Collection
from datetime import timedelta
from secrets import token_bytes
from uuid import UUID, uuid4

import structlog

from connect_hub.database.connections import fetch
from connect_hub.database.models import Client, Session
from connect_hub.database.queries import hydrate
from connect_hub.domain import events
from connect_hub.domain.events import EndReason, origin_values
from connect_hub.domain.refusals import InvalidCode, ReauthenticationRequired, SessionNotFound
from connect_hub.domain.viewer import Viewer
from connect_hub.settings import Settings

MAX_SESSIONS = 20  # of one client
REAUTHENTICATION_WINDOW = timedelta(minutes=10)  # after a sign-in

log = structlog.get_logger()


# FOR KEY SHARE waits for a concurrent change of the phone and for a concurrent block of the client,
# so that no session starts after either of them.
_START = f"""
    WITH started AS (
        INSERT INTO session (id, client_id, nonce, generation, seen_at,
                             created_at, last_used_at, expires_at, device, address)
        SELECT $3, id, $4, 0, now(), now(), now(), now() + least($5, $6::interval), $7, $8
        FROM client WHERE id = $1 AND phone = $2 AND blocked_at IS NULL FOR KEY SHARE
        RETURNING *
    ), {
    events.write(
        "session.started", source="started", client="client_id", data="'session', id", origin=9
    )
}
    SELECT * FROM started
"""
# These run after the new session is committed: of concurrent sign-ins, the last one sees them all.
# Most sign-ins end no session: a SELECT shows it at half the cost of a statement that may write.
_FIND_SURPLUS = "SELECT FROM session WHERE client_id = $1 OFFSET $2 LIMIT 1"
_TRIM = f"""
    WITH displaced AS (
        SELECT id FROM session WHERE client_id = $1 AND (id = $2 OR id = ANY (ARRAY(
            SELECT id FROM session WHERE client_id = $1 AND id IS DISTINCT FROM $2
            ORDER BY last_used_at DESC, id OFFSET $3
        ))) ORDER BY id FOR UPDATE
    ), deleted AS (
        DELETE FROM session USING displaced WHERE session.id = displaced.id
        RETURNING session.id, client_id, expires_at
    ), ended AS (SELECT * FROM deleted WHERE expires_at > now()),
    {events.write_session_ended(source="ended", reason="'displaced'", origin=4)}
    SELECT id FROM deleted
"""


async def start(
    client: Client,
    *,
    replaces: UUID | None = None,
    device: str,
    address: str,
    settings: Settings,
) -> Session:
    """Sign in a client; beyond MAX_SESSIONS, the least recently used sessions end.

    Args:
        client: the client whose phone was verified.
        replaces: the session whose token came with this sign-in; it ends (ASVS 7.2.4).
        device: the User-Agent header.
        address: the network of the request.
        settings: the lifetimes.

    Raises:
        InvalidCode: the client has changed its phone or was blocked in the meantime.
    """
    rows = await fetch(
        _START,
        client.id,
        client.phone,
        uuid4(),
        token_bytes(16),
        settings.session_idle_lifetime,
        settings.session_lifetime,
        events.printable_device(device),
        address,
        *origin_values(),
    )
    if not rows:
        raise InvalidCode(attempts_left=0)
    session = hydrate(Session, rows[0], _client=client)
    log.info("signed in", client=str(client.id), session=str(session.id))
    if replaces or await fetch(_FIND_SURPLUS, client.id, MAX_SESSIONS):
        for displaced in await fetch(_TRIM, client.id, replaces, MAX_SESSIONS, *origin_values()):
            log.info("session ended", client=str(client.id), session=str(displaced["id"]))
    return session


async def active(session_ids: Collection[UUID]) -> set[UUID]:
    """Return which of these sessions have not ended."""
    sql = "SELECT id FROM session WHERE id = ANY ($1) AND expires_at > now()"
    return {row["id"] for row in await fetch(sql, list(session_ids))}


async def list_for(client: Client) -> list[Session]:
    """List the sessions of a client, the last used first."""
    rows = await fetch(
        "SELECT * FROM session WHERE client_id = $1 AND expires_at > now()"
        " ORDER BY last_used_at DESC, id",
        client.id,
    )
    return [hydrate(Session, row, _client=client) for row in rows]


_END = f"""
    WITH ended AS (
        DELETE FROM session WHERE id = $1 AND client_id = $2 AND expires_at > now()
        RETURNING id, client_id
    ), {events.write_session_ended(source="ended", reason="$3", origin=4)}
    SELECT FROM ended
"""


async def end(viewer: Viewer, session: str | None) -> UUID:
    """End one of the viewer's sessions, and return its id.

    Args:
        viewer: the signed-in client.
        session: the id as the client sent it; None means the session of this request.

    Raises:
        SessionNotFound: the viewer has no session of this id.
    """
    try:
        session_id = UUID(session) if session is not None else viewer.session_id
    except ValueError:
        raise SessionNotFound from None
    client_id = viewer.client.id
    is_own = session_id == viewer.session_id
    reason = EndReason.SIGNED_OUT if is_own else EndReason.ENDED_ELSEWHERE
    if not await fetch(_END, session_id, client_id, reason, *origin_values()):
        raise SessionNotFound
    log.info("session ended", client=str(client_id), session=str(session_id))
    return session_id


# This locks rows in the order of their ids, as `_TRIM` does, so that the two cannot deadlock.
_END_ALL = f"""
    WITH locked AS (
        SELECT id FROM session WHERE client_id = $1 AND id IS DISTINCT FROM $2
        ORDER BY id FOR UPDATE
    ), deleted AS (
        DELETE FROM session USING locked WHERE session.id = locked.id
        RETURNING session.id, client_id, expires_at
    ), ended AS (SELECT * FROM deleted WHERE expires_at > now()),
    {events.write_session_ended(source="ended", reason="$3", origin=4)}
    SELECT count(*) FROM ended
"""


async def end_others(viewer: Viewer) -> int:
    """End the viewer's other sessions, and return how many.

    Raises:
        ReauthenticationRequired: the viewer signed in too long ago.
    """
    await require_recent_sign_in(viewer)
    count = await end_all(viewer.client, reason=EndReason.ENDED_ELSEWHERE, keep=viewer.session_id)
    log.info("sessions ended", client=str(viewer.client.id), sessions=count)
    return count


async def sign_out(client: Client) -> int:
    """End all sessions of a client for the operator, and return how many."""
    count = await end_all(client, reason=EndReason.ENDED_BY_OPERATOR)
    log.info("sessions ended", client=str(client.id), sessions=count)
    return count


async def end_all(client: Client, *, reason: EndReason, keep: UUID | None = None) -> int:
    """End all sessions of a client except the one to keep, and return how many."""
    (row,) = await fetch(_END_ALL, client.id, keep, reason, *origin_values())
    count: int = row["count"]
    return count


async def require_recent_sign_in(viewer: Viewer) -> None:
    """Check that the viewer signed in lately, so that a stolen token cannot take the account.

    Raises:
        ReauthenticationRequired: the viewer signed in too long ago.
    """
    sql = "SELECT FROM session WHERE id = $1 AND created_at > now() - $2::interval"
    if not await fetch(sql, viewer.session_id, REAUTHENTICATION_WINDOW):
        raise ReauthenticationRequired
