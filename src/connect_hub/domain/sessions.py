"""Sessions: where a client is signed in, and until when.

A session has a generation, one higher with each refresh, and its tokens say of which they are. What
is too old stays too old, since generations only grow: so each step below is one statement, and
nothing between two of them can make a right one wrong.

The refresh tokens of one generation differ by their branch. The row stores the branch that was
exchanged for its present generation: a token of another branch comes from a second holder.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_bytes
from uuid import UUID, uuid4

import structlog

from connect_hub.database.connections import Row, fetch, model_of
from connect_hub.database.models import Client, Session
from connect_hub.domain.refusals import (
    InvalidCode,
    InvalidRefreshToken,
    ReauthenticationRequired,
    SessionNotFound,
)
from connect_hub.observability import metrics
from connect_hub.security.tokens import Claims, Refresh, RefreshTokens, read_refresh
from connect_hub.settings import Settings

MOST = 20  # sessions of a client
FRESH = timedelta(minutes=10)  # since the client signed in
_OVERLAP = timedelta(seconds=30)  # in which a token works beside its successor that was seen
_LONGEST_DEVICE = 120  # characters

log = structlog.get_logger()


# A client whose phone has changed since it was confirmed is waited for, and gets no session; so is
# one who is being blocked.
_START = """
    INSERT INTO session (id, client_id, nonce, generation, seen_at,
                         created_at, last_used_at, expires_at, device, address)
    SELECT $3, id, $4, 0, now(), now(), now(), now() + least($5, $6::interval), $7, $8
    FROM client WHERE id = $1 AND phone = $2 AND blocked_at IS NULL FOR KEY SHARE
    RETURNING *
"""
# Once the new session is committed: of those that start at once, the last sees all.
_TRIM = f"""
    WITH surplus AS (
        SELECT id FROM session WHERE client_id = $1 AND (id = $2 OR id = ANY (ARRAY(
            SELECT id FROM session WHERE client_id = $1 AND id IS DISTINCT FROM $2
            ORDER BY last_used_at DESC, id OFFSET {MOST}
        ))) ORDER BY id FOR UPDATE
    )
    DELETE FROM session USING surplus WHERE session.id = surplus.id RETURNING session.id
"""


async def start(
    client: Client,
    *,
    replaces: UUID | None = None,
    device: str,
    address: str,
    settings: Settings,
) -> Session:
    """Sign in a client whose phone is confirmed; the session longest unused makes room.

    Args:
        client: whose phone is confirmed.
        replaces: the session in which the client signs in again; it ends (ASVS 7.2.4).
        device: the User-Agent.
        address: the network of the request.
        settings: the lifetimes.

    Raises:
        InvalidCode: the client has left the phone, or was blocked, meanwhile.
    """
    rows = await fetch(
        _START,
        client.id,
        client.phone,
        uuid4(),
        token_bytes(16),
        settings.session_idle_lifetime,
        settings.session_lifetime,
        _shown(device) or None,
        address,
    )
    if not rows:
        raise InvalidCode(attempts_left=0)
    session = _session(rows[0], client)
    log.info("signed in", client=str(client.id), session=str(session.id))
    for surplus in await fetch(_TRIM, client.id, replaces):
        log.info("session ended", client=str(client.id), session=str(surplus["id"]))
    return session


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in client that asks, and the session and token by which it does."""

    client: Client
    session_id: UUID
    generation: int  # of the token
    signed_in_until: datetime  # when the token stops to be accepted
    is_touch_due: bool  # whether the use of the session has to be noted


_SIGNED_IN = """
    FROM session JOIN client ON client.id = session.client_id
    LEFT JOIN client AS inviter ON inviter.id = client.inviter_id
    WHERE session.id = $1 AND session.expires_at > now() AND client.deleted_at IS NULL
"""
_IS_DUE = "(seen_at IS NULL AND generation = $2 OR last_used_at < now() - interval '1 minute')"
_CLIENT = """
    client.id, client.phone, client.invitation_code, client.created_at,
    inviter.invitation_code AS applied_code
"""
_FIND = f"""
    SELECT {_CLIENT}, {_IS_DUE} AS is_due {_SIGNED_IN}
    AND generation >= $2 AND session.client_id = $3
"""


async def find(claims: Claims) -> Viewer | None:
    """Find who is signed in by a verified token; None where its session has ended."""
    for row in await fetch(_FIND, claims.session_id, claims.generation, claims.client_id):
        return Viewer(
            client=model_of(Client, row),
            session_id=claims.session_id,
            generation=claims.generation,
            signed_in_until=claims.valid_until,
            is_touch_due=row["is_due"],
        )
    return None


async def active(session_ids: Collection[UUID]) -> set[UUID]:
    """Tell which of these sessions have not ended."""
    alive = "SELECT id FROM session WHERE id = ANY ($1) AND expires_at > now()"
    return {row["id"] for row in await fetch(alive, list(session_ids))}


_EXPIRES_AT = "least(now() + $3, created_at + $4)"
_TOUCH = f"""
    UPDATE session SET
        seen_at = CASE generation WHEN $2 THEN coalesce(seen_at, now()) ELSE seen_at END,
        last_used_at = now(), expires_at = {_EXPIRES_AT}, address = $5
    WHERE id = $1 AND expires_at > now() AND {_IS_DUE}
"""


async def touch(viewer: Viewer, *, address: str, settings: Settings) -> None:
    """Note that a session is used, and tokens of its generation seen; it lives longer for it."""
    lives = settings.session_idle_lifetime, settings.session_lifetime
    await fetch(_TOUCH, viewer.session_id, viewer.generation, *lives, address)


_READ = f"""
    SELECT {_CLIENT}, session.nonce {_SIGNED_IN}
"""
# A token that comes again gets one more successor, since an answer may be lost, until a successor
# was seen. Once one of these successors is exchanged itself, the others are a second holder's.
_REFRESH = f"""
    WITH before AS (
        SELECT id, generation, seen_at, parent FROM session
        WHERE id = $1 AND expires_at > now() FOR UPDATE
    )
    UPDATE session SET
        generation = $2 + 1, parent = $7,
        seen_at = CASE before.generation WHEN $2 THEN NULL ELSE before.seen_at END,
        last_used_at = now(), expires_at = {_EXPIRES_AT}, address = $5
    FROM before WHERE session.id = before.id
    AND (before.generation = $2 OR before.generation = $2 + 1
        AND coalesce(before.parent = $7, true)
        AND coalesce(before.seen_at > now() - $6::interval, true))
    RETURNING session.*, before.generation > $2 AS is_reused
"""
_END_REPLAYED = """
    DELETE FROM session WHERE id = $1
    AND (generation > $2 + 1
        OR generation = $2 + 1 AND (parent <> $4 OR seen_at <= now() - $3::interval))
    RETURNING client_id
"""


async def refresh(
    token: str, *, address: str, tokens: RefreshTokens, settings: Settings
) -> Session:
    """Go on to the next generation; a token that two holders use ends the session.

    Raises:
        InvalidRefreshToken: the token is not ours, or its session has ended or ends now.
    """
    claimed = read_refresh(token)
    rows = await fetch(_READ, claimed.session_id) if claimed else []
    if not claimed or not rows or not _is_genuine(claimed, rows[0], tokens):
        raise InvalidRefreshToken
    session_id, generation, branch = claimed.session_id, claimed.generation, claimed.branch
    lives = settings.session_idle_lifetime, settings.session_lifetime
    client = model_of(Client, rows[0])
    client_id, session = str(client.id), str(session_id)
    refreshed = await fetch(_REFRESH, session_id, generation, *lives, address, _OVERLAP, branch)
    if not refreshed:
        if await fetch(_END_REPLAYED, session_id, generation, _OVERLAP, branch):
            metrics.REFRESH_REUSE.labels("session ended").inc()
            log.warning("refresh token replayed, session ended", client=client_id, session=session)
        raise InvalidRefreshToken
    if refreshed[0]["is_reused"]:
        metrics.REFRESH_REUSE.labels("answered").inc()
        log.info("refresh token used again", client=client_id, session=session)
    return _session(refreshed[0], client)


def _is_genuine(claimed: Refresh, row: Row, tokens: RefreshTokens) -> bool:
    return tokens.is_genuine(claimed, client_id=row["id"], nonce=row["nonce"])


async def list_for(client: Client) -> list[Session]:
    """List where a client is signed in, last used first."""
    rows = await fetch(
        "SELECT * FROM session WHERE client_id = $1 AND expires_at > now()"
        " ORDER BY last_used_at DESC, id",
        client.id,
    )
    return [_session(row, client) for row in rows]


_END = "DELETE FROM session WHERE id = $1 AND client_id = $2 AND expires_at > now() RETURNING id"


async def end(viewer: Viewer, session: str | None) -> UUID:
    """End one of the viewer's sessions, the one by which it asks unless an id is given.

    Raises:
        SessionNotFound: it has none of this id.
    """
    try:
        session_id = UUID(session) if session is not None else viewer.session_id
    except ValueError:
        raise SessionNotFound from None
    client_id = viewer.client.id
    if not await fetch(_END, session_id, client_id):
        raise SessionNotFound
    log.info("session ended", client=str(client_id), session=str(session_id))
    return session_id


# Rows are locked in the order of their ids, as `_TRIM` does: no two statements wait in a circle.
_END_ALL_BUT = """
    WITH mine AS (
        SELECT id FROM session WHERE client_id = $1 AND id IS DISTINCT FROM $2
        ORDER BY id FOR UPDATE
    )
    DELETE FROM session USING mine WHERE session.id = mine.id RETURNING expires_at > now() AS lived
"""


async def end_others(viewer: Viewer) -> int:
    """End all of the viewer's sessions but the one by which it asks, and tell how many.

    Raises:
        ReauthenticationRequired: the viewer signed in too long ago.
    """
    await check_fresh(viewer)
    count = await end_all(viewer.client, but=viewer.session_id)
    log.info("sessions ended", client=str(viewer.client.id), sessions=count)
    return count


async def sign_out(client: Client) -> int:
    """End all of a client's sessions for those who run the server, and tell how many."""
    count = await end_all(client)
    log.info("sessions ended", client=str(client.id), sessions=count)
    return count


async def end_all(client: Client, *, but: UUID | None = None) -> int:
    """End all of a client's sessions but one, and tell how many."""
    return sum(row["lived"] for row in await fetch(_END_ALL_BUT, client.id, but))


async def check_fresh(viewer: Viewer) -> None:
    """Keep a stolen token from taking the account for good.

    Raises:
        ReauthenticationRequired: the viewer signed in too long ago.
    """
    fresh = "SELECT FROM session WHERE id = $1 AND created_at > now() - $2::interval"
    if not await fetch(fresh, viewer.session_id, FRESH):
        raise ReauthenticationRequired


def _session(row: Row, client: Client) -> Session:
    return model_of(Session, row, _client=client)


def _shown(device: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in device)
    return " ".join(printable.split())[:_LONGEST_DEVICE].rstrip()
