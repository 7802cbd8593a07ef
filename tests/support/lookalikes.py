"""Servers that only speak PostgreSQL's protocol, made of a real one behind a proxy.

The proxy can replace what statements say, keep notifications back, and share few connections among
all clients, as pools do. Source: PostgreSQL's manual, "Frontend/Backend Protocol".
"""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
_IDLE = b"I"


class Message(NamedTuple):
    """One message of the protocol."""

    kind: bytes
    body: bytes

    def packed(self) -> bytes:
        return self.kind + (len(self.body) + 4).to_bytes(4) + self.body


@dataclass
class Lookalike:
    """How the server differs from PostgreSQL."""

    replaced: dict[str, str] = field(default_factory=dict)  # patterns in statements
    mute: bool = False  # passes no notification on
    shared: int = 0  # connections that all clients share; 0: each has its own
    per_statement: bool = False  # a connection is shared again after each statement
    longest_idle_first: bool = False  # or the one that was used last


@dataclass(eq=False)
class _Backend:
    """A connection to PostgreSQL."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    client: asyncio.StreamWriter | None  # the client that uses it now
    prepared: set[bytes] = field(default_factory=set)
    hidden: int = 0  # answers to a Parse of ours

    def send(self, message: Message) -> None:
        self.writer.write(message.packed())


class _Proxy:
    def __init__(self, lookalike: Lookalike, target: str) -> None:
        self._lookalike, self._target = lookalike, target
        self._pool: list[_Backend] = []
        self._idle: list[_Backend] = []
        self._clients = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        backend = None
        try:
            if (startup := await _read_startup(reader)) == _SSL_REQUEST:
                client.write(b"N")
                startup = await _read_startup(reader)
            while len(self._pool) < self._lookalike.shared:
                self._pool.append(await self._open(startup, None))
            backend = await self._open(startup, client)
            self._clients += 1
            prefix = b"c%d_" % self._clients
            parses: dict[bytes, Message] = {}
            while True:
                message = self._changed(await _read(reader), prefix, parses)
                if self._lookalike.shared:
                    if message.kind == b"X":
                        return
                    if backend.client is not client:
                        backend = await self._acquire(client)
                    self._prepare(backend, message, parses)
                backend.send(message)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            client.close()
            if backend and backend.client is client:
                backend.writer.close()

    def _changed(self, message: Message, prefix: bytes, parses: dict[bytes, Message]) -> Message:
        """Replace in statements, and name prepared statements as no other client does."""
        kind, body = message
        if kind in b"QP":
            text = body.decode()
            for pattern, replacement in self._lookalike.replaced.items():
                text = re.sub(pattern, replacement, text, flags=re.DOTALL)
            body = text.encode()
        if kind == b"P" and body[0]:
            body = prefix + body
            parses[_name(kind, body)] = Message(kind, body)
        elif kind == b"B":
            portal, _, rest = body.partition(b"\0")
            body = portal + b"\0" + (prefix + rest if rest[0] else rest)
        elif kind in b"DC" and body[:1] == b"S" and body[1]:
            body = b"S" + prefix + body[1:]
        return Message(kind, body)

    async def _acquire(self, client: asyncio.StreamWriter) -> _Backend:
        while not self._idle:  # noqa: ASYNC110 (simple, and short)
            await asyncio.sleep(0.001)
        backend = self._idle.pop(0 if self._lookalike.longest_idle_first else -1)
        backend.client = client
        return backend

    def _prepare(self, backend: _Backend, message: Message, parses: dict[bytes, Message]) -> None:
        """Prepare a statement first that was prepared on another connection."""
        name = _name(*message)
        if message.kind == b"P":
            backend.prepared.add(name)
        elif name in parses and name not in backend.prepared:
            backend.prepared.add(name)
            backend.hidden += 1
            backend.send(parses[name])

    async def _open(self, startup: bytes, client: asyncio.StreamWriter | None) -> _Backend:
        backend = _Backend(*await asyncio.open_unix_connection(self._target), client)
        task = asyncio.ensure_future(self._answers(backend))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        backend.writer.write(startup)
        return backend

    async def _answers(self, backend: _Backend) -> None:
        try:
            while True:
                message = await _read(backend.reader)
                client = backend.client
                if message.kind == b"Z":
                    self._release(backend, message.body)
                if message.kind == b"1" and backend.hidden:
                    backend.hidden -= 1
                elif client and not (message.kind == b"A" and self._lookalike.mute):
                    client.write(message.packed())
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            backend.writer.close()
            if backend.client:
                backend.client.close()

    def _release(self, backend: _Backend, status: bytes) -> None:
        if not self._lookalike.shared or not (status == _IDLE or self._lookalike.per_statement):
            return
        backend.client = None
        if backend in self._pool:
            self._idle.append(backend)
        else:  # it only answered the startup
            backend.writer.close()


def _name(kind: bytes, body: bytes) -> bytes:
    """Return the prepared statement that a message names, empty if it names none."""
    if kind == b"P":
        return body.partition(b"\0")[0]
    if kind == b"B":
        return body.split(b"\0", 2)[1]
    return body[1:-1] if kind in b"DC" and body[:1] == b"S" else b""


async def _read(reader: asyncio.StreamReader) -> Message:
    head = await reader.readexactly(5)
    return Message(head[:1], await reader.readexactly(int.from_bytes(head[1:]) - 4))


async def _read_startup(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size) - 4)


@contextmanager
def imitating(target: str, lookalike: Lookalike) -> Iterator[int]:
    """Serve before the unix socket of a PostgreSQL, and yield the port on 127.0.0.1."""
    loop = asyncio.new_event_loop()
    proxy = _Proxy(lookalike, target)
    starting = asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    server = loop.run_until_complete(starting)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0.01)  # until what was closed is closed
