import base64
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import jwt
import pytest

from connect_hub.security.keys import new_secret
from tests.support.documentation import ADDRESS, blocks, section
from tests.support.hub import Hub
from tests.support.processes import Server, serving

PATH = "/.well-known/jwks.json"


async def test_the_public_keys_are_a_jwk_set_named_by_thumbprints(hub: Hub) -> None:
    response = await hub.http.get(PATH)
    assert response.headers["content-type"] == "application/jwk-set+json"
    (key,) = response.json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "kid", "use", "alg"}  # and no d, which is private
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")
    hashed = f'{{"crv":"Ed25519","kty":"OKP","x":"{key["x"]}"}}'  # RFC 7638, 3.1
    thumbprint = base64.urlsafe_b64encode(sha256(hashed.encode()).digest())
    assert key["kid"] == thumbprint.decode().rstrip("=")
    person = await hub.person()
    assert jwt.get_unverified_header(person.token)["kid"] == key["kid"]
    assert jwt.decode(person.token, jwt.PyJWK(key), audience="connect-hub")["sub"] == person.id


async def test_key_set_may_be_cached_and_read_by_any_origin(hub: Hub) -> None:
    response = await hub.http.get(PATH, headers={"Origin": "https://anywhere.example"})
    assert response.headers["cache-control"] == "public, max-age=600"
    assert response.headers["access-control-allow-origin"] == "*"
    tag = response.headers["etag"]
    for sent in (tag, f"W/{tag}", f'"other", {tag}'):
        again = await hub.http.get(PATH, headers={"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "public, max-age=600"
    assert (await hub.http.get(PATH, headers={"If-None-Match": '"other"'})).status_code == 200
    assert (await hub.http.post(PATH)).status_code == 405


def test_documented_code_for_other_services_verifies_our_tokens(
    postgres: str, folder: Path
) -> None:
    (lines,) = blocks("python", section("Our tokens in another service"))
    settings = {"SECRET_KEY": new_secret(), "AUDIENCES": "billing:5 min"}
    with serving(folder / "served", port=0, DATABASE_URL=postgres, **settings) as one:
        service: dict[str, Callable[[str], str]] = {}
        exec(lines.replace(ADDRESS, f"http://127.0.0.1:{one.port}"), service)  # noqa: S102 (ours)
        client, other = one.register(), one.register()
        token, others = (_billing_token(one, each.token) for each in (client, other))
        assert service["client_of"](token) == client.id
        head, claims, _ = token.split(".")
        forged = f"{head}.{claims}.{others.split('.')[2]}"
        for wrong in ("x", "", client.token, forged, f"{head}.{claims}."):
            with pytest.raises(jwt.PyJWTError):
                service["client_of"](wrong)


def _billing_token(server: Server, token: str) -> str:
    query = """mutation { accessToken(audience: "billing") {
        ... on AccessTokenIssued { accessToken }
    } }"""
    issued: str = server.ask(query, token=token)["accessToken"]
    return issued
