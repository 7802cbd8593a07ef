"""Headers that every answer has."""

from datetime import timedelta

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SecurityHeaders:
    """Tells browsers to do nothing with an answer that nobody asked them to do.

    A page that needs more sets a header of its own.
    """

    def __init__(self, app: ASGIApp, *, hsts: timedelta | None) -> None:
        self._app = app
        self._headers = dict(SECURITY)
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
