import re
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256

import httpx
import pytest

from connect_hub.api.transport import graphiql
from connect_hub.app import create_app
from connect_hub.settings import Settings
from tests.support.hub import Hub


async def _answer(settings: Settings, method: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        return await http.request(method, "/graphql", headers=headers)


@pytest.mark.parametrize("path", ["/graphql", "/healthz", "/readyz", "/nowhere"])
@pytest.mark.parametrize("host", ["hub", "elsewhere"])
async def test_every_response_has_the_security_headers(hub: Hub, path: str, host: str) -> None:
    response = await hub.http.get(path, headers={"Host": host})
    policy = response.headers["content-security-policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "strict-transport-security" not in response.headers


async def test_hsts_header_is_sent_if_the_setting_is_set(
    settings: Settings,
) -> None:
    behind_tls = settings.model_copy(update={"hsts": timedelta(days=365)})
    response = await _answer(behind_tls, "GET")
    assert response.headers["strict-transport-security"] == "max-age=31536000"


def test_policy_of_graphiql_from_a_cdn_allows_only_its_assets() -> None:
    response = graphiql.from_cdn()
    text = bytes(response.body).decode()
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    named = re.findall(r'(?:src|href)="(https://[^"]+\.(?:js|css))"', text)
    assert len(named) >= 5
    for asset in named:
        assert asset in policy["style-src" if asset.endswith("css") else "script-src"].split()
    for script in re.findall(r"<script>(.*?)</script>", text, re.DOTALL):
        digest = b64encode(sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy["script-src"]
    assert "unsafe" not in policy["script-src"]


async def test_graphiql_can_be_switched_off(settings: Settings) -> None:
    without = settings.model_copy(update={"graphiql": False})
    assert (await _answer(without, "GET", Accept="text/html")).status_code == 406


async def test_only_configured_origins_get_cors_headers(settings: Settings) -> None:
    named = settings.model_copy(update={"cors_origins": ("https://app.example",)})
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    allowed = await _answer(named, "OPTIONS", Origin="https://app.example", **preflight)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-credentials" not in allowed.headers
    for origin in ("https://evil.example", "https://app.example.evil.example", "null"):
        refused = await _answer(named, "OPTIONS", Origin=origin, **preflight)
        assert "access-control-allow-origin" not in refused.headers


async def test_failure_outside_of_graphql_has_the_usual_format(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await hub.person()

    def broken(*_: object) -> None:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr("connect_hub.api.transport.http.media_type_for", broken)
    response = await hub.post("{ me { id } }", token=person.token)
    assert response.status_code == 500
    (error,) = response.json()["errors"]
    request_id = response.headers["x-request-id"]
    assert error["extensions"] == {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id}
    assert "1234" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
