"""uvicorn's WebSocket protocol with size and time limits."""

import asyncio
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from connect_hub.server.connection_limits import PendingBytes, limits_in

MAX_MESSAGE = 16 * 1024  # bytes of a message from a client
MAX_FRAMES = 64  # of a message
PING_INTERVAL = timedelta(seconds=20)
PONG_TIMEOUT = timedelta(seconds=20)
CLOSE_TIMEOUT = timedelta(seconds=10)  # for the client to read the rest, then abort


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    """Disconnects clients that do not read, and rejects messages that are too large.

    uvicorn closes a connection only after it has written everything, so a client that never reads
    would keep its connection for ever.
    """

    _slot: ExitStack
    _pending_bytes: PendingBytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Acquire the slot that the HTTP protocol released."""
        super().connection_made(transport)
        limits = limits_in(self.app_state)
        self._pending_bytes = PendingBytes(limits)
        self._slot = ExitStack()
        address = limits.addresses.of_connection(self.client)
        self._slot.enter_context(limits.connection(address))

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection's slot."""
        self._slot.close()
        self._pending_bytes.update(0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Limit unfinished messages; close after a handshake that cannot be parsed.

        websockets rejects such a handshake itself, while uvicorn would wait for a request.
        """
        super().data_received(data)
        size = len(self.conn.reader.buffer) + sum(map(len, self.frames))
        if not self._pending_bytes.update(size) and not self.transport.is_closing():
            self.transport.abort()
        if not self.handshake_initiated:  # a header is too long, or there are too many
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
            self._abort_later()

    def shutdown(self) -> None:
        """Close with 1012, or abort if the connection is closing already.

        uvicorn would raise in that case, and the server would stop without waiting for requests.
        """
        if self.transport.is_closing():
            self.transport.abort()
        else:
            super().shutdown()

    def handle_cont(self, event: Frame) -> None:
        """Add a fragment; their number is limited, since empty ones escape the limit of size."""
        if len(self.frames) >= MAX_FRAMES:
            self.transport.abort()
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Close with 1007 if text is not UTF-8; uvicorn would log it as an internal error."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Send a pong; abort if the client does not read."""
        super().handle_ping()
        if not self.writable.is_set():
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        """Close with 1013 if a ping was not answered, so that clients connect again.

        uvicorn would send 1011, after which npm's graphql-ws does not connect again. A laptop that
        slept must be able to.
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
        """Abort soon after the application has returned, if the client does not read."""
        super().on_task_complete(task)
        self._abort_later()

    async def send(self, message: Any) -> None:
        """Wait until the client has read enough, then send; a close frame does not wait."""
        if message["type"] == "websocket.close":
            self.writable.set()
        await self.writable.wait()  # the connection may end meanwhile
        if self.close_sent and self.transport.is_closing():  # uvicorn would log an internal error
            raise ClientDisconnected
        await super().send(message)
        if self.initial_response and self.close_sent:
            self.handshake_complete = True  # rejected; uvicorn would log an internal error

    def _abort_later(self) -> None:
        if not self.disconnected:
            self.loop.call_later(CLOSE_TIMEOUT.total_seconds(), self.transport.abort)
