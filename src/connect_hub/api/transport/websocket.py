"""GraphQL over WebSocket: who may connect, and how many."""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext

from starlette.authentication import BaseUser
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from connect_hub.api.context import Context
from connect_hub.api.transport.connection import Connection
from connect_hub.api.transport.http import GraphQLView
from connect_hub.api.transport.messages import SUBPROTOCOL
from connect_hub.domain.live_updates import LiveUpdates
from connect_hub.server.authentication import TokenBackend
from connect_hub.server.connection_limits import ConnectionLimiter, ConnectionLimits
from connect_hub.settings import Settings
from connect_hub.settings.origins import Origins

MAX_CONNECTIONS = 10_000  # sockets of a process
MAX_UNAUTHENTICATED = 20  # of an address, before they have said who they are
MAX_PER_CLIENT = 20


class GraphQLSockets:
    """An ASGI application for the WebSockets of one process."""

    def __init__(  # noqa: PLR0913 (what all connections use)
        self,
        view: GraphQLView,
        *,
        context: Callable[[Scope, BaseUser], Context],
        backend: TokenBackend,
        live: LiveUpdates,
        limits: ConnectionLimits,
        settings: Settings,
    ) -> None:
        self._view = view
        self._context = context
        self._backend = backend
        self._live = live
        self._limits = limits
        self._origins = Origins((*settings.cors_origins, settings.public_url or ""))
        self._all = ConnectionLimiter(MAX_CONNECTIONS)
        self._unauthenticated = ConnectionLimiter(MAX_UNAUTHENTICATED)
        self._per_client = ConnectionLimiter(MAX_PER_CLIENT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it before it is one."""
        websocket = WebSocket(scope, receive, send)
        addresses = self._limits.addresses
        address = addresses.of(scope)
        is_proxied = addresses.is_proxied(scope)  # others were counted when they connected
        if refusal := self._refusal(websocket, address, is_proxied=is_proxied):
            await refusal(scope, receive, send)
            return
        of_network = self._limits.slot(address) if is_proxied else nullcontext()
        with self._all.slot(None), of_network, ExitStack() as unauthenticated:
            unauthenticated.enter_context(self._unauthenticated.slot(address))
            connection = Connection(
                websocket,
                view=self._view,
                context=self._context,
                backend=self._backend,
                live=self._live,
                unauthenticated=unauthenticated,
                per_client=self._per_client,
            )
            await connection.run()

    def _refusal(self, websocket: WebSocket, address: str, *, is_proxied: bool) -> Response | None:
        if SUBPROTOCOL not in websocket.scope["subprotocols"]:
            return _refused(400, f"Connect with the subprotocol {SUBPROTOCOL}.")
        if not self._is_ours(websocket):
            return _refused(403, "Pages of this origin may not connect: see CORS_ORIGINS.")
        if not self._all.has_capacity(None):
            return _refused(503, "Too many are connected; try again in a while.")
        if is_proxied and not self._limits.has_capacity(address):
            return _refused(429, "Too many connections are open from your network; close some.")
        if not self._unauthenticated.has_capacity(address):
            return _refused(429, "Too many of your address wait: send connection_init.")
        return None

    def _is_ours(self, websocket: WebSocket) -> bool:
        """Tell whether the page that connects is ours, or one that may, or no page at all."""
        origin = websocket.headers.get("origin")
        if origin is None or origin in self._origins:
            return True
        scheme = origin.partition("://")[0]
        return origin in Origins([f"{scheme}://{websocket.headers.get('host', '')}"])


def _refused(status: int, message: str) -> Response:
    return PlainTextResponse(f"{message}\n", status)
