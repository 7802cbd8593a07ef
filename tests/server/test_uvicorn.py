"""Overrides of uvicorn's internals: each is shown by a test that fails without it.

A uvicorn that renames or removes an overridden method would turn our limits off in silence. So the
table lists the methods that both our class and uvicorn's define, and pyproject.toml pins uvicorn.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from graphql import get_introspection_query
from starlette.applications import Starlette

from connect_hub.api.transport import connection
from connect_hub.server import http_protocol, websocket_protocol
from connect_hub.server.http_protocol import LimitedHTTPProtocol
from connect_hub.server.uvicorn_options import OPTIONS
from connect_hub.server.websocket_protocol import LimitedWebSocketProtocol
from tests.api.transport import test_websocket as websocket
from tests.server import test_connection_limits as connection_limits
from tests.server import test_http_protocol as http
from tests.support.sockets import Sockets

PING = b"\x89\xfd" + bytes(4 + 125)  # masked, with the longest payload
PING_MESSAGE = b'\x81\x8f\0\0\0\0{"type":"ping"}'  # of graphql-transport-ws, masked
UNMASKED_TEXT = b"\x81\x01x"  # the server must reject it with 1002


@asynccontextmanager
async def _small_send_buffer(app: Starlette) -> AsyncIterator[int]:
    """Serve on a port whose connections buffer little in the kernel, so that they stall early."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", **OPTIONS))
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def _slow_client(port: int) -> AsyncIterator[socket.socket]:
    """Connect without reading anything that the test does not ask for."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        yield client


async def _upgrade(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, http.UPGRADE)
    response = b""
    while not response.endswith(b"\r\n\r\n"):
        response += await loop.sock_recv(client, 1)
    assert response.startswith(b"HTTP/1.1 101 ")


@pytest.mark.usefixtures("hub")
async def test_limit_of_the_head_does_not_count_the_body(sockets: Sockets) -> None:
    body = b'{"query": "{ __typename }"}' + b" " * 60_000  # the limit of a head is 32 KiB
    reader, writer = await asyncio.open_connection("127.0.0.1", sockets.port)
    writer.write(http.POST + b"Content-Length: %d\r\n\r\n" % len(body))
    async with asyncio.timeout(10):
        for start in range(0, len(body), 10_000):
            await asyncio.sleep(0.02)  # otherwise the server might read all of it at once
            writer.write(body[start : start + 10_000])
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_client_that_reads_slowly_but_steadily_is_served(
    app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "CLIENT_TIMEOUT", timedelta(seconds=1.5))
    monkeypatch.setattr(http_protocol, "_CHECK_INTERVAL", timedelta(seconds=0.05))
    loop = asyncio.get_running_loop()
    count = 15  # about 800 kB, of which the client reads some 200 kB a second
    async with _small_send_buffer(app) as port, _slow_client(port) as client:
        await loop.sock_sendall(client, count * http.graphql_request(get_introspection_query()))
        received = b""
        async with asyncio.timeout(20):
            while received.count(b"HTTP/1.1 200 ") < count:
                part = await loop.sock_recv(client, 20_000)
                assert part, "the server closed the connection"
                received += part
                await asyncio.sleep(0.02)


@pytest.mark.usefixtures("app")
async def test_rejected_handshake_is_not_logged_as_an_internal_error(
    sockets: Sockets, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sockets.port)
    writer.write(http.UPGRADE.replace(b"graphql-transport-ws", b"unknown"))
    async with asyncio.timeout(10):
        assert (await reader.read()).startswith(b"HTTP/1.1 4")
    writer.close()
    assert "ERROR" not in [record.levelname for record in caplog.records]


async def _send_without_end(client: socket.socket, data: bytes) -> None:
    async with asyncio.timeout(10):
        while True:
            await asyncio.get_running_loop().sock_sendall(client, data)
            await asyncio.sleep(0)


async def test_client_that_pings_and_does_not_read_is_disconnected(app: Starlette) -> None:
    async with _small_send_buffer(app) as port, _slow_client(port) as client:
        await _upgrade(client)
        with pytest.raises(ConnectionError):
            await _send_without_end(client, 100 * PING)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[LimitedWebSocketProtocol]:
    """The protocols of the WebSockets that the server has accepted."""
    protocols: list[LimitedWebSocketProtocol] = []

    def start_keepalive(
        self: LimitedWebSocketProtocol, original: Any = LimitedWebSocketProtocol.start_keepalive
    ) -> None:
        protocols.append(self)
        original(self)

    monkeypatch.setattr(LimitedWebSocketProtocol, "start_keepalive", start_keepalive)
    return protocols


async def _is_disconnected(protocol: LimitedWebSocketProtocol) -> None:
    async with asyncio.timeout(5):
        while not protocol.disconnected:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)


async def _block_application(client: socket.socket, protocol: LimitedWebSocketProtocol) -> None:
    """Ask for responses and read none, until the application waits for the client to read."""
    asking = asyncio.create_task(_send_without_end(client, 100 * PING_MESSAGE))
    async with asyncio.timeout(10):
        while protocol.writable.is_set():  # noqa: ASYNC110 - there is no event for "not set"
            await asyncio.sleep(0.01)
    asking.cancel()


async def test_application_can_close_the_websocket_of_a_client_that_does_not_read(
    app: Starlette, opened: list[LimitedWebSocketProtocol], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_protocol, "CLOSE_TIMEOUT", timedelta(seconds=0.2))
    monkeypatch.setattr(connection, "SEND_TIMEOUT", timedelta(seconds=0.2))
    async with _small_send_buffer(app) as port, _slow_client(port) as client:
        await _upgrade(client)
        (protocol,) = opened
        await _block_application(client, protocol)
        await _is_disconnected(protocol)


async def test_message_to_a_websocket_that_is_closing_is_not_logged_as_an_internal_error(
    app: Starlette, opened: list[LimitedWebSocketProtocol], caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    async with _small_send_buffer(app) as port, _slow_client(port) as client:
        await _upgrade(client)
        (protocol,) = opened
        await _block_application(client, protocol)
        protocol.keepalive_timeout()  # closes, while the application still waits to send
        async with asyncio.timeout(10):
            with suppress(ConnectionError):  # the server has not read everything
                while await loop.sock_recv(client, 1000):
                    pass
        await _is_disconnected(protocol)
    assert "ERROR" not in [record.levelname for record in caplog.records]


async def test_closed_websocket_of_a_client_that_does_not_read_is_aborted(
    app: Starlette, opened: list[LimitedWebSocketProtocol], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_protocol, "CLOSE_TIMEOUT", timedelta(seconds=0.2))
    loop = asyncio.get_running_loop()
    async with _small_send_buffer(app) as port, _slow_client(port) as client:
        await _upgrade(client)
        (protocol,) = opened
        while not protocol.transport.get_write_buffer_size():
            await loop.sock_sendall(client, PING)
            await asyncio.sleep(0.001)
        await loop.sock_sendall(client, UNMASKED_TEXT)
        await _is_disconnected(protocol)


HTTP_OVERRIDES: dict[str, Callable[..., Any]] = {
    "connection_made": http.test_a_connection_without_a_request_is_closed,
    "connection_lost": connection_limits.test_connections_of_one_network_are_limited,
    "on_message_begin": http.test_unfinished_request_is_rejected_with_408,
    "on_headers_complete": http.test_long_head_is_rejected_with_the_status_for_its_long_part,
    "on_body": test_limit_of_the_head_does_not_count_the_body,
    "on_message_complete": http.test_idle_connection_stays_open_for_keep_alive,
    "_unsupported_upgrade_warning": (http.test_upgrade_to_an_unknown_protocol_is_ignored),
    "resume_writing": test_client_that_reads_slowly_but_steadily_is_served,
    "handle_websocket_upgrade": http.test_connection_is_not_upgraded_while_a_response_is_pending,
    "send_400_response": http.test_rejection_does_not_answer_another_request,
    "data_received": http.test_endless_trailers_are_rejected,
}
WEBSOCKET_OVERRIDES: dict[str, Callable[..., Any]] = {
    "connection_made": connection_limits.test_websocket_keeps_the_slot_of_its_connection,
    "connection_lost": connection_limits.test_websocket_keeps_the_slot_of_its_connection,
    "data_received": http.test_websocket_handshake_that_is_too_long_is_rejected,
    "shutdown": http.test_client_that_disconnects_during_shutdown_costs_nobody_a_response,
    "handle_cont": websocket.test_messages_are_limited_in_fragments,
    "send_receive_event_to_app": websocket.test_invalid_utf_8_is_not_logged_as_an_internal_error,
    "handle_ping": test_client_that_pings_and_does_not_read_is_disconnected,
    "keepalive_timeout": (
        websocket.test_missed_ping_closes_with_a_code_after_which_clients_reconnect
    ),
    "on_task_complete": test_closed_websocket_of_a_client_that_does_not_read_is_aborted,
    "send": test_rejected_handshake_is_not_logged_as_an_internal_error,
}


@pytest.mark.parametrize(
    ("ours", "table"),
    [
        (LimitedHTTPProtocol, HTTP_OVERRIDES),
        (LimitedWebSocketProtocol, WEBSOCKET_OVERRIDES),
    ],
)
def test_overrides_of_uvicorn_are_those_in_the_table(
    ours: type, table: dict[str, Callable[..., Any]]
) -> None:
    """A method that uvicorn renames leaves the list of overrides, so this test fails."""
    overrides = {name for name in vars(ours).keys() & vars(ours.__base__) if name[:2] != "__"}
    assert overrides == table.keys()
