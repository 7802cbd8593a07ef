"""Access tokens for other services: the setting AUDIENCES and the mutation `accessToken`."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from connect_hub.settings import Audience, Settings, StartupError, load
from tests.support.hub import Hub

ISSUE = """
mutation($audience: String!) { accessToken(audience: $audience) {
  __typename ... on AccessTokenIssued { accessToken expiresAt expiresIn }
} }
"""


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.mark.parametrize(
    ("audience", "minutes"), [("billing", 5), ("https://reports.example.com:8443", 15)]
)
async def test_token_for_another_service_has_its_audience_and_lifetime(
    hub: Hub, audience: str, minutes: int
) -> None:
    person = await hub.person()
    issued = (await hub.data(ISSUE, token=person.token, audience=audience))["accessToken"]
    claims, own = _claims(issued["accessToken"]), _claims(person.token)
    assert (claims["aud"], own["aud"]) == (audience, "connect-hub")
    assert claims["exp"] - claims["iat"] == minutes * 60
    assert issued["expiresIn"] in {minutes * 60 - 1, minutes * 60}  # iat is in whole seconds
    assert (claims["sub"], claims["sid"]) == (own["sub"], own["sid"])
    public = jwt.PyJWKSet.from_dict((await hub.http.get("/.well-known/jwks.json")).json())
    jwt.decode(issued["accessToken"], public.keys[0], algorithms=["EdDSA"], audience=audience)


async def test_token_for_another_service_is_rejected_here(hub: Hub) -> None:
    person = await hub.person()
    issued = (await hub.data(ISSUE, token=person.token, audience="billing"))["accessToken"]
    token = issued["accessToken"]
    operations = [
        "{ me { id } }",
        "mutation { endOtherSessions { __typename } }",
        "mutation { deleteAccount { __typename } }",
        'mutation { accessToken(audience: "billing") { __typename } }',
    ]
    for operation in operations:
        response = await hub.post(operation, token=token)
        assert response.status_code == 401, operation
    assert await person.works()


@pytest.mark.parametrize("audience", ["", "connect-hub", "unknown", "billing ", "Billing"])
async def test_token_for_an_unknown_service_is_refused(hub: Hub, audience: str) -> None:
    person = await hub.person()
    answer = (await hub.post(ISSUE, token=person.token, audience=audience)).json()
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "AUDIENCES" in error["message"]


async def test_anonymous_request_for_a_service_token_is_rejected(hub: Hub) -> None:
    assert (await hub.post(ISSUE, audience="billing")).status_code == 401


def test_audiences_are_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIENCES", "billing:5 min, https://reports.example.com:8443:15 min")
    assert load().audiences == (
        Audience("billing", timedelta(minutes=5)),
        Audience("https://reports.example.com:8443", timedelta(minutes=15)),
    )


@pytest.mark.parametrize(
    "value",
    [
        *("billing", "billing:", ":5 min", "billing:0", "bill ing:5 min", "a:5 min,a:6 min"),
        *("connect-hub:5 min", "billing:-5 min", "billing:soon"),
    ],
)
def test_wrong_audiences_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIENCES", value)
    with pytest.raises(StartupError, match="AUDIENCES"):
        load()


def test_audiences_are_empty_by_default() -> None:
    assert Settings(_env_file=None).audiences == ()
