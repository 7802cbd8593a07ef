"""A client of the server by WebSocket, message by message."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

SUBSCRIPTION = "subscription { clientInvited { id phone invitedAt } }"
PATIENCE = 30  # seconds


@dataclass
class Socket:
    """A connection."""

    connection: ClientConnection

    async def send(self, kind: str, **more: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **more}))

    async def receive(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.connection.recv())

    async def init(self, token: str) -> None:
        await self.send("connection_init", payload={"Authorization": f"Bearer {token}"})
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, query: str = SUBSCRIPTION, name: str = "1", **more: Any) -> None:
        await self.send("subscribe", id=name, payload={"query": query, **more})

    async def ping(self) -> None:
        """Wait until earlier messages are handled."""
        await self.send("ping")
        assert await self.receive() == {"type": "pong"}

    async def event(self, name: str = "1") -> Any:
        message = await self.receive()
        assert (message["type"], message["id"]) == ("next", name), message
        assert message["payload"].keys() == {"data"}, message
        return message["payload"]["data"]["clientInvited"]

    async def events(self, count: int) -> list[str]:
        return [(await self.event())["id"] for _ in range(count)]

    async def refusal(self, name: str = "1") -> Any:
        """Receive the one error for which an operation is rejected."""
        message = await self.receive()
        assert (message["type"], message["id"]) == ("error", name), message
        (error,) = message["payload"]
        return error

    async def end(self) -> tuple[int | None, str | None]:
        """Wait until the server closes; return the code and the reason."""
        with suppress(ConnectionClosed):
            async with asyncio.timeout(PATIENCE):
                while True:
                    await self.connection.recv()
        return self.connection.close_code, self.connection.close_reason


@dataclass
class Sockets:
    """A server that takes connections."""

    port: int
    _connections: int = 0

    @asynccontextmanager
    async def connected(
        self, token: str | None = None, *, headers: dict[str, str] | None = None, **options: Any
    ) -> AsyncIterator[Socket]:
        """Connect from an address of its own, and sign in where a token is given."""
        self._connections += 1
        address = str(IPv4Address(0x0B000000 + self._connections))
        options = {
            "host": "127.0.0.1",
            "port": self.port,
            "proxy": None,
            "subprotocols": ["graphql-transport-ws"],
            "additional_headers": {"X-Forwarded-For": address, **(headers or {})},
            **options,
        }
        uri = options.pop("uri", "ws://hub/graphql")
        async with connect(uri, **options) as opened:
            socket = Socket(opened)
            if token:
                await socket.init(token)
            yield socket

    @asynccontextmanager
    async def subscribed(self, token: str, **options: Any) -> AsyncIterator[Socket]:
        """Connect, sign in and subscribe."""
        async with self.connected(token, **options) as socket:
            await socket.subscribe()
            yield socket
