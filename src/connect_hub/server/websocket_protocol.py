"""uvicorn's WebSocket protocol, with limits of size and time."""

import asyncio
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from connect_hub.server.connection_limits import PendingBytes, limits_in

MAX_MESSAGE = 16 * 1024  # bytes that a client sends by WebSocket
MAX_FRAMES = 64  # of one message
PING_INTERVAL = timedelta(seconds=20)
PONG_TIMEOUT = timedelta(seconds=20)
CLOSE_TIMEOUT = timedelta(seconds=10)  # once we are done with a socket


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    """Lets go of a client that does not read what it is sent, or sends what never ends.

    uvicorn closes a connection once all is written; who never reads would keep it for ever.
    """

    _slot: ExitStack
    _pending_bytes: PendingBytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the place that the connection had while it was HTTP."""
        super().connection_made(transport)
        limits = limits_in(self.app_state)
        self._pending_bytes = PendingBytes(limits)
        self._slot = ExitStack()
        if address := limits.addresses.of_connection(self.client):
            self._slot.enter_context(limits.slot(address))

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the place to others."""
        self._slot.close()
        self._pending_bytes.update(0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuse what websockets does before there is a request, for which uvicorn would wait."""
        super().data_received(data)
        size = len(self.conn.reader.buffer) + sum(map(len, self.frames))
        if not self._pending_bytes.update(size) and not self.transport.is_closing():
            self.transport.abort()
        if not self.handshake_initiated:  # a line of its head is too long, or there are too many
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
            self._abort_later()

    def shutdown(self) -> None:
        """Say that we go, unless it ends already: uvicorn would raise, and wait for no request."""
        if self.transport.is_closing():
            self.transport.abort()
        else:
            super().shutdown()

    def handle_cont(self, event: Frame) -> None:
        """Join what belongs together, up to a number of pieces: empty ones have no length."""
        if len(self.frames) >= MAX_FRAMES:
            self.transport.abort()
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Pass on what is text; uvicorn would log what is none as our fault."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer, as long as the answers are read."""
        super().handle_ping()
        if not self.writable.is_set():
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        """End a connection that does not answer our ping, by a code that lets clients come back.

        uvicorn would send 1011, which npm's graphql-ws takes as final; a laptop that slept is not.
        """
        self.pong_timer = self.pending_ping_payload = None
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.fail(CloseCode.TRY_AGAIN_LATER, "A ping was not answered; connect again.")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
        self._abort_later()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Let go once the application has."""
        super().on_task_complete(task)
        self._abort_later()

    async def send(self, message: Any) -> None:
        """Send what the client reads; a close frame at once, which is the last there is to keep."""
        if message["type"] == "websocket.close":
            self.writable.set()
        await self.writable.wait()  # it may end meanwhile
        if self.close_sent and self.transport.is_closing():  # uvicorn would log that as our fault
            raise ClientDisconnected
        await super().send(message)
        if self.initial_response and self.close_sent:
            self.handshake_complete = True  # by a refusal: uvicorn would log that one too

    def _abort_later(self) -> None:
        if not self.disconnected:
            self.loop.call_later(CLOSE_TIMEOUT.total_seconds(), self.transport.abort)
