"""uvicorn's HTTP protocol, with limits of size and time; duplicate Host headers are rejected."""

import asyncio
import sys
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connect_hub.server.connection_limits import PendingBytes, limits_in
from connect_hub.server.headers import SECURITY

MAX_HEAD = 32 * 1024  # bytes of a request beside its body
MAX_PATH = 1024  # bytes; ours are shorter, and some parts of the server split a path
MAX_PIPELINED = 16  # requests that wait for the answer to another on their connection
CLIENT_TIMEOUT = timedelta(seconds=20)  # to send the rest of a request, or to read an answer
_REJECTIONS = {
    400: ("Bad Request", "Invalid HTTP request received."),
    408: ("Request Timeout", f"Send a request within {CLIENT_TIMEOUT.seconds} seconds."),
    414: (
        "URI Too Long",
        f"Send at most {MAX_PATH} bytes of path and {MAX_HEAD} besides the body: use POST.",
    ),
    429: ("Too Many Requests", "Too many connections are open from your network; close some."),
    431: ("Request Header Fields Too Large", f"Send at most {MAX_HEAD} bytes besides the body."),
    503: ("Service Unavailable", "Too many requests are unfinished; send yours again, faster."),
}
_CHECK_INTERVAL = timedelta(seconds=5)
_BODY_HEADERS = {b"transfer-encoding", b"content-length"}


class LimitedHTTPProtocol(HttpToolsProtocol):
    """Refuses a request that is larger beside its body, or takes longer, than anybody needs.

    Also one with two hosts (RFC 9112, 3.2): what is in front of us may have looked at the other.
    """

    _chunk_bytes = 0  # bytes that came last
    _fed_data = b""  # what of them the parser was given last
    _head_bytes = (
        0  # bytes of a request that came after those it began with, less those of its body
    )
    _request_count = 0  # that have begun
    _is_incomplete = False  # the last of them has not ended
    _in_body = False  # and that is where it is
    _resume_count = 0  # how often the client went on to read
    _stalled_state: tuple[object, ...] | None = None  # where we waited for it at the last look
    _stalled_since = 0.0
    _timer: asyncio.TimerHandle
    _slot: ExitStack  # the place of the connection
    _pending_bytes: PendingBytes
    _request_bytes = 0  # bytes of the request that has not ended

    def connection_made(
        self,
        transport: asyncio.Transport,  # type: ignore[override] # as uvicorn has it
    ) -> None:
        """Begin to look, unless the network has too many connections."""
        super().connection_made(transport)
        self._schedule_check()
        limits = limits_in(self.app_state)
        self._pending_bytes = PendingBytes(limits)
        self._slot = ExitStack()
        address = limits.addresses.of_connection(self.client)
        if address and not limits.has_capacity(address):
            self._reject(429)
        elif address:
            self._slot.enter_context(limits.slot(address))

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more, and leave the place to others."""
        self._timer.cancel()
        self._release()
        super().connection_lost(exc)

    def _release(self) -> None:
        self._slot.close()
        self._pending_bytes.update(0)

    def _schedule_check(self) -> None:
        self._timer = self.loop.call_later(_CHECK_INTERVAL.total_seconds(), self._check_progress)

    def _check_progress(self) -> None:
        """Let go of a client that keeps us waiting; a timer for each request would cost more."""
        state, now = None, self.loop.time()
        if self._is_waiting_for_client or self.flow.write_paused:
            state = self._request_count, self._is_incomplete, self._in_body, self._resume_count
        if state != self._stalled_state:
            self._stalled_state, self._stalled_since = state, now
        elif state and now - self._stalled_since >= self._client_timeout:
            self._time_out()
            return
        self._schedule_check()

    @property
    def _client_timeout(self) -> float:
        """Seconds for which the client may keep the connection as it is."""
        is_idle = self._request_count and not self._is_incomplete and not self.flow.write_paused
        return self.timeout_keep_alive if is_idle else CLIENT_TIMEOUT.total_seconds()

    def _time_out(self) -> None:
        if self._is_incomplete and not self.flow.write_paused:
            self._reject(408)
        else:
            self.transport.abort()

    @property
    def _is_waiting_for_client(self) -> bool:
        """Whether nothing is to be answered before the client has sent more."""
        return not (self.pipeline if self._in_body else self._is_response_pending)

    @property
    def _is_response_pending(self) -> bool:
        """Whether there is a request whose answer has not ended."""
        return bool(self.cycle and not self.cycle.response_complete)

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._head_bytes, self._is_incomplete = -self._chunk_bytes, True
        self._request_count += 1

    def on_headers_complete(self) -> None:
        """Pass on what is not too long; what is raised here is answered by 400."""
        size, hosts = len(self.url), 0
        for name, value in self.headers:
            size += len(name) + len(value) + 4  # a colon, a space and the end of the line
            hosts += name == b"host"
        is_path_long = len(self.url) > MAX_PATH and b"?" not in self.url[: MAX_PATH + 1]
        if is_path_long:
            self._reject(414)
        elif size > MAX_HEAD:
            self._reject_size()
        if is_path_long or size > MAX_HEAD or hosts > 1 or len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self._in_body = True
            self.headers = []  # of what follows the body; the application would take them for ours
        elif self._should_upgrade():
            if _BODY_HEADERS & dict(self.headers).keys():
                raise ValueError  # the body would be read as the next request
            super().on_headers_complete()
        elif self.parser.get_method() == b"CONNECT":  # it would ask for that once more
            raise ValueError

    def on_body(self, body: bytes) -> None:
        """Count the rest."""
        self._head_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Count no more."""
        if self._in_body:
            super().on_message_complete()
        self._is_incomplete = self._in_body = False

    def _unsupported_upgrade_warning(self) -> None:
        """Read on as if no other protocol had been asked for (RFC 9110, 7.8).

        httptools takes what follows such a head, its body, for the other protocol; so it is given
        the head again without that. Java's HTTP client asks for HTTP/2 with each request.
        """
        upgrade: Any = sys.exception()  # HttpParserUpgrade, which tells where the head ends
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        headers = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(headers))
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._feed(head + self._fed_data[upgrade.args[0] :])

    def resume_writing(self) -> None:
        """Note that the client reads."""
        super().resume_writing()
        self._resume_count += 1

    def handle_websocket_upgrade(self) -> None:
        """Pass the connection on, unless an answer is on its way that nobody would then end."""
        if self._is_response_pending:
            self.transport.abort()
            return
        self._timer.cancel()
        self._release()  # the other protocol takes the place
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, unless it was refused for its size."""
        del msg
        if not self.transport.is_closing():
            self._reject(400)

    def _reject_size(self) -> None:
        self._reject(414 if len(self.url) > MAX_HEAD // 2 else 431)

    def _reject(self, status: int) -> None:
        """Answer with the headers that every answer has, and close the connection."""
        if not self._is_waiting_for_client or (self._in_body and self.cycle.response_started):
            self.transport.abort()  # it would be read as the answer to another, or as a second one
            return
        reason, text = _REJECTIONS[status]
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            **SECURITY,
            "Connection": "close",
            "Content-Length": str(len(text)),
        }
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"HTTP/1.1 {status} {reason}\r\n"
        self.transport.write(f"{head}{''.join(lines)}\r\n{text}".encode("ascii"))
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head, or to what follows the body, without an end."""
        self._chunk_bytes = len(data)
        self._feed(data)
        self._head_bytes += len(data)
        is_buffered = self._is_incomplete and not (self._in_body and self.cycle.response_complete)
        self._request_bytes = self._request_bytes + len(data) if is_buffered else 0
        if self.transport.is_closing():
            return
        if self._is_incomplete and self._head_bytes > MAX_HEAD:
            self._reject_size()
        elif not self._pending_bytes.update(self._request_bytes):
            self._reject(503)

    def _feed(self, data: bytes) -> None:
        self._fed_data = data
        super().data_received(data)
        self._fed_data = b""
