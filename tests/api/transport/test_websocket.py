"""Connections by WebSocket: which are accepted, for how long, and for which operations."""

import asyncio
import json
import socket
import time
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.types import Message
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from connect_hub.api.transport import connection, messages, subscriptions
from connect_hub.api.transport import websocket as served
from connect_hub.app import create_app
from connect_hub.database.connections import fetch, transaction
from connect_hub.domain import live_updates
from connect_hub.security.access_tokens import AccessTokens
from connect_hub.security.keys import Keys
from connect_hub.server.uvicorn_options import OPTIONS
from connect_hub.server.websocket_protocol import LimitedWebSocketProtocol
from connect_hub.settings import Settings
from connect_hub.sms import SimulatedSender
from tests.support.hub import Hub, Person
from tests.support.sockets import SUBSCRIPTION, Socket, Sockets

BEARER = {"Authorization": "Bearer x"}


def test_close_reasons_fit_into_their_frame() -> None:
    closes = [value for value in vars(messages).values() if isinstance(value, messages.Close)]
    assert len(closes) > 10
    assert all(len(close.reason.encode()) <= 123 for close in closes)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        [],
        "Bearer x",
        {"Authorization": None},
        {"Authorization": ["Bearer x"]},
        {"Authorization": "Bearer x", "authorization": "Bearer y"},
    ],
)
async def test_connection_without_a_token_is_closed(sockets: Sockets, payload: Any) -> None:
    async with sockets.connected() as socket:
        await socket.send("connection_init", payload=payload)
        code, reason = await socket.end()
    assert (code, "connection_init" in (reason or "")) == (4401, True)


@pytest.mark.parametrize("text", ["Bearer", "Bearer ", "Bearer x", "Basic x", "", "x", "\0"])
async def test_invalid_token_is_rejected(sockets: Sockets, text: str) -> None:
    async with sockets.connected() as socket:
        await socket.send("connection_init", payload={"Authorization": text})
        assert (await socket.end())[0] == 4401


async def test_authorization_key_is_case_insensitive(hub: Hub, sockets: Sockets) -> None:
    person = await hub.person()
    async with sockets.connected() as socket:
        await socket.send("connection_init", payload={"aUTHORIZATION": f"bearer {person.token}"})
        assert await socket.receive() == {"type": "connection_ack"}


async def test_token_of_an_ended_session_is_rejected(hub: Hub, sockets: Sockets) -> None:
    person = await hub.person()
    await person.end_this()
    async with sockets.connected() as socket:
        await socket.send("connection_init", payload={"Authorization": f"Bearer {person.token}"})
        assert await socket.end() == (4401, "The session of this token has ended; sign in again.")


async def test_expired_token_is_rejected_with_4403(
    hub: Hub, sockets: Sockets, settings: Settings
) -> None:
    token = await _expiring(await hub.person(), settings, left=timedelta())
    async with sockets.connected() as socket:
        await socket.send("connection_init", payload={"Authorization": f"Bearer {token}"})
        assert await socket.end() == (
            4403,
            "The bearer token has expired; refresh it and connect again.",
        )


async def test_connection_closes_when_its_token_expires(
    hub: Hub, sockets: Sockets, settings: Settings
) -> None:
    token = await _expiring(await hub.person(), settings, left=timedelta(seconds=2))
    async with sockets.subscribed(token) as socket:
        assert (await socket.end())[0] == 4403


@pytest.mark.parametrize("how", ["end_this", "delete"])
async def test_connection_closes_with_its_session(hub: Hub, sockets: Sockets, how: str) -> None:
    person = await hub.person()
    async with sockets.subscribed(person.token) as one, sockets.connected(person.token) as other:
        await getattr(person, how)()
        for socket in (one, other):
            assert await socket.end() == (4401, "The session has ended; sign in again.")


async def test_connection_closes_when_another_session_ends_all_others(
    hub: Hub, sockets: Sockets
) -> None:
    person = await hub.person()
    async with sockets.subscribed(person.token) as ended:
        await fetch("DELETE FROM sign_in_code")
        here = await person.sign_in()
        async with sockets.subscribed(here.token) as kept:
            await here.end_others()
            assert (await ended.end())[0] == 4401
            await kept.ping()


async def test_connection_closes_when_its_session_is_swept(hub: Hub, sockets: Sockets) -> None:
    person = await hub.person()
    async with sockets.subscribed(person.token) as socket:
        await socket.ping()
        await fetch("DELETE FROM session WHERE client_id = $1", person.id)
        assert (await socket.end())[0] == 4401


async def test_connection_without_init_is_closed_after_a_timeout(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "INIT_TIMEOUT", timedelta(seconds=0.05))
    async with sockets.connected() as socket:
        assert await socket.end() == (4408, "Send connection_init within 5 seconds.")


async def test_connection_init_must_come_first_and_once(hub: Hub, sockets: Sockets) -> None:
    async with sockets.connected() as socket:
        await socket.subscribe()
        assert (await socket.end())[0] == 4401
    person = await hub.person()
    async with sockets.connected(person.token) as socket:
        await socket.send("connection_init", payload=BEARER)
        assert (await socket.end())[0] == 4429


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "null",
        "1",
        "[]",
        "{}",
        '{"type": 1}',
        '{"type": "start"}',
        '{"type": "next"}',
        "[" * 10_000,
        b"{}",
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": ""}',
        '{"type": "subscribe", "id": 1, "payload": {}}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": "1", "payload": []}',
        '{"type": "complete"}',
        json.dumps({"type": "complete", "id": "x" * 129}),
    ],
)
async def test_invalid_message_closes_the_connection(
    hub: Hub, sockets: Sockets, text: str | bytes
) -> None:
    person = await hub.person()
    async with sockets.connected(person.token) as socket:
        await socket.connection.send(text)
        assert (await socket.end())[0] == 4400


async def test_id_of_an_active_subscription_is_rejected(hub: Hub, sockets: Sockets) -> None:
    person = await hub.person()
    async with sockets.subscribed(person.token) as socket:
        await socket.send("complete", id="1")
        await socket.send("complete", id="unknown")
        await socket.subscribe()
        await socket.subscribe()
        assert (await socket.end())[0] == 4409


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ me { id } }", "BAD_REQUEST"),
        ("mutation { endSession { __typename } }", "BAD_REQUEST"),
        ("{ __schema { types { name } } }", "BAD_REQUEST"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { clientInvited }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { a: clientInvited { id } b: clientInvited { id } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            f"subscription {{ clientInvited {{ {' '.join(f'a{n}: id' for n in range(16))} }} }}",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("subscription { clientInvited @skip(if: true) { id } }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription($id: Int!) { clientInvited { id @skip(if: $id) } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("subscription($b: Boolean!) { clientInvited { id @skip(if: $b) } }", "BAD_USER_INPUT"),
    ],
)
async def test_invalid_subscription_is_rejected_without_closing_the_connection(
    hub: Hub, sockets: Sockets, query: str, code: str
) -> None:
    owner, guest = await hub.people(2)
    async with sockets.connected(owner.token) as socket:
        await socket.subscribe(query)
        assert (await socket.refusal())["extensions"] == {"code": code}
        await socket.subscribe()
        await guest.apply(owner.invitation_code)
        assert await socket.events(1) == [guest.id]


@pytest.mark.parametrize(
    "payload", [{}, {"query": 1}, {"query": SUBSCRIPTION, "variables": []}, {"documentId": 1}]
)
async def test_payload_without_an_operation_is_rejected(
    hub: Hub, sockets: Sockets, payload: Any
) -> None:
    person = await hub.person()
    async with sockets.connected(person.token) as socket:
        await socket.send("subscribe", id="1", payload=payload)
        assert (await socket.refusal())["extensions"] == {"code": "BAD_REQUEST"}


async def test_subscription_by_http_is_directed_to_websocket(hub: Hub) -> None:
    person = await hub.person()
    response = await hub.post(SUBSCRIPTION, token=person.token)
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert "WebSocket" in error["message"]


async def test_subscriptions_of_a_connection_are_limited(
    hub: Hub, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_SUBSCRIPTIONS", 2)
    person = await hub.person()
    async with sockets.connected(person.token) as socket:
        for name in "123":
            await socket.subscribe(name=name)
        assert "complete one" in (await socket.refusal("3"))["message"]
        await socket.send("complete", id="1")
        await socket.subscribe(name="3")
        await socket.ping()


async def test_subscription_that_times_out_closes_the_connection(
    hub: Hub, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await hub.person()
    monkeypatch.setattr(subscriptions, "START_TIMEOUT", timedelta(seconds=0.1))
    async with sockets.connected(owner.token) as socket, transaction():
        await fetch("LOCK TABLE session")
        await socket.subscribe()
        async with asyncio.timeout(5):
            assert await socket.end() == messages.DATABASE_UNAVAILABLE


async def test_connections_of_a_client_are_limited(hub: Hub, sockets: Sockets) -> None:
    one, other = await hub.people(2)
    async with AsyncExitStack() as held:
        for _ in range(served.MAX_PER_CLIENT):
            await held.enter_async_context(sockets.connected(one.token))
        crowded = await held.enter_async_context(sockets.connected())
        await crowded.send("connection_init", payload={"Authorization": f"Bearer {one.token}"})
        assert await crowded.end() == messages.TOO_MANY_CONNECTIONS
        await held.enter_async_context(sockets.connected(other.token))
    async with sockets.connected(one.token):
        pass  # the slot is free again


async def test_unauthenticated_connections_of_an_address_are_limited(
    hub: Hub, sockets: Sockets
) -> None:
    person = await hub.person()
    here: dict[str, Any] = {"headers": {"X-Forwarded-For": "192.0.2.1"}}
    async with AsyncExitStack() as strangers:
        for _ in range(served.MAX_UNAUTHENTICATED):
            await strangers.enter_async_context(sockets.connected(**here))
        refused = await _refused(sockets, **here)
        assert refused == (429, "Too many connections from your address: send connection_init.\n")
        async with sockets.connected(person.token):
            pass  # from another address
    async with sockets.connected(person.token, **here):
        pass


async def test_connections_of_a_process_are_limited(
    settings: Settings, sender: SimulatedSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "MAX_CONNECTIONS", 0)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/graphql",
        "headers": [(b"host", b"hub")],
        "subprotocols": ["graphql-transport-ws"],
        "client": ("127.0.0.1", 1),
        "extensions": {"websocket.http.response": {}},
    }
    await create_app(settings, sender)(scope, _nothing, send)
    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 503)


async def _nothing() -> Message:
    return {"type": "websocket.connect"}


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://hub", None),
        ("https://HUB", None),
        ("https://hub:443", None),
        ("http://hub:80", None),
        ("http://hub.", None),
        ("http://hub:443", 403),
        ("https://hub:8443", 403),
        ("https://hub.evil.example", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("hub", 403),
        ("http://[", 403),
        ("", 403),
    ],
)
async def test_pages_of_other_origins_are_rejected(
    sockets: Sockets, origin: str, status: int | None
) -> None:
    refused = await _refused(sockets, headers={"Origin": origin})
    assert (refused[0] if refused else None) == status


async def test_websocket_to_a_foreign_host_is_rejected(
    sockets: Sockets, caplog: pytest.LogCaptureFixture
) -> None:
    uri = "ws://evil.example/graphql"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(uri, host="127.0.0.1", port=sockets.port, proxy=None):
            pass
    assert refused.value.response.status_code == 400
    assert [log for log in caplog.records if log.levelname == "ERROR"] == []  # a normal rejection


@pytest.mark.parametrize("protocols", [None, ["graphql-ws"], ["x", "y"]])
async def test_other_subprotocols_are_rejected(
    sockets: Sockets, protocols: list[str] | None
) -> None:
    refused = await _refused(sockets, subprotocols=protocols)
    assert refused == (400, "Connect with the subprotocol graphql-transport-ws.\n")


async def test_rejected_handshake_has_the_usual_headers(sockets: Sockets) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with sockets.connected(subprotocols=None):
            pass
    headers = refused.value.response.headers
    assert len(headers["X-Request-ID"]) == 32
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_websockets_to_other_paths_are_rejected(sockets: Sockets) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect("ws://hub/", host="127.0.0.1", port=sockets.port, proxy=None):
            pass
    assert refused.value.response.status_code == 403


async def test_messages_are_limited_in_size(hub: Hub, sockets: Sockets) -> None:
    person = await hub.person()
    async with sockets.connected(person.token) as socket:
        await socket.connection.send("x" * (16 * 1024 + 1))
        assert (await socket.end())[0] == 1009


async def test_messages_are_limited_in_fragments(hub: Hub, sockets: Sockets) -> None:
    person = await hub.person()
    async with sockets.connected(person.token) as socket:
        await socket.connection.send(["x"] + [""] * 100)
        assert (await socket.end())[0] == 1006


@pytest.mark.parametrize("pieces", [[b"\xff"], [b"x", b"\xff"]])
async def test_invalid_utf_8_is_not_logged_as_an_internal_error(
    sockets: Sockets, pieces: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async with sockets.connected() as socket:
        await socket.connection.send(pieces, text=True)
        assert (await socket.end())[0] == 1007
    assert "ERROR" not in [record.levelname for record in caplog.records]


async def test_websocket_compression_is_off(sockets: Sockets) -> None:
    async with sockets.connected(compression="deflate") as socket:
        response = socket.connection.response
        assert response
        assert "Sec-WebSocket-Extensions" not in response.headers


@pytest.mark.parametrize(("send_timeout", "waiting"), [(0.05, 100), (5, 1)])
async def test_slow_consumer_is_disconnected_without_delaying_others(
    hub: Hub, sockets: Sockets, monkeypatch: pytest.MonkeyPatch, send_timeout: float, waiting: int
) -> None:
    blocked: dict[Any, float] = {}

    def pause(socket: Any, original: Any = LimitedWebSocketProtocol.pause_writing) -> None:
        blocked[socket] = time.monotonic()
        original(socket)

    def resume(socket: Any, original: Any = LimitedWebSocketProtocol.resume_writing) -> None:
        del blocked[socket]
        original(socket)

    monkeypatch.setattr(LimitedWebSocketProtocol, "pause_writing", pause)
    monkeypatch.setattr(LimitedWebSocketProtocol, "resume_writing", resume)
    monkeypatch.setattr(connection, "SEND_TIMEOUT", timedelta(seconds=send_timeout))
    monkeypatch.setattr(live_updates, "MAX_QUEUED", waiting)
    owner, *guests = await hub.people(6)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    narrow.connect(("127.0.0.1", sockets.port))
    way = {"sock": narrow, "host": None, "port": None, "max_queue": 1}
    async with (
        sockets.subscribed(owner.token, **way) as slow,
        sockets.subscribed(owner.token) as quick,
    ):
        await slow.ping()
        flood = asyncio.create_task(_ask_for_long_answers(slow))
        await _until_one_lasts(blocked)
        for guest in guests:
            await guest.apply(owner.invitation_code)
            assert await quick.events(1) == [guest.id]
        flood.cancel()
        end = await slow.end()
    assert end == (1013, "You read too slowly; connect again and query what you missed.")


async def _ask_for_long_answers(socket: Socket) -> None:
    with suppress(ConnectionClosed):
        while True:
            await socket.subscribe(f"subscription {{ {'x' * 15_000} }}", name="long")


async def _until_one_lasts(blocked: dict[Any, float]) -> None:
    """Wait until a socket has not been writable for half a second."""
    longest = 0.0
    while longest < 0.5:
        await asyncio.sleep(0.05)
        longest = max((time.monotonic() - since for since in blocked.values()), default=0)


async def _refused(sockets: Sockets, **options: Any) -> tuple[int, str] | None:
    try:
        async with sockets.connected(**options):
            return None
    except InvalidStatus as refused:
        response = refused.response
        return response.status_code, (response.body or b"").decode()


async def _expiring(person: Person, settings: Settings, *, left: timedelta) -> str:
    """Sign an access token that is accepted for this time, or up to a second less."""
    assert settings.secret_key
    life = timedelta(minutes=1)
    tokens = AccessTokens(
        Keys(settings.secret_key.get_secret_value()),
        issuer=settings.issuer,
        audience=settings.audience,
        lifetime=life,
    )
    (row,) = await fetch("SELECT id FROM session WHERE client_id = $1", person.id)
    begins = datetime.now(UTC) + left - life - timedelta(minutes=1)  # of leeway
    return tokens.issue(UUID(person.id), session_id=row["id"], generation=0, now=begins).value


async def test_missed_ping_closes_with_a_code_after_which_clients_reconnect(
    app: Starlette,
) -> None:
    soon = OPTIONS | {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", **soon))
    serving = asyncio.create_task(server.serve([listening]))
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(
        b"GET /graphql HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    await writer.drain()
    async with asyncio.timeout(10):
        head, _, frames = (await reader.read()).partition(b"\r\n\r\n")  # until the server closes
    assert head.startswith(b"HTTP/1.1 101 ")
    assert frames[0] == 0x89  # a ping
    close = frames[2 + frames[1] :]
    assert close[0] == 0x88
    assert (int.from_bytes(close[2:4]), close[4:]) == (
        1013,
        b"A ping was not answered; connect again.",
    )
    writer.close()
    server.should_exit = True
    await serving
