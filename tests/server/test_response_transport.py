"""How many writes a response takes, and what is sent if its body fails or comes late."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from connect_hub.server.http_protocol import LimitedHTTPProtocol
from connect_hub.server.uvicorn_options import OPTIONS

BODY = b"0123456789"


class _Recorder:
    """A transport that notes each write."""

    def __init__(self, transport: asyncio.Transport, writes: list[bytes]) -> None:
        self._transport = transport
        self._writes = writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self._writes.append(data)
        self._transport.write(data)


@asynccontextmanager
async def _serving(app: Any, writes: list[bytes]) -> AsyncIterator[str]:
    class Protocol(LimitedHTTPProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(_Recorder(transport, writes))  # type: ignore[arg-type]

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", **OPTIONS | {"http": Protocol}))
    serving = asyncio.create_task(server.serve([listening]))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await serving


def _head(**headers: str) -> Message:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": encoded}


def _part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _whole(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(_head(content_length="10"))
    await send(_part(BODY))


async def _in_parts(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(_head(content_length="10"))
    await send(_part(BODY[:4], more=True))
    await send(_part(BODY[4:]))


@pytest.mark.parametrize(
    ("app", "method", "body", "count"),
    [(_whole, "GET", BODY, 1), (_in_parts, "GET", BODY, 2), (_whole, "HEAD", b"", 1)],
)
async def test_head_is_sent_with_the_first_part_of_the_body(
    app: Any, method: str, body: bytes, count: int
) -> None:
    writes: list[bytes] = []
    async with _serving(app, writes) as url, httpx.AsyncClient() as client:
        for number in (1, 2):  # on one connection
            response = await client.request(method, url)
            assert response.content == body
            assert response.headers["content-length"] == "10"
            assert len(writes) == number * count


async def test_head_of_a_stream_does_not_wait_for_its_body() -> None:
    head_received = asyncio.Event()

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(_head(content_type="text/plain"))
        await head_received.wait()
        await send(_part(BODY))

    async with (
        asyncio.timeout(10),
        _serving(stream, []) as url,
        httpx.AsyncClient() as client,
        client.stream("GET", url) as response,
    ):
        assert response.status_code == 200
        head_received.set()
        assert await response.aread() == BODY


async def test_response_without_its_body_sends_the_head_and_closes() -> None:
    async def fail(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(_head(content_length="10"))
        raise RuntimeError

    writes: list[bytes] = []
    async with _serving(fail, writes) as url, httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
    (head,) = writes
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_expected_body_is_asked_for_before_the_head() -> None:
    async def read_then_answer(_scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        await send(_head(content_length=str(len(message["body"]))))
        await send(_part(message["body"]))

    request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n"
    async with asyncio.timeout(10), _serving(read_then_answer, []) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(request)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await reader.readexactly(10) == BODY
        writer.close()
