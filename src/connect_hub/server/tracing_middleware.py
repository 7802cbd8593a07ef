"""Middleware that traces each HTTP request."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connect_hub.observability import tracing
from connect_hub.server.client_address import ClientAddresses
from connect_hub.server.headers import header
from connect_hub.server.request_log import request_log


class TracingMiddleware:
    """Records a span for each HTTP request, named after its GraphQL field."""

    def __init__(self, app: ASGIApp, *, addresses: ClientAddresses) -> None:
        self._app = app
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request within a span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # `traceparent` decides which requests are sampled, so only trusted proxies may set it.
        names = ("traceparent", "tracestate") if self._addresses.is_proxied(scope) else ()
        headers = {name: header(scope, name.encode()) or "" for name in names}
        status = 0

        async def send_with_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with tracing.trace_request(headers) as span:
            log = request_log(scope)
            try:
                await self._app(scope, receive, send_with_status)
            finally:
                span.update_name(log.field or "request")
                span.set_attributes(
                    {
                        "http.request.method": scope["method"],
                        "http.response.status_code": status,
                        "graphql.outcome": log.outcome,
                        "request_id": log.request_id,
                    }
                )
