"""The exchange of refresh tokens, and the detection of stolen ones.

Each refresh raises the session's generation by one, and a token names its generation. Generations
only grow, so a token that is too old stays too old. Each statement below is therefore correct on
its own, whatever other requests do in between.

Each refresh token also names a branch, drawn at random when the token is issued. The session stores
the branch of the token that was exchanged for its current generation. If a token of the same
generation but another branch arrives, there are two holders.
"""

from datetime import timedelta

import structlog

from connect_hub.database.connections import Row, fetch
from connect_hub.database.models import CLIENT_COLUMNS, Client, Session
from connect_hub.database.queries import hydrate
from connect_hub.domain import events
from connect_hub.domain.events import Actor, origin_values
from connect_hub.domain.refusals import InvalidRefreshToken
from connect_hub.domain.viewer import EXPIRES_AT, FROM_ACTIVE_SESSION
from connect_hub.observability import metrics
from connect_hub.security.refresh_tokens import (
    RefreshTokenClaims,
    RefreshTokens,
    parse_refresh_token,
)
from connect_hub.settings import Settings

_REUSE_WINDOW = timedelta(seconds=30)  # after a token's successor was seen

log = structlog.get_logger()


_READ = f"""
    SELECT {CLIENT_COLUMNS}, session.nonce {FROM_ACTIVE_SESSION}
"""
# The answer to a refresh may be lost. So a token that is used again gets another successor, until
# 30 seconds after one of its successors was seen. Once a client has exchanged one successor, the
# other successors of the same token belong to a second holder.
_REFRESH = f"""
    WITH before AS (
        SELECT id, generation, seen_at, parent FROM session
        WHERE id = $1 AND expires_at > now() FOR UPDATE
    )
    UPDATE session SET
        generation = $2 + 1, parent = $7,
        seen_at = CASE before.generation WHEN $2 THEN NULL ELSE before.seen_at END,
        last_used_at = now(), expires_at = {EXPIRES_AT}, address = $5
    FROM before WHERE session.id = before.id
    AND (before.generation = $2 OR before.generation = $2 + 1
        AND coalesce(before.parent = $7, true)
        AND coalesce(before.seen_at > now() - $6::interval, true))
    RETURNING session.*, before.generation > $2 AS is_reused
"""
_END_REPLAYED = f"""
    WITH deleted AS (
        DELETE FROM session WHERE id = $1
        AND (generation > $2 + 1
            OR generation = $2 + 1 AND (parent <> $4 OR seen_at <= now() - $3::interval))
        RETURNING id, client_id, expires_at
    ), ended AS (SELECT * FROM deleted WHERE expires_at > now()),
    {events.write_session_ended(source="ended", reason="'replayed'", origin=5)}
    SELECT FROM deleted
"""


async def refresh(
    token: str, *, address: str, tokens: RefreshTokens, settings: Settings
) -> Session:
    """Exchange a refresh token: raise its session's generation by one.

    A token that two holders have used ends the session.

    Raises:
        InvalidRefreshToken: the token is not genuine, or its session has ended or ends now.
    """
    claims, row = await _verify(token, tokens)
    session_id, generation, branch = claims.session_id, claims.generation, claims.branch
    lifetimes = settings.session_idle_lifetime, settings.session_lifetime
    client = hydrate(Client, row)
    client_id, session = str(client.id), str(session_id)
    refreshed = await fetch(
        _REFRESH, session_id, generation, *lifetimes, address, _REUSE_WINDOW, branch
    )
    if not refreshed:
        origin = origin_values(Actor.SYSTEM)  # either holder may be the thief
        if await fetch(_END_REPLAYED, session_id, generation, _REUSE_WINDOW, branch, *origin):
            metrics.REFRESH_REUSE.labels("session ended").inc()
            log.warning("refresh token replayed, session ended", client=client_id, session=session)
        raise InvalidRefreshToken
    if refreshed[0]["is_reused"]:
        metrics.REFRESH_REUSE.labels("answered").inc()
        log.info("refresh token used again", client=client_id, session=session)
    return hydrate(Session, refreshed[0], _client=client)


async def _verify(token: str, tokens: RefreshTokens) -> tuple[RefreshTokenClaims, Row]:
    """Return what a genuine token claims, and the row of its session and client."""
    claims = parse_refresh_token(token)
    rows = await fetch(_READ, claims.session_id) if claims else []
    if claims and rows:
        row = rows[0]
        if tokens.is_genuine(claims, client_id=row["id"], nonce=row["nonce"]):
            return claims, row
    raise InvalidRefreshToken
