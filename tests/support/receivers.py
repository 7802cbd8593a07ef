"""Receivers of webhooks as real peers on loopback, which answer as a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import time
from typing import Any

import orjson

Answer = Callable[["Received"], Awaitable[bytes]]


@dataclass
class Received:
    """A request, and when it came."""

    headers: dict[str, str]  # names in lower case
    body: bytes
    at: float
    path: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> Any:
        return orjson.loads(self.body)

    @property
    def type(self) -> str:
        return str(self.content["type"])


@dataclass
class Receiver:
    """A server that keeps its requests."""

    port: int = 0
    answer: Answer = field(default_factory=lambda: status(204))
    requests: list[Received] = field(default_factory=list)
    keeps: bool = True  # whether it keeps the requests
    open: int = 0  # requests that have no answer yet
    most_open: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    def of_type(self, kind: str) -> list[Received]:
        return [request for request in self.requests if request.type == kind]

    async def wait_for(self, count: int) -> list[Received]:
        async with asyncio.timeout(20):
            while len(self.requests) < count:  # noqa: ASYNC110 (of another process, too)
                await asyncio.sleep(0.02)
        return self.requests

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                request = await _read(reader)
                if self.keeps:
                    self.requests.append(request)
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                try:
                    writer.write(await self.answer(request))
                finally:
                    self.open -= 1
                await writer.drain()
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers["content-length"]))
    return Received(headers, body, time(), head[0].split(" ")[1])


def respond(text: bytes) -> Answer:
    """Answer all requests with these bytes."""

    async def answer(_: Received) -> bytes:
        return text

    return answer


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer all requests with this status."""
    lines = [f"HTTP/1.1 {code} Status", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return respond("\r\n".join([*lines, "", ""]).encode() + body)


async def stall(_: Received) -> bytes:
    """Never answer."""
    await asyncio.sleep(3600)
    return b""


async def die(_: Received) -> bytes:
    """Close the connection without an answer."""
    raise ConnectionResetError


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
