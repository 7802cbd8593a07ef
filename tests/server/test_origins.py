"""Web pages of other origins, and the Host headers that are accepted."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.types import Message

from connect_hub.api.transport import websocket
from connect_hub.app import create_app
from connect_hub.settings import Settings
from tests.support.hub import Hub

PREFLIGHT = {"Access-Control-Request-Method": "POST"}
EQUAL = [  # a setting, and the origin of a page or an app
    ("https://app.example", "https://app.example"),
    ("https://app.example/", "https://app.example"),
    ("https://app.example:443", "https://app.example"),
    ("https://app.example", "https://app.example:443"),
    ("http://app.example", "http://app.example:80"),
    ("HTTPS://App.Example", "https://app.example"),
    ("https://app.example", "https://APP.example"),
    ("https://app.example.", "https://app.example"),
    ("https://app.example", "https://app.example."),
    ("https://bücher.example", "https://xn--bcher-kva.example"),
    ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ("http://[::1]:3000", "http://[0:0:0:0:0:0:0:1]:3000"),
    ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
    ("capacitor://localhost", "capacitor://localhost"),
    ("Capacitor://Localhost", "capacitor://localhost"),
    ("ionic://localhost", "ionic://localhost"),
    ("tauri://localhost", "tauri://localhost"),
    ("http://tauri.localhost", "http://tauri.localhost"),
    ("app://", "app://"),
    ("file://", "file://"),
    ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
    ("*", "https://anything.example"),
]
DIFFERENT = [
    ("https://app.example", "http://app.example"),
    ("https://app.example", "https://app.example:8443"),
    ("https://app.example", "https://app.example:80"),
    ("http://app.example:443", "https://app.example"),
    ("https://app.example", "https://evil.example"),
    ("https://app.example", "https://app.example.evil.example"),
    ("https://app.example", "https://app.example@evil.example"),
    ("https://app.example", "https://app.example/path"),
    ("https://app.example", "null"),
    ("https://app.example", ""),
    ("https://app.example", "*"),
    ("capacitor://localhost", "http://localhost"),
    ("capacitor://localhost", "ionic://localhost"),
    ("chrome-extension://abcdefghijklmnop", "chrome-extension://ponmlkjihgfedcba"),
]
WRONG = [
    "null",
    "app.example",
    "//app.example",
    "https://",
    "https:///",
    "https://app.example/path",
    "https://app.example?query",
    "https://app.example#fragment",
    "https://user@app.example",
    "https://app.example:99999",
    "https://app.example:port",
    "https://*.app.example",
    "https://app example",
    "https://[::1",
]


def _client(settings: Settings, **more: Any) -> httpx.AsyncClient:
    app = create_app(Settings(_env_file=None, **{**settings.model_dump(), **more}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://hub")


@pytest.mark.parametrize(("named", "origin"), EQUAL)
async def test_page_of_an_allowed_origin_gets_cors_headers(
    settings: Settings, named: str, origin: str
) -> None:
    async with _client(settings, cors_origins=named) as http:
        preflight = await http.options("/graphql", headers={"Origin": origin, **PREFLIGHT})
        answer = await http.get("/healthz", headers={"Origin": origin})
    assert preflight.status_code == 200
    for response in (preflight, answer):
        assert response.headers["access-control-allow-origin"] in {origin, "*"}


@pytest.mark.parametrize(("named", "origin"), DIFFERENT)
async def test_page_of_another_origin_gets_no_cors_headers(
    settings: Settings, named: str, origin: str
) -> None:
    async with _client(settings, cors_origins=named) as http:
        preflight = await http.options("/graphql", headers={"Origin": origin, **PREFLIGHT})
        answer = await http.get("/healthz", headers={"Origin": origin})
    assert preflight.status_code == 400
    for response in (preflight, answer):
        assert "access-control-allow-origin" not in response.headers
        assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize(
    ("named", "origin", "status"),
    [(*case, 503) for case in EQUAL] + [(*case, 403) for case in DIFFERENT],
)
async def test_only_pages_of_allowed_origins_open_websockets(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, named: str, origin: str, status: int
) -> None:
    monkeypatch.setattr(websocket, "MAX_CONNECTIONS", 0)  # so allowed origins get 503
    for name in ("cors_origins", "public_url"):
        if name == "cors_origins" or named.lower().startswith("http"):
            app = create_app(Settings(_env_file=None, **{**settings.model_dump(), name: named}))
            assert await _socket_status(app, origin) == status


async def _socket_status(app: Starlette, origin: str) -> int:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/graphql/",
        "headers": [(b"host", b"hub"), (b"origin", origin.encode())],
        "subprotocols": ["graphql-transport-ws"],
        "client": ("127.0.0.1", 1),
        "extensions": {"websocket.http.response": {}},
    }
    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("setting", ["CORS_ORIGINS", "PUBLIC_URL"])
def test_invalid_origin_in_settings_is_rejected(
    monkeypatch: pytest.MonkeyPatch, setting: str, wrong: str
) -> None:
    monkeypatch.setenv(setting, wrong)
    with pytest.raises(ValidationError, match="such as 'https"):
        Settings(_env_file=None)


@pytest.mark.parametrize("app", ["capacitor://localhost", "file://", "ws://app.example"])
def test_public_url_is_a_web_address(monkeypatch: pytest.MonkeyPatch, app: str) -> None:
    monkeypatch.setenv("PUBLIC_URL", app)
    with pytest.raises(ValidationError, match="such as 'https"):
        Settings(_env_file=None)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://App.Example.com:443/", "app.example.com"),
        ("https://app.example.com.", "app.example.com"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("http://127.0.0.1:8000", None),
        ("http://[::1]:8000", None),
        ("http://localhost:8000", None),
    ],
)
def test_local_names_are_not_the_public_host(url: str, host: str | None) -> None:
    assert Settings(_env_file=None, public_url=url).public_host == host


@pytest.mark.parametrize(
    "requested",
    [
        "authorization, content-type",
        "traceparent,tracestate,baggage",
        "apollo-require-preflight,x-apollo-operation-name",
        "sentry-trace, x-request-id",
        "X-Anything",
    ],
)
async def test_pages_may_send_any_header(settings: Settings, requested: str) -> None:
    headers = {"Origin": "https://app.example", "Access-Control-Request-Headers": requested}
    async with _client(settings, cors_origins="https://app.example") as http:
        for method in ("GET", "HEAD", "POST"):
            sent_headers = {**headers, "Access-Control-Request-Method": method}
            response = await http.options("/graphql", headers=sent_headers)
            assert response.status_code == 200
            assert response.headers["access-control-allow-headers"] == requested
            assert "access-control-allow-credentials" not in response.headers
            assert int(response.headers["access-control-max-age"]) >= 600
        sent_headers = {**headers, "Access-Control-Request-Method": "DELETE"}
        assert (await http.options("/graphql", headers=sent_headers)).status_code == 400


async def test_public_pages_may_call_a_server_in_a_private_network(settings: Settings) -> None:
    sent_headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Private-Network": "true",
    }
    async with _client(settings, cors_origins="https://app.example") as http:
        response = await http.options("/graphql", headers={**sent_headers, **PREFLIGHT})
    assert response.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/graphql", {}, 415),
        ("POST", "/graphql", {"Content-Type": "application/json"}, 400),
        ("POST", "/graphql", {"Accept": "text/plain"}, 406),
        ("PUT", "/graphql", {}, 405),
        ("GET", "/nothing", {}, 404),
        ("POST", "/healthz", {}, 405),
        ("POST", "/graphql", {"Host": "elsewhere"}, 400),
        ("GET", "/.well-known/jwks.json", {}, 200),
    ],
)
async def test_pages_may_read_the_headers_of_a_rejection(
    settings: Settings, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    sent_headers = {"Origin": "https://app.example", **headers}
    async with _client(settings, cors_origins="https://app.example") as http:
        response = await http.request(method, path, headers=sent_headers)
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {"Date", "X-Request-ID", "Retry-After", "WWW-Authenticate"} <= {*exposed}


async def test_pages_may_read_an_internal_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("connect_hub.api.transport.http.media_type_for", broken)
    async with _client(settings, cors_origins="https://app.example") as http:
        response = await http.get("/graphql", headers={"Origin": "https://app.example"})
    assert response.status_code == 500
    assert response.headers["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("localhost", "localhost"),
        ("localhost", "localhost."),
        ("localhost", "LOCALHOST:8000"),
        ("localhost", "localhost.:8000"),
        ("localhost", "localhost:80"),
        ("localhost.", "localhost"),
        ("Hub.Example", "hub.example"),
        ("[::1]", "[::1]:8000"),
        ("[::1]", "[0:0:0:0:0:0:0:1]"),
        ("127.0.0.1", "127.0.0.1:443"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.example", "hub.example."),
        ("*.example", "a.b.example"),
        ("connect_hub", "connect_hub"),
        ("*", "anything"),
    ],
)
async def test_allowed_host_is_served(settings: Settings, allowed: str, host: str) -> None:
    async with _client(settings, allowed_hosts=allowed) as http:
        for _ in range(2):  # the second one is remembered
            response = await http.get("/graphql?query={__typename}", headers={"Host": host})
            assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("localhost", ""),
        ("localhost", "localhost.."),
        ("localhost", "elsewhere"),
        ("localhost", "elsewhere.localhost"),
        ("localhost", "localhost@elsewhere"),
        ("localhost", "elsewhere@localhost"),
        ("localhost", "localhost/elsewhere"),
        ("localhost", "localhost:port"),
        ("localhost", "localhost, elsewhere"),
        ("*.example", "example"),
        ("*.example", "hub.example.evil"),
        ("*.example", "hubexample"),
        ("*.example", "*.example"),
    ],
)
async def test_other_host_is_rejected(settings: Settings, allowed: str, host: str) -> None:
    async with _client(settings, allowed_hosts=allowed) as http:
        response = await http.get("/graphql?query={__typename}", headers={"Host": host})
    assert response.status_code == 400


@pytest.mark.parametrize("wrong", ["hub:8000", "hub:", "http://hub", "hub/graphql", "h*b", "::1"])
def test_invalid_host_in_settings_is_rejected(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", wrong)
    with pytest.raises(ValidationError, match="without a port"):
        Settings(_env_file=None)


@pytest.mark.parametrize("path", ["/graphql/", "/healthz/", "/readyz/", "/.well-known/jwks.json/"])
async def test_trailing_slash_makes_no_difference(hub: Hub, path: str) -> None:
    response = await hub.http.get(path, params={"query": "{ __typename }"})
    assert response.status_code == 200
