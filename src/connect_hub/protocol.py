"""HTTP and WebSocket as uvicorn reads them, with an end to what is kept, and one host."""

import asyncio
from datetime import timedelta
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from connect_hub.headers import SECURITY

MAX_HEAD = 32 * 1024  # bytes before the body
MAX_MESSAGE = 16 * 1024  # bytes that a client sends by WebSocket
MAX_FRAMES = 64  # of one message
PING_EVERY = timedelta(seconds=20)
PONG_WITHIN = timedelta(seconds=20)
GONE_WITHIN = timedelta(seconds=10)  # once we are done with a socket


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request whose headers take longer to send or to read than anybody needs.

    Also one with two hosts (RFC 9112, 3.2): what is in front of us may have looked at the other.
    """

    _head = 0  # bytes received of a head that has not ended
    _in_head = False

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._head, self._in_head = 0, True

    def on_headers_complete(self) -> None:
        """Pass on what is not too long; what is raised here is answered by 400."""
        size = hosts = 0
        for name, value in self.headers:
            size += len(name) + len(value)
            hosts += name == b"host"
        if size > MAX_HEAD or hosts > 1:
            raise ValueError
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse, with the headers that every answer has."""
        headers = {**SECURITY, "Connection": "close", "Content-Length": str(len(msg))}
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
        self.transport.write(f"{head}{''.join(lines)}\r\n{msg}".encode("ascii"))
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head without an end."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MAX_HEAD:
                self.send_400_response(f"The headers are over {MAX_HEAD} bytes long.")


class BoundedSocket(WebSocketsSansIOProtocol):
    """Lets go of a client that does not read what it is sent, or sends what never ends.

    uvicorn closes a connection once all is written; who never reads would keep it for ever.
    """

    def handle_cont(self, event: Frame) -> None:
        """Join what belongs together, up to a number of pieces: empty ones have no length."""
        if len(self.frames) >= MAX_FRAMES:
            self.transport.abort()
        else:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer, as long as the answers are read."""
        super().handle_ping()
        if not self.writable.is_set():
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        """Let go of who has not answered our ping."""
        super().keepalive_timeout()
        self._end_soon()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Let go once the application has."""
        super().on_task_complete(task)
        self._end_soon()

    async def send(self, message: Any) -> None:
        """Send what the client reads; a close frame at once, which is the last there is to keep."""
        if message["type"] == "websocket.close":
            self.writable.set()
        await super().send(message)
        if self.initial_response and self.close_sent:
            self.handshake_complete = True  # by a refusal: uvicorn would log that as our fault

    def _end_soon(self) -> None:
        if not self.disconnected:
            self.loop.call_later(GONE_WITHIN.total_seconds(), self.transport.abort)


OPTIONS: dict[str, Any] = {
    "http": BoundedProtocol,
    "ws": BoundedSocket,
    "ws_max_size": MAX_MESSAGE,
    "ws_ping_interval": PING_EVERY.total_seconds(),
    "ws_ping_timeout": PONG_WITHIN.total_seconds(),
    "ws_per_message_deflate": False,  # it takes more memory than all else of an idle socket
    "loop": "uvloop",
    "log_config": None,
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
}
"""How uvicorn serves."""
