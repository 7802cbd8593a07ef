"""Connections: what a client may send by them, and how long it may keep us waiting."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from graphql import get_introspection_query
from starlette.applications import Starlette

from connect_hub.server import http_protocol
from connect_hub.server.uvicorn_options import OPTIONS
from connect_hub.server.websocket_protocol import LimitedWebSocketProtocol
from connect_hub.sms import SimulatedSender
from tests.support import hub as operations
from tests.support.hub import Hub
from tests.support.sockets import Sockets

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

POST = b"POST /graphql HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n"
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n"
UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


@asynccontextmanager
async def _connected(sockets: Sockets) -> AsyncIterator[Streams]:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.connect(("127.0.0.1", sockets.port))
    reader, writer = await asyncio.open_connection(sock=opened)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


def graphql_request(query: str, **variables: str) -> bytes:
    body = json.dumps({"query": query, "variables": variables}).encode()
    return POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _chunked_request(query: str, **variables: str) -> bytes:
    """Build a request with a complete chunked body; trailers may follow."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    head = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n0\r\n" % (len(body), body)


@asynccontextmanager
async def _serving(app: Starlette, **options: Any) -> AsyncIterator[Sockets]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", **options))
    serving = asyncio.create_task(server.serve([listening]))
    yield Sockets(listening.getsockname()[1])
    server.should_exit = True
    await serving


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)


async def _is_ended(streams: Streams) -> bool:
    """Return whether the server closes the connection without sending anything."""
    async with asyncio.timeout(5):
        try:
            return not await streams[0].read(1)
        except ConnectionError:
            return True


async def _is_refused(writer: asyncio.StreamWriter, again: bytes) -> bool:
    """Return whether the server closes a connection that sends the same data again and again."""
    try:
        for _ in range(300):
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(0.02)
    except ConnectionError:
        return True
    return False


@pytest.fixture
def _slow_sending(sender: SimulatedSender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "min_delay", 1)
    monkeypatch.setattr(sender, "max_delay", 1)


@pytest.fixture
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "CLIENT_TIMEOUT", timedelta(seconds=0.3))
    monkeypatch.setattr(http_protocol, "_CHECK_INTERVAL", timedelta(seconds=0.05))


async def test_trailers_are_not_headers(hub: Hub, sockets: Sockets) -> None:
    phone = "+79161234567"
    code = await hub.code_for(phone)
    async with _connected(sockets) as (reader, writer):
        query = operations.SIGN_IN % "register" + operations.CLIENT
        writer.write(
            _chunked_request(query, phone=phone, code=code) + b"X-Forwarded-For: 1.2.3.4\r\n\r\n"
        )
        _, _, body = (await reader.read()).partition(b"\r\n\r\n")
    token = json.loads(body)["data"]["register"]["accessToken"]
    (session,) = (await hub.data(operations.SESSIONS, token=token))["me"]["sessions"]
    assert session["address"] == "127.0.0.1"


async def test_endless_trailers_are_rejected(sockets: Sockets) -> None:
    async with _connected(sockets) as (_, writer):
        writer.write(_chunked_request("{ me { id } }"))
        assert await _is_refused(writer, b"A: b\r\n" * 1000)


@pytest.mark.parametrize("pause", [0.1, 0])
@pytest.mark.parametrize(
    ("build_request", "end"), [(graphql_request, b""), (_chunked_request, b"\r\n")]
)
async def test_upgrade_to_an_unknown_protocol_is_ignored(
    hub: Hub, sockets: Sockets, build_request: Callable[..., bytes], end: bytes, pause: float
) -> None:
    """Java's HTTP client and `curl --http2` ask for an upgrade with each request."""
    person = await hub.person()
    head, _, body = build_request("{ me { id } }").partition(b"\r\n\r\n")
    head = head.replace(b"Connection: close\r\n", b"")
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"
    token = b"Authorization: Bearer " + person.token.encode()
    async with _connected(sockets) as (reader, writer):
        for part in 3 * (b"%b\r\n%b\r\n%b\r\n\r\n" % (head, upgrade, token), body + end):
            writer.write(part)
            await asyncio.sleep(pause)
        for _ in range(3):
            answer = await reader.readuntil(b"}}}")
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert person.id.encode() in answer


@pytest.mark.parametrize(
    "upgrade",
    [b"Upgrade: h2c\r\nConnection: Upgrade", b"Upgrade: websocket\r\nConnection: Upgrade"],
)
@pytest.mark.parametrize(
    "body", [b"Content-Length: %d" % len(ALIVE), b"Transfer-Encoding: chunked"]
)
@pytest.mark.usefixtures("app")
async def test_body_is_not_parsed_as_the_next_request(
    sockets: Sockets, body: bytes, upgrade: bytes
) -> None:
    """uvicorn would do that if the request asks for another protocol."""
    async with _connected(sockets) as (reader, writer):
        writer.write(POST + b"%b\r\n%b\r\n\r\n" % (upgrade, body))
        await asyncio.sleep(0.1)  # or it would be dropped with the head
        writer.write(ALIVE)
        answers = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        with suppress(ConnectionError):
            answers += await reader.read()
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert answers.count(b"HTTP/1.1 ") == 1


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("upgrade", [b"", b"Upgrade: h2c\r\n"])
async def test_data_after_the_last_request_does_not_lose_its_response(
    sockets: Sockets, upgrade: bytes
) -> None:
    async with _connected(sockets) as (reader, writer):
        last = ALIVE[:-2] + b"Connection: close, Upgrade\r\n" + upgrade + b"\r\n"
        writer.write(last + b"no request\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"])
async def test_connect_method_is_rejected(sockets: Sockets, upgrade: bytes) -> None:
    async with _connected(sockets) as (reader, writer):
        writer.write(b"CONNECT hub:443 HTTP/1.1\r\nHost: hub:443\r\n" + upgrade + b"\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("long", "status"),
    [(b"GET /graphql?%b HTTP/1.1\r\n" % (b"a" * 9000), b"414"), (b"A: b\r\n" * 140, b"431")],
)
async def test_websocket_handshake_that_is_too_long_is_rejected(
    sockets: Sockets, long: bytes, status: bytes
) -> None:
    first, rest = UPGRADE.split(b"\r\n", 1)
    head = long + rest if long.startswith(b"GET") else first + b"\r\n" + long + rest
    async with _connected(sockets) as (reader, writer), asyncio.timeout(5):
        writer.write(head)
        assert (await reader.read()).startswith(b"HTTP/1.1 %b " % status)


@pytest.mark.usefixtures("app")
async def test_invalid_text_after_a_message_is_not_logged_as_an_internal_error(
    sockets: Sockets, caplog: pytest.LogCaptureFixture
) -> None:
    """The message is answered when the connection has ended."""
    async with _connected(sockets) as (reader, writer):
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        init = b'{"type":"connection_init"}'
        first = b"\x81%c%b%b" % (0x80 | len(init), bytes(4), init)
        writer.write(first + b"\x81\x81" + bytes(4) + b"\xff")  # both at once
        async with asyncio.timeout(5):
            assert await reader.read() == b"\x88\x02" + (1007).to_bytes(2)
    await asyncio.sleep(0.1)
    assert "ERROR" not in [record.levelname for record in caplog.records]


@pytest.mark.usefixtures("hub", "_slow_sending")
async def test_client_that_disconnects_during_shutdown_costs_nobody_a_response(
    app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client closes its WebSocket without reading what the server still sends."""
    opened: list[LimitedWebSocketProtocol] = []

    def accept(
        self: LimitedWebSocketProtocol,
        original: Any = LimitedWebSocketProtocol.start_keepalive,
    ) -> None:
        opened.append(self)
        original(self)

    monkeypatch.setattr(LimitedWebSocketProtocol, "start_keepalive", accept)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", **OPTIONS))
    serving = asyncio.create_task(server.serve([listening]))
    stopping = Sockets(listening.getsockname()[1])
    async with _connected(stopping) as (_, writer), _connected(stopping) as (reader, requester):
        writer.write(UPGRADE)
        await _until(lambda: bool(opened))
        transport = opened[0].transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        while not transport.get_write_buffer_size():
            writer.write(10 * (b"\x89\xfd" + bytes(4 + 125)))  # pings
            await asyncio.sleep(0.001)
        writer.write(b"\x88\x82" + bytes(4) + (1000).to_bytes(2))
        await _until(transport.is_closing)
        requester.write(graphql_request(operations.REQUEST_CODE, phone="+79161234567"))
        await asyncio.sleep(0.1)
        server.should_exit = True
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        await serving


@pytest.mark.usefixtures("hub", "_slow_sending")
async def test_connection_is_not_upgraded_while_a_response_is_pending(sockets: Sockets) -> None:
    async with _connected(sockets) as streams:
        streams[1].write(graphql_request(operations.REQUEST_CODE, phone="+79161234567") + UPGRADE)
        assert await _is_ended(streams)


@pytest.mark.usefixtures("hub", "_slow_sending")
@pytest.mark.parametrize("count", [10, 20])
async def test_pipelined_requests_are_limited(sockets: Sockets, count: int) -> None:
    async with _connected(sockets) as streams:
        streams[1].write(
            graphql_request(operations.REQUEST_CODE, phone="+79161234567") + count * ALIVE
        )
        if count > http_protocol.MAX_PIPELINED:
            assert await _is_ended(streams)
            return
        for _ in range(1 + count):
            assert b"HTTP/1.1 200 " in await streams[0].readuntil(b"\r\n\r\n")


@pytest.mark.usefixtures("hub", "_slow_sending")
async def test_rejection_does_not_answer_another_request(sockets: Sockets) -> None:
    async with _connected(sockets) as streams:
        streams[1].write(
            graphql_request(operations.REQUEST_CODE, phone="+79161234567") + b"no request\r\n\r\n"
        )
        assert await _is_ended(streams)


@pytest.mark.usefixtures("app", "_short_timeouts")
async def test_a_connection_without_a_request_is_closed(sockets: Sockets) -> None:
    async with _connected(sockets) as streams:
        assert await _is_ended(streams)


@pytest.mark.usefixtures("app", "_short_timeouts")
@pytest.mark.parametrize("before", [b"", ALIVE], ids=["first", "second"])
@pytest.mark.parametrize(
    "unfinished",
    [b"GET / HTTP/1.1\r\nHost: hub\r\n", POST + b"Content-Length: 9\r\n\r\n{"],
    ids=["half a head", "half a body"],
)
async def test_unfinished_request_is_rejected_with_408(
    sockets: Sockets, before: bytes, unfinished: bytes
) -> None:
    async with _connected(sockets) as (reader, writer), asyncio.timeout(5):
        writer.write(before)
        if before:
            await reader.readuntil(b"alive\n")
        writer.write(unfinished)
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /graphql?query=%b HTTP/1.1\r\nHost: hub\r\n\r\n" % (b"a" * 32_750), b"414"),
        (b"GET /graphql HTTP/1.1\r\nHost: hub\r\nA: %b\r\n\r\n" % (b"a" * 32_750), b"431"),
        (ALIVE[:-2] + b"A: b\r\n" * 5_460 + b"\r\n", b"431"),
    ],
    ids=["url", "header", "headers"],
)
async def test_long_head_is_rejected_with_the_status_for_its_long_part(
    sockets: Sockets, head: bytes, status: bytes, in_pieces: bool
) -> None:
    async with _connected(sockets) as (reader, writer), asyncio.timeout(5):
        size = 1_000 if in_pieces else len(head)
        for start in range(0, len(head), size):
            writer.write(head[start : start + size])
            await asyncio.sleep(0)
        assert (await reader.read(13)) == b"HTTP/1.1 %b " % status


@pytest.mark.parametrize("more", [b"", b"\r\n"], ids=["idle", "after an empty line"])
async def test_idle_connection_stays_open_for_keep_alive(
    app: Starlette, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "CLIENT_TIMEOUT", timedelta(seconds=0.2))
    monkeypatch.setattr(http_protocol, "_CHECK_INTERVAL", timedelta(seconds=0.05))
    options = {**OPTIONS, "timeout_keep_alive": 1}
    async with _serving(app, **options) as served, _connected(served) as streams:
        for pause in (0.6, 0):
            streams[1].write(ALIVE + more)
            await streams[0].readuntil(b"alive\n")
            await asyncio.sleep(pause)
        assert await _is_ended(streams)


@pytest.mark.usefixtures("app", "_short_timeouts")
async def test_client_that_does_not_read_its_responses_is_disconnected(sockets: Sockets) -> None:
    async with _connected(sockets) as (_, writer):
        assert await _is_refused(writer, graphql_request(get_introspection_query()))


@pytest.mark.usefixtures("app", "_short_timeouts")
async def test_client_that_reads_late_must_still_send_its_request_in_time(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = asyncio.Event()

    def pause(
        self: http_protocol.LimitedHTTPProtocol,
        original: Any = http_protocol.LimitedHTTPProtocol.pause_writing,
    ) -> None:
        paused.set()
        original(self)

    monkeypatch.setattr(http_protocol.LimitedHTTPProtocol, "pause_writing", pause)
    async with _connected(sockets) as (reader, writer):
        while not paused.is_set():
            writer.write(graphql_request(get_introspection_query()))
            await asyncio.sleep(0.02)
        writer.write(POST + b"Content-Length: 9\r\n\r\n{")
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            with suppress(ConnectionError):
                await reader.read()


@pytest.mark.usefixtures("app")
async def test_request_with_an_early_response_is_not_rejected_as_well(sockets: Sockets) -> None:
    async with _connected(sockets) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n")
        first = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"no chunk\r\n")
        with suppress(ConnectionError):
            first += await reader.read()
    assert first.count(b"HTTP/1.1 ") == 1


@pytest.mark.usefixtures("hub", "_slow_sending", "_short_timeouts")
async def test_client_that_waits_for_a_response_is_not_disconnected(sockets: Sockets) -> None:
    async with _connected(sockets) as (reader, writer):
        writer.write(graphql_request(operations.REQUEST_CODE, phone="+79161234567"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
