import base64
import json
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import Response

from connect_hub.database.connections import fetch
from connect_hub.security.access_tokens import (
    AccessToken,
    AccessTokens,
    ExpiredTokenError,
    InvalidTokenError,
)
from connect_hub.security.keys import Keys, new_secret
from connect_hub.server.authentication import TokenBackend
from connect_hub.settings import Settings
from tests.support.hub import APPLY_INVITE, CLIENT, ME, REQUEST_CODE, SIGN_IN, Hub

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _tokens(secret: str | None = None, **other: Any) -> AccessTokens:
    options = {"issuer": "connect-hub", "audience": "connect-hub", "lifetime": timedelta(hours=1)}
    return AccessTokens(Keys(secret or new_secret()), **{**options, **other})


def _issued(tokens: AccessTokens, client_id: UUID | None = None) -> AccessToken:
    return tokens.issue(client_id or uuid4(), session_id=uuid4(), generation=0, now=NOW)


def _signing_key(secret: str) -> Ed25519PrivateKey:
    (seed,) = Keys(secret).derive("access token")
    return Ed25519PrivateKey.from_private_bytes(seed)


def _forged(token: str, *, header: dict[str, Any], secret: str, **claims: Any) -> str:
    """Sign one of our tokens again, with other claims and the right key."""
    payload = {**jwt.decode(token, options={"verify_signature": False}), **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(
        payload, _signing_key(secret), "EdDSA", {**jwt.get_unverified_header(token), **header}
    )


async def test_request_without_a_token_has_no_viewer(hub: Hub) -> None:
    assert await hub.data(ME + CLIENT) == {"me": None}


async def test_token_identifies_its_client(hub: Hub) -> None:
    person = await hub.person()
    me = await person.me()
    assert (me["id"], me["phone"]) == (person.id, person.phone)


async def test_token_has_only_the_claims_that_other_services_need(hub: Hub) -> None:
    token = (await hub.person()).token
    header, claims = (
        jwt.get_unverified_header(token),
        jwt.decode(token, options={"verify_signature": False}),
    )
    assert (header["alg"], header["typ"]) == ("EdDSA", "at+jwt")
    assert claims.keys() == {"iss", "aud", "sub", "sid", "gen", "jti", "iat", "exp"}
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic dXNlcjpwYXNz", "", "Bearer \xff\xfe"],
)
async def test_invalid_token_is_rejected_where_a_viewer_is_required(hub: Hub, header: str) -> None:
    for query in ("{ me { id } }", 'mutation { applyInvite(invitationCode: "A") { __typename } }'):
        response = await hub.http.post(
            "/graphql",
            json={"query": query},
            headers={b"Authorization": header.encode("latin-1")},
        )
        _check_unauthenticated(response)


async def test_token_of_a_deleted_client_is_rejected(hub: Hub) -> None:
    person = await hub.person()
    await fetch("DELETE FROM client")
    _check_unauthenticated(await hub.post(ME + CLIENT, token=person.token))


async def test_apply_invite_needs_a_token(hub: Hub) -> None:
    _check_unauthenticated(await hub.post(APPLY_INVITE + CLIENT, code="AAAAAA"))


async def test_sign_in_operations_ignore_the_token(hub: Hub) -> None:
    phone = "+79991234567"
    sent = await hub.data(REQUEST_CODE, phone=phone, token="bad")
    code = sent["requestCode"]["smsCode"]
    for verb in ("login", "register"):
        answer = await hub.data(SIGN_IN % verb + CLIENT, phone=phone, code=code, token="bad")
    assert answer["register"]["__typename"] == "SignedIn"


async def test_partial_success_has_status_200(hub: Hub) -> None:
    response = await hub.post("{ __typename me { id } }", token="bad")
    assert response.status_code == 200
    answer = response.json()
    assert answer["data"] == {"__typename": "Query", "me": None}
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert answer["errors"][0]["path"] == ["me"]


ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def _variants(part: str) -> Iterator[str]:
    """Encode a part of a token in other ways that lenient decoders accept."""
    yield from (part + more for more in ("=", "==", "===", "====", "\n", " ", "\t", "!", "\u00e9"))
    yield from (f"{part[:4]}{more}{part[4:]}" for more in ("\n", " ", "=", "*", "\u200b"))
    yield f" {part}"
    standard = part.replace("-", "+").replace("_", "/")
    yield from {standard} - {part}
    unused = {0: 0, 2: 4, 3: 2}[len(part) % 4]  # bits of the last character
    last = ALPHABET.index(part[-1])
    yield from (part[:-1] + ALPHABET[last ^ bits] for bits in range(1, 2**unused))


@pytest.mark.parametrize("place", [0, 1, 2], ids=["header", "claims", "signature"])
def test_token_in_a_non_canonical_encoding_is_rejected(place: int) -> None:
    tokens = _tokens()
    for _ in range(10):  # until one has each of - and _
        parts = _issued(tokens).value.split(".")
        tokens.verify(".".join(parts), now=NOW)
        for variant in _variants(parts[place]):
            token = ".".join([*parts[:place], variant, *parts[place + 1 :]])
            with pytest.raises(InvalidTokenError):
                tokens.verify(token, now=NOW)


async def test_characters_after_a_token_are_rejected(hub: Hub) -> None:
    person = await hub.person()
    for more in ("==", "\xa0", "\x85"):
        _check_unauthenticated(await hub.post("{ me { id } }", token=f"{person.token}{more}"))
    assert await person.works()


async def test_refresh_token_in_a_non_canonical_encoding_is_rejected(hub: Hub) -> None:
    person = await hub.person()
    parts = person.refresh_token.split(".")
    for place, part in enumerate(parts):
        others = [f"0{part}", f"+{part}"] if part.isdigit() else _variants(part)
        for variant in others:
            token = ".".join([*parts[:place], variant, *parts[place + 1 :]])
            assert (await person.refresh(token))["__typename"] == "InvalidRefreshTokenError"
    assert (await person.refresh())["__typename"] == "SignedIn"


def test_token_is_accepted_until_a_minute_after_its_expiry() -> None:
    tokens, client = _tokens(), uuid4()
    token = _issued(tokens, client).value
    for minutes in (-1, 0, 60, 60.9):
        assert tokens.verify(token, now=NOW + timedelta(minutes=minutes)).client_id == client
    for minutes, reason in ((-1.1, "future"), (61, "expired"), (1e6, "expired")):
        with pytest.raises(InvalidTokenError, match=reason):
            tokens.verify(token, now=NOW + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": "JWT"}, {}),
        ({"typ": None}, {}),
        ({"kid": "other"}, {}),
        ({}, {"iss": "other"}),
        ({}, {"aud": "other"}),
        ({}, {"aud": ["other"]}),
        ({}, {"sub": "1"}),
        ({}, {"sub": None}),
        ({}, {"exp": None}),
        ({}, {"exp": "soon"}),
        ({}, {"exp": 10**30}),
        ({}, {"iat": -(10**30)}),
        ({}, {"iat": None}),
        ({}, {"jti": None}),
        ({}, {"sid": None}),
        ({}, {"sid": 1}),
        ({}, {"sid": ["x"]}),
        ({}, {"sid": "x"}),
        ({}, {"gen": None}),
        ({}, {"gen": True}),
        ({}, {"gen": 0.0}),
        ({}, {"gen": "0"}),
        ({}, {"gen": 10**30}),
    ],
)
def test_token_with_other_claims_is_rejected(
    header: dict[str, Any], claims: dict[str, Any]
) -> None:
    secret = new_secret()
    tokens = _tokens(secret)
    good = _issued(tokens).value
    forged = _forged(good, header=header, secret=secret, **claims)
    with pytest.raises(InvalidTokenError):
        tokens.verify(forged, now=NOW)
    tokens.verify(_forged(good, header={}, secret=secret), now=NOW)


def test_tokens_of_other_algorithms_are_rejected() -> None:
    secret = new_secret()
    tokens = _tokens(secret)
    good = _issued(tokens).value
    claims = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)
    none = jwt.encode(claims, "", "none", {**header, "alg": "none"})
    public = _signing_key(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    hs256 = jwt.encode(claims, public, "HS256", {**header, "alg": "HS256"})
    other_key = jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", header)
    for forged in (none, hs256, other_key, good[:-4] + "AAAA", good + "\ud800", "\ud800.a.b"):
        with pytest.raises(InvalidTokenError):
            tokens.verify(forged, now=NOW)


def test_each_secret_of_several_verifies_and_the_first_signs() -> None:
    old, new = new_secret(), new_secret()
    before, both, after = _tokens(old), _tokens(f"{new}, {old}"), _tokens(new)
    early, late = (_issued(t).value for t in (before, both))
    both.verify(early, now=NOW)
    both.verify(late, now=NOW)
    after.verify(late, now=NOW)
    with pytest.raises(InvalidTokenError):
        after.verify(early, now=NOW)


def test_no_repr_contains_a_token(settings: Settings) -> None:
    token = _issued(_tokens())
    assert token.value not in repr(token)
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() not in repr(settings)


def test_each_part_of_a_token_follows_the_rfcs() -> None:
    header, payload, signature = _issued(_tokens()).value.split(".")
    for part in (header, payload):
        json.loads(base64.urlsafe_b64decode(part + "=="))
    assert len(base64.urlsafe_b64decode(signature + "==")) == 64


def _check_unauthenticated(response: Any) -> None:
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    answer = response.json()
    assert "data" not in answer
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert error["message"].endswith(".")


async def test_application_authenticates_in_the_middleware_of_starlette(app: Starlette) -> None:
    installed: dict[Any, Any] = {one.cls: one.kwargs for one in app.user_middleware}
    assert isinstance(installed[AuthenticationMiddleware]["backend"], TokenBackend)


async def test_the_middleware_puts_the_user_of_a_token_into_the_scope() -> None:
    tokens, client_id = _tokens(), uuid4()
    now = datetime.now(UTC)
    fresh = tokens.issue(client_id, session_id=uuid4(), generation=0, now=now).value
    expired = tokens.issue(client_id, session_id=uuid4(), generation=0, now=NOW).value
    scopes: list[Any] = []

    async def collect(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await Response()(scope, receive, send)

    served = AuthenticationMiddleware(collect, backend=TokenBackend(tokens))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served)) as http:
        for value in (f"Bearer {fresh}", f"Bearer {expired}", "Basic eA==", None):
            headers = {"Authorization": value} if value else {}
            assert (await http.get("http://hub", headers=headers)).status_code == 200
    users = [scope["user"] for scope in scopes]
    assert [user.is_authenticated for user in users] == [True, False, False, False]
    assert users[0].identity == str(client_id)
    assert isinstance(users[1].reason, ExpiredTokenError)
    assert "as 'Bearer'" in str(users[2].reason)
    assert [scope["auth"].scopes for scope in scopes] == [["client"], [], [], []]
