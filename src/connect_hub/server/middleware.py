"""Middleware of all requests: request ids, response headers, log lines, metrics and 500s."""

import re
from collections.abc import Callable, Iterable
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connect_hub.observability import logs, metrics
from connect_hub.server.client_address import ClientAddresses
from connect_hub.server.headers import SECURITY, header
from connect_hub.server.request_log import request_log
from connect_hub.server.shutdown import GracefulShutdown

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")
_UNIQUE_ID = re.compile(  # UUID, 32 hexadecimal digits, ULID
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|[0-9A-HJKMNP-TV-Z]{26}", re.IGNORECASE
)
_SEPARATORS = re.compile(r"[._-]")
_SECRET_NUMBER = re.compile(r"\d{7}|^\d{4,}$")  # a part of a phone, or a code
_Header = tuple[bytes, bytes]
_ABNORMAL_CLOSURE = 1006  # no close frame was received (RFC 6455, 7.4.1)
_CLIENT_DISCONNECTED = 499  # before the response; used in logs only, after nginx


class RequestMiddleware:
    """Gives each request an `X-Request-ID`, adds headers to its response and logs it.

    An id that the client sends is logged beside ours.

    Args:
        error_response: makes the response to a request whose handler raised an exception.
        headers: added to each response, unless the handler has set them.
        shutdown: while it drains, connections are closed after their response.
        addresses: find the client's network for the log.
        record_metrics: whether metrics are served.
    """

    def __init__(  # noqa: PLR0913 (settings of all requests)
        self,
        app: ASGIApp,
        *,
        error_response: Callable[[Scope, Exception], ASGIApp],
        headers: dict[str, str],
        shutdown: GracefulShutdown,
        addresses: ClientAddresses,
        record_metrics: bool,
    ) -> None:
        self._app = app
        self._error_response = error_response
        self._shutdown = shutdown
        self._addresses = addresses
        self._record_metrics = record_metrics
        fields = (SECURITY | headers).items()
        self._headers = [(name.lower().encode(), text.encode()) for name, text in fields]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; the log line has what the handler wrote into its RequestLog."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        log = request_log(scope)
        request_id = log.request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)  # a task serves one request
        status = 0
        started_at = perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._with_headers(message["headers"], request_id)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if status:  # the response has started
                raise
            await self._error_response(scope, error)(scope, receive, send_with_headers)
        finally:
            seconds = perf_counter() - started_at
            if self._record_metrics and log.outcome:  # only GraphQL has one
                metrics.record_operation(log.field or "none", outcome=log.outcome, seconds=seconds)
            logs.log_request(
                request_id=request_id,
                method=scope["method"],
                path=scope["path"],
                operation=log.operation,
                field=log.field,
                outcome=log.outcome,
                **self._client_fields(scope),
                status=status or _CLIENT_DISCONNECTED,
                milliseconds=round(seconds * 1000, 1),
            )

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a WebSocket; one log line says that it was opened or rejected, another its end."""
        request_id = request_log(scope).request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        fields = {"request_id": request_id, "path": scope["path"], "operation": ""}
        code, reason = _ABNORMAL_CLOSURE, ""  # the server's own, if the server closes
        started_at = 0.0

        async def receive_with_code() -> Message:
            nonlocal code
            message = await receive()
            if message["type"] == "websocket.disconnect":
                code = message["code"]
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal code, reason, started_at
            if message["type"] == "websocket.accept":
                started_at = perf_counter()
                message["headers"] = self._with_headers(message["headers"], request_id)
                logs.log_request(
                    event="socket opened", status=101, **fields, **self._client_fields(scope)
                )
            elif message["type"] == "websocket.http.response.start":
                message["headers"] = self._with_headers(message["headers"], request_id)
                status = message["status"]
                logs.log_request(
                    event="socket refused", status=status, **fields, **self._client_fields(scope)
                )
            elif message["type"] == "websocket.close":
                code, reason = message["code"], message["reason"]
            await send(message)

        try:
            await self._app(scope, receive_with_code, send_with_headers)
        finally:
            if started_at:
                seconds = round(perf_counter() - started_at, 1)
                fields |= self._client_fields(scope)
                logs.log_request(
                    event="socket closed", code=code, outcome=reason, seconds=seconds, **fields
                )

    def _client_fields(self, scope: Scope) -> dict[str, str]:
        """Return the client's network, its id if it is signed in, and its own request id."""
        fields = {"network": self._addresses.of(scope)}
        if client := request_log(scope).client:
            fields["client"] = client
        if value := _client_request_id(scope):
            fields["client_request_id"] = value
        return fields

    def _with_headers(self, own: Iterable[_Header], request_id: str) -> list[_Header]:
        headers = [*own, (b"x-request-id", request_id.encode())]
        names = {name for name, _ in headers}
        headers += [each for each in self._headers if each[0] not in names]
        if self._shutdown.draining:
            headers.append((b"connection", b"close"))
        return headers


def _client_request_id(scope: Scope) -> str | None:
    """Return the request id that a client sent, unless it may be a phone or a code."""
    value = header(scope, b"x-request-id")
    if not value or _UNIQUE_ID.fullmatch(value):
        return value
    has_number = _SECRET_NUMBER.search(_SEPARATORS.sub("", value))
    return value if _REQUEST_ID.fullmatch(value) and not has_number else None
