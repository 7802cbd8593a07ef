"""The floor: what any server in Python has to do, and nothing else. No GraphQL.

The same HTTP, JSON, tokens and statements as Connect Hub's; each answer is written by hand.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from secrets import token_bytes
from typing import Any
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connect_hub.security.keys import Keys
from connect_hub.security.refresh_tokens import RefreshTokens
from tests.bench.servers import statements
from tests.bench.servers.serving import pool_of_connections, serve
from tests.bench.servers.tokens import issued, viewer_of

RATES = {  # as fleet.py sets them for Connect Hub
    "guesses of an address": ([99_999], [timedelta(hours=1)]),
    "guesses of a phone": ([99_999, 99_999], [timedelta(days=1), timedelta(days=180)]),
}
LIVES = timedelta(days=30), timedelta(days=180)
keys = Keys(os.environ["SECRET_KEY"])
refresh_tokens = RefreshTokens(keys)


async def me(request: Request) -> Response:
    first = orjson.loads(await request.body()).get("variables", {}).get("first", 20)
    async with request.app.state.pool.acquire() as database:
        viewer = viewer_of(request.headers)
        client = await database.fetchrow(statements.VIEWER, *viewer)
        if client["is_touch_due"]:
            await database.execute(statements.TOUCH, *viewer[:2], *LIVES, "127.0.0.1")
        rows = await database.fetch(statements.PAGE, client["id"], first + 1)
    shown = _shown(client) | {"someoneInvitationCode": client["someone_invitation_code"]}
    nodes = [{"id": str(row[0]), "phone": row[1], "invitedAt": _moment(row[2])} for row in rows]
    return _answer({"me": {**shown, "invitedClients": {"nodes": nodes[:first]}}})


async def login(request: Request) -> Response:
    asked = orjson.loads(await request.body())["variables"]
    phone, code = asked["phone"], asked["code"]
    async with request.app.state.pool.acquire() as database:
        hits = await _consume(database, "127.0.0.1", "guesses of an address")
        live = await database.fetchrow(statements.COUNT_GUESS, phone, 3, keys.code_key_ids)
        hits += await _consume(database, phone, "guesses of a phone")
        of_code = {name: live[name] for name in ("key_id", "nonce", "length")}
        if not compare_digest(code, keys.code(phone, **of_code)):
            return _answer({"login": None})
        client = await database.fetchrow(statements.BY_PHONE, phone)
        await database.fetch(statements.CONSUME_CODE, phone, live["nonce"], phone[:6])
        refunded = [hit["key"] for hit in hits], [hit["at"] for hit in hits]
        await database.fetch(statements.REFUND, *refunded)
        identity = client["id"], phone, uuid4(), token_bytes(16)
        session = await database.fetchrow(
            statements.START_SESSION, *identity, *LIVES, None, "127.0.0.1"
        )
        await database.fetch(statements.TRIM_SESSIONS, client["id"], None)
    token, expires_at = issued(client["id"], session["id"], now=datetime.now(UTC))
    signed_in = {
        "accessToken": token,
        "expiresAt": _moment(expires_at),
        "refreshToken": refresh_tokens.issue(
            session["id"], client_id=client["id"], generation=0, nonce=session["nonce"]
        ),
        "client": _shown(client),
    }
    return _answer({"login": signed_in})


async def _consume(database: Any, subject: str, action: str) -> list[Any]:
    key = keys.pseudonym(subject, purpose=action)
    counts, periods = RATES[action]
    hits: list[Any] = await database.fetch(statements.CONSUME, [key] * len(counts), counts, periods)
    return hits


def _shown(client: Any) -> dict[str, Any]:
    phone, code = client["phone"], client["invitation_code"]
    return {"id": str(client["id"]), "phone": phone, "invitationCode": code}


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def _answer(data: dict[str, Any]) -> Response:
    return Response(orjson.dumps({"data": data}), media_type="application/json")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with pool_of_connections() as app.state.pool:
        yield


routes = [Route("/me", me, methods=["POST"]), Route("/login", login, methods=["POST"])]
serve(Starlette(routes=routes, lifespan=lifespan))
