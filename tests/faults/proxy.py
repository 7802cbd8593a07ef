"""A TCP proxy to a unix socket that can stall, delay, break and refuse connections."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_RESET = struct.pack("ii", 1, 0)  # linger for no time: the peer gets RST in place of FIN
_CHUNK = 1 << 16


@dataclass
class Proxy:
    """A TCP proxy that forwards everything, until a fault is set."""

    target: Path
    port: int = 0
    delay: float = 0  # seconds, of each piece in each direction
    refusing: bool = False
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def connections(self) -> int:
        return len(self._open) // 2

    def stall(self) -> None:
        """Accept everything, also new connections, and forward nothing."""
        self._flows.clear()

    def cut(self) -> None:
        """Close all connections, and each new one."""
        self.refusing = True
        self._end(b"")

    def reset(self) -> None:
        """Break all connections, and each new one."""
        self.refusing = True
        self._end(_RESET)

    def heal(self) -> None:
        """End the fault; stalled data flows on."""
        self.refusing, self.delay = False, 0
        self._flows.set()

    def _end(self, linger: bytes) -> None:
        for writer in list(self._open):
            opened: socket.socket = writer.get_extra_info("socket")
            if linger and opened.family != socket.AF_UNIX:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError), ExitStack() as stack:  # PostgreSQL may not run
            stack.callback(writer.close)
            if self.refusing:
                return
            onward = await asyncio.open_unix_connection(self.target)
            stack.callback(onward[1].close)
            both = {writer, onward[1]}
            self._open |= both
            stack.callback(self._open.difference_update, both)
            await asyncio.gather(self._pass(reader, onward[1]), self._pass(onward[0], writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(_CHUNK):
                await self._flows.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(piece)
                await writer.drain()
        await self._flows.wait()  # an end is stalled too
        writer.close()


@asynccontextmanager
async def proxying(target: Path, host: str, port: int = 0) -> AsyncIterator[Proxy]:
    """Listen until the context ends, by default on a free port."""
    proxy = Proxy(target)
    proxy.heal()
    server = await asyncio.start_server(proxy._serve, host, port)  # noqa: SLF001 (its own class)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.heal()
        proxy.cut()
        while proxy.connections:  # noqa: ASYNC110 - until they are closed
            await asyncio.sleep(0)
