"""uvicorn's HTTP protocol with size and time limits; duplicate Host headers are rejected."""

import asyncio
import sys
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import structlog
from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connect_hub.server.connection_limits import PendingBytes, limits_in
from connect_hub.server.headers import SECURITY
from connect_hub.server.response_transport import ResponseTransport

MAX_HEAD = 32 * 1024  # bytes of the request line and headers, of chunk framing and trailers
MAX_PATH = 1024  # bytes; valid paths are shorter, and splitting a long path is slow
MAX_PIPELINED = 16  # requests of a connection that wait for the response to an earlier one
CLIENT_TIMEOUT = timedelta(seconds=20)  # to send the rest of a request, or to read an answer
_REJECTIONS = {
    400: ("Bad Request", "Send a valid HTTP request with one Host header."),
    408: ("Request Timeout", f"Send a request within {CLIENT_TIMEOUT.seconds} seconds."),
    414: (
        "URI Too Long",
        f"Send at most {MAX_PATH} bytes of path and {MAX_HEAD} besides the body: use POST.",
    ),
    429: ("Too Many Requests", "Too many connections are open from your network; close some."),
    431: ("Request Header Fields Too Large", f"Send at most {MAX_HEAD} bytes besides the body."),
    503: (
        "Service Unavailable",
        "Too many connections are open, or requests unfinished; send yours again in a while.",
    ),
}
_LOGGED_ONCE = {429, 503}  # by ConnectionLimits, since there may be thousands
_CHECK_INTERVAL = timedelta(seconds=5)
_BODY_HEADERS = {b"transfer-encoding", b"content-length"}

log = structlog.get_logger()


class LimitedHTTPProtocol(HttpToolsProtocol):
    """Rejects requests with a large head and disconnects clients that stall.

    A request with two Host headers is rejected (RFC 9112, 3.2), because a proxy in front of the
    server may have used the other one.
    """

    _chunk_bytes = 0  # of the data received last
    _fed_data = b""  # the data that the parser is reading
    _head_bytes = 0  # of the current request, without its body
    _request_count = 0  # requests that have begun
    _is_incomplete = False  # the last request has not ended
    _in_body = False  # the head of the last request has ended, its body has not
    _resume_count = 0  # how often the client began to read again
    _stalled_state: tuple[object, ...] | None = None  # see _check_progress
    _stalled_since = 0.0
    _timer: asyncio.TimerHandle
    _slot: ExitStack  # of the connection, in ConnectionLimits
    _network = "local"  # of the client or proxy, for the log
    _pending_bytes: PendingBytes
    _request_bytes = 0  # of the request that has not ended

    def connection_made(
        self,
        transport: asyncio.Transport,  # type: ignore[override] # like uvicorn
    ) -> None:
        """Start the timeouts; reject the connection if the process or its network has too many."""
        super().connection_made(transport)
        self._schedule_check()
        limits = limits_in(self.app_state)
        self._pending_bytes = PendingBytes(limits)
        self._slot = ExitStack()
        address = limits.addresses.of_connection(self.client)
        self._network = address or (self.client or ("local",))[0]
        if not limits.has_room():
            self._reject(503)
        elif address and not limits.has_capacity(address):
            self._reject(429)
        else:
            self._slot.enter_context(limits.connection(address))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeouts and release the connection's slot."""
        self._timer.cancel()
        self._release()
        super().connection_lost(exc)

    def _release(self) -> None:
        self._slot.close()
        self._pending_bytes.update(0)

    def _schedule_check(self) -> None:
        self._timer = self.loop.call_later(_CHECK_INTERVAL.total_seconds(), self._check_progress)

    def _check_progress(self) -> None:
        """Disconnect a client whose state has not changed for too long.

        The server is then waiting for it to send a request or to read a response. One timer per
        connection costs less than one per request.
        """
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
        """Seconds that the client may take: longer if no request is unfinished."""
        is_idle = self._request_count and not self._is_incomplete and not self.flow.write_paused
        return self.timeout_keep_alive if is_idle else CLIENT_TIMEOUT.total_seconds()

    def _time_out(self) -> None:
        if self._is_incomplete and not self.flow.write_paused:
            self._reject(408)
        else:
            self.transport.abort()

    @property
    def _is_waiting_for_client(self) -> bool:
        """Whether the server cannot respond before the client has sent more."""
        return not (self.pipeline if self._in_body else self._is_response_pending)

    @property
    def _is_response_pending(self) -> bool:
        """Whether there is a request whose response has not ended."""
        return bool(self.cycle and not self.cycle.response_complete)

    def on_message_begin(self) -> None:
        """Count the request, and its bytes from here on."""
        super().on_message_begin()
        self._head_bytes, self._is_incomplete = -self._chunk_bytes, True
        self._request_count += 1

    def on_headers_complete(self) -> None:
        """Reject a head that is too long or ambiguous; uvicorn answers ValueError with 400."""
        size, hosts = len(self.url), 0
        for name, value in self.headers:
            size += len(name) + len(value) + 4  # colon, space, CRLF
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
            self.cycle.transport = ResponseTransport(self.cycle, self.transport)  # type: ignore[assignment]  # of the methods that a cycle calls
            self._in_body = True
            self.headers = []  # trailers go here, so that the application ignores them
        elif self._should_upgrade():
            if _BODY_HEADERS & dict(self.headers).keys():
                raise ValueError  # the body would be read as the next request
            super().on_headers_complete()
        elif self.parser.get_method() == b"CONNECT":  # its head would be fed again without end
            raise ValueError

    def on_body(self, body: bytes) -> None:
        """Subtract the body from the bytes of the head."""
        self._head_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request has ended."""
        if self._in_body:
            super().on_message_complete()
        self._is_incomplete = self._in_body = False

    def _unsupported_upgrade_warning(self) -> None:
        """Ignore a request to upgrade to another protocol, such as HTTP/2 (RFC 9110, 7.8).

        httptools stops after the head, because data of the other protocol may follow. A new parser
        therefore gets the head without its Upgrade header, and then the body. Java's HTTP client
        asks for HTTP/2 with each request.
        """
        upgrade: Any = sys.exception()  # HttpParserUpgrade; its argument is where the head ends
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        headers = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(headers))
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # like uvicorn
        self._feed(head + self._fed_data[upgrade.args[0] :])

    def resume_writing(self) -> None:
        """Note that the client has read something."""
        super().resume_writing()
        self._resume_count += 1

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the WebSocket protocol.

        The connection is aborted if an earlier response is pending, which nothing would finish.
        """
        if self._is_response_pending:
            self.transport.abort()
            return
        self._timer.cancel()
        self._release()  # the WebSocket protocol acquires a slot of its own
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Reject invalid HTTP, unless the request was rejected already."""
        del msg
        if not self.transport.is_closing():
            self._reject(400)

    def _reject_size(self) -> None:
        self._reject(414 if len(self.url) > MAX_HEAD // 2 else 431)

    def _reject(self, status: int) -> None:
        """Respond with a status of `_REJECTIONS`, and close the connection."""
        if not self._is_waiting_for_client or (self._in_body and self.cycle.response_started):
            self.transport.abort()  # the client would take it for the response to another request
            return
        if status not in _LOGGED_ONCE:
            log.info("request rejected", status=status, network=self._network)
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
        """Feed the parser, then reject a head or an unfinished request that is too large."""
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
