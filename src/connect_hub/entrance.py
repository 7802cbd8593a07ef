"""The way of a request to what answers it, short where that is asked often."""

from collections.abc import Awaitable, Sequence

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_REMEMBERED = 64  # Host headers


class Shortcut:
    """Lets one path be answered ahead of all routes: to go by them takes as long as a statement."""

    def __init__(self, app: ASGIApp, *, path: str, to: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._to = to

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Choose by the path of an HTTP request."""
        is_it = scope["type"] == "http" and scope["path"] == self._path
        return (self._to if is_it else self._app)(scope, receive, send)


class Hosts(TrustedHostMiddleware):
    """Passes on what is sent to a host of ours, and remembers by which headers it was."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        super().__init__(self._right, allowed, www_redirect=False)
        self._app = app
        self._known: set[bytes] = set()

    def __call__(  # type: ignore[override] # Starlette's awaits what is returned here
        self, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        """Look only at what is not known."""
        known = _host(scope) in self._known
        return (self._app if known else super().__call__)(scope, receive, send)

    def _right(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if len(self._known) < _REMEMBERED:
            self._known.add(_host(scope))
        return self._app(scope, receive, send)


def _host(scope: Scope) -> bytes:
    found: bytes = next((text for name, text in scope["headers"] if name == b"host"), b"")
    return found
