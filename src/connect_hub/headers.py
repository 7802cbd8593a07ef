"""Headers that every answer has."""

from datetime import timedelta

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


MAX_HEADERS = 32 * 1024  # bytes of all header lines of a request


class HeaderLimit:
    """Refuses requests with more headers than anybody needs, which take long to read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 431 (RFC 6585)."""
        if sum(len(name) + len(value) for name, value in scope.get("headers", ())) > MAX_HEADERS:
            refusal = PlainTextResponse(f"The headers are over {MAX_HEADERS} bytes long.\n", 431)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


class SecurityHeaders:
    """Tells browsers to do nothing with an answer that nobody asked them to do.

    A page that needs more sets a header of its own.
    """

    def __init__(self, app: ASGIApp, *, hsts: timedelta | None) -> None:
        self._app = app
        self._headers = dict(_SECURITY)
        if hsts:
            self._headers["Strict-Transport-Security"] = f"max-age={hsts.total_seconds():.0f}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add what its answer lacks."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
