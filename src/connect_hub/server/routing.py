"""Routing in front of Starlette's router: a fast path to GraphQL, and trusted hosts."""

from collections.abc import Awaitable, Iterable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from connect_hub.server.headers import header
from connect_hub.settings.origins import canonical_host

_CACHE_SIZE = 64  # Host headers
_REJECTION = PlainTextResponse(
    "This host is not served here: use another one, or add it to ALLOWED_HOSTS.\n", 400
)


class GraphQLFastPath:
    """Bypasses the router for GraphQL, because its matching costs as much as a SQL statement.

    A trailing slash is removed from any path.

    Args:
        app: handles all other requests.
        path: the path of the GraphQL endpoint.
        graphql: handles HTTP requests to that path.
    """

    def __init__(self, app: ASGIApp, *, path: str, graphql: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._graphql = graphql

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Choose the application by the path of a request."""
        path = scope.get("path", "")  # lifespan has no path
        if path.endswith("/") and path != "/":
            path = scope["path"] = path[:-1]
        is_graphql = scope["type"] == "http" and path == self._path
        return (self._graphql if is_graphql else self._app)(scope, receive, send)


class TrustedHostMiddleware:
    """Rejects requests whose Host header is not allowed; accepted headers are cached.

    Args:
        app: handles requests to allowed hosts.
        allowed: host names; `*.example.com` allows subdomains, and `*` allows all.
    """

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        self._app = app
        self._allow_any = "*" in allowed
        self._names = {canonical_host(host) for host in allowed}
        self._domains = tuple(
            f".{canonical_host(host[2:])}" for host in allowed if host.startswith("*.")
        )
        self._accepted: set[str] = set()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle a request, or reject it with 400."""
        host = header(scope, b"host") or ""
        if host not in self._accepted:
            if not self._is_allowed(host):
                return _REJECTION(scope, receive, send)
            if len(self._accepted) < _CACHE_SIZE:
                self._accepted.add(host)
        return self._app(scope, receive, send)

    def _is_allowed(self, header: str) -> bool:
        host = canonical_host(header)
        return self._allow_any or bool(
            host and (host in self._names or host.endswith(self._domains))
        )
