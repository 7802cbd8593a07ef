"""HTTP endpoints beside GraphQL: public keys, liveness and readiness."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connect_hub.database import connections
from connect_hub.database.errors import UNAVAILABLE
from connect_hub.database.migrations import is_ready
from connect_hub.security.access_tokens import AccessTokens
from connect_hub.server.shutdown import GracefulShutdown

KEY_SET_MAX_AGE = timedelta(minutes=10)  # docs/operations.md says to wait as long when keys rotate
READINESS_TIMEOUT = timedelta(seconds=1)
_NO_DATABASE = (
    "the database does not answer, or accepts no writes: check DATABASE_URL and its host\n"
)


def key_set(tokens: AccessTokens) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of the JSON Web Key Set, which verifies access tokens (RFC 7517)."""
    body = orjson.dumps(tokens.key_set)
    tag = f'"{sha256(body).hexdigest()}"'
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Cache-Control": f"public, max-age={KEY_SET_MAX_AGE.total_seconds():.0f}",
        "ETag": tag,
    }

    async def respond(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/jwk-set+json")

    return respond


async def alive(_request: Request) -> Response:
    """Respond with 200 while the process runs."""
    return PlainTextResponse("alive\n")


def readiness(shutdown: GracefulShutdown) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that says whether proxies should send requests here."""
    was_unavailable = False

    async def respond(_request: Request) -> Response:
        """Respond with 200 only if the database accepts writes in time and is migrated."""
        nonlocal was_unavailable
        if shutdown.draining:
            return PlainTextResponse("this server is about to stop: use another\n", 503)
        try:
            with connections.deadline(READINESS_TIMEOUT):
                migrated = await is_ready()
        except UNAVAILABLE:
            was_unavailable = True
            return PlainTextResponse(_NO_DATABASE, 503)
        if was_unavailable:
            await connections.replace_connections()
            was_unavailable = False
        if not migrated:
            return PlainTextResponse("the database is not migrated: run connect-hub migrate\n", 503)
        return PlainTextResponse("ready\n")

    return respond
