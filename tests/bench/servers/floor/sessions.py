"""Signing in: a code is sent and verified, a session is started and refreshed."""

from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from secrets import token_bytes
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response

from connect_hub.domain.invitation_codes import new_code
from connect_hub.domain.sessions import MAX_SESSIONS
from connect_hub.security.refresh_tokens import RefreshTokens, parse_refresh_token
from tests.bench.servers import statements
from tests.bench.servers.floor.answers import answer, moment, shown, variables_of
from tests.bench.servers.floor.limits import ADDRESS, ORIGIN, RATES, consume, keys, refund
from tests.bench.servers.floor.viewer import LIVES
from tests.bench.servers.tokens import issued

RESEND_AFTER = [timedelta(seconds=seconds) for seconds in (30, 60, 120)]
refresh_tokens = RefreshTokens(keys)


async def request_code(request: Request) -> Response:
    phone = (await variables_of(request))["phone"]
    guesses = keys.pseudonym(phone, purpose="guesses of a phone"), *RATES["guesses of a phone"]
    new = keys.code_key_ids[0], token_bytes(16), 4, timedelta(minutes=5)
    traffic = phone[:6], timedelta(hours=1)
    async with request.app.state.pool.acquire() as database:
        await consume(
            database,
            sends_to_a_phone=phone,
            sends_to_a_phone_from_a_network=f"{phone} {ADDRESS}",
            sends_of_an_address=ADDRESS,
        )
        code = await database.fetchrow(
            statements.ISSUE, phone, *new, RESEND_AFTER, 3, keys.code_key_ids, *guesses, *traffic
        )
    digits = _digits(phone, code)  # and an SMS would be sent
    async with request.app.state.pool.acquire() as database:
        await database.fetchval(statements.RECORD_SENT, phone, code["nonce"], "simulated")
    expires_at = moment(code["expires_at"])
    sent = {"phone": phone, "smsCode": digits, "codeLength": len(digits), "expiresAt": expires_at}
    return answer({"requestCode": sent})


async def register(request: Request) -> Response:
    asked = await variables_of(request)
    async with request.app.state.pool.acquire() as database:
        verified, hits = await _verify(database, asked["phone"], asked["code"])
        new = asked["phone"], uuid4(), new_code(), *ORIGIN
        client = await database.fetchrow(statements.REGISTER, *verified, *new)
        await refund(database, hits)
        return answer({"register": await _start(database, client)})


async def login(request: Request) -> Response:
    asked = await variables_of(request)
    async with request.app.state.pool.acquire() as database:
        verified, hits = await _verify(database, asked["phone"], asked["code"])
        client = await database.fetchrow(statements.BY_PHONE, asked["phone"])
        await database.fetch(statements.CONSUME_CODE, *verified)
        await refund(database, hits)
        return answer({"login": await _start(database, client)})


async def refresh(request: Request) -> Response:
    token = (await variables_of(request))["refresh_token"]
    claims = parse_refresh_token(token)
    assert claims
    async with request.app.state.pool.acquire() as database:
        client = await database.fetchrow(statements.OF_SESSION, claims.session_id)
        assert refresh_tokens.is_genuine(claims, client_id=client["id"], nonce=client["nonce"])
        used = timedelta(seconds=30), claims.branch
        session = await database.fetchrow(
            statements.REFRESH, claims.session_id, claims.generation, *LIVES, ADDRESS, *used
        )
    return answer({"refreshSession": _signed_in(client, session)})


async def _verify(database: Any, phone: str, typed: str) -> tuple[tuple[Any, ...], list[Any]]:
    hits = await consume(database, guesses_of_an_address=ADDRESS)
    code = await database.fetchrow(statements.COUNT_GUESS, phone, 3, keys.code_key_ids)
    hits += await consume(database, guesses_of_a_phone=phone)
    assert compare_digest(typed, _digits(phone, code))
    return (phone, code["nonce"], phone[:6]), hits


def _digits(phone: str, code: Any) -> str:
    return keys.code(phone, **{name: code[name] for name in ("key_id", "nonce", "length")})


async def _start(database: Any, client: Any) -> dict[str, Any]:
    identity = client["id"], client["phone"], uuid4(), token_bytes(16)
    session = await database.fetchrow(
        statements.START_SESSION, *identity, *LIVES, None, ADDRESS, *ORIGIN
    )
    await database.fetch(statements.FIND_SURPLUS, client["id"], MAX_SESSIONS)
    return _signed_in(client, session)


def _signed_in(client: Any, session: Any) -> dict[str, Any]:
    generation, now = session["generation"], datetime.now(UTC)
    token, expires_at = issued(client["id"], session["id"], generation=generation, now=now)
    return {
        "accessToken": token,
        "expiresAt": moment(expires_at),
        "refreshToken": refresh_tokens.issue(
            session["id"], client_id=client["id"], generation=generation, nonce=session["nonce"]
        ),
        "client": shown(client),
    }
