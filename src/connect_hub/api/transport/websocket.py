"""GraphQL over WebSocket: the ASGI application, which accepts or rejects connections."""

from contextlib import ExitStack, nullcontext

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from connect_hub.api.execution.engine import Engine
from connect_hub.api.services import Services
from connect_hub.api.transport.connection import Connection
from connect_hub.api.transport.messages import SUBPROTOCOL
from connect_hub.server.connection_limits import ConnectionLimiter
from connect_hub.settings.origins import Origins

MAX_CONNECTIONS = 10_000  # of a process
MAX_UNAUTHENTICATED = 20  # of an address, before their connection_init is accepted
MAX_PER_CLIENT = 20


class GraphQLWebSocket:
    """Serves all WebSocket connections of one process."""

    def __init__(self, engine: Engine, services: Services) -> None:
        settings = services.settings
        self._engine = engine
        self._services = services
        self._limits = services.connection_limits
        self._origins = Origins((*settings.cors_origins, settings.public_url or ""))
        self._all = ConnectionLimiter(MAX_CONNECTIONS)
        self._unauthenticated = ConnectionLimiter(MAX_UNAUTHENTICATED)
        self._per_client = ConnectionLimiter(MAX_PER_CLIENT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or reject it before the handshake."""
        websocket = WebSocket(scope, receive, send)
        addresses = self._services.addresses
        address = addresses.of(scope)
        is_proxied = addresses.is_proxied(scope)  # direct ones were counted as TCP connections
        if rejection := self._rejection(websocket, address, is_proxied=is_proxied):
            await rejection(scope, receive, send)
            return
        network_slot = self._limits.slot(address) if is_proxied else nullcontext()
        with self._all.slot(None), network_slot, ExitStack() as unauthenticated_slot:
            unauthenticated_slot.enter_context(self._unauthenticated.slot(address))
            connection = Connection(
                websocket,
                self._engine,
                self._services,
                unauthenticated_slot=unauthenticated_slot,
                per_client=self._per_client,
            )
            await connection.run()

    def _rejection(
        self, websocket: WebSocket, address: str, *, is_proxied: bool
    ) -> Response | None:
        if SUBPROTOCOL not in websocket.scope["subprotocols"]:
            return _response(400, f"Connect with the subprotocol {SUBPROTOCOL}.")
        if not self._is_allowed_origin(websocket):
            return _response(403, "Pages of this origin may not connect: add it to CORS_ORIGINS.")
        if not self._all.has_capacity(None):
            return _response(503, "The server has too many connections; try again in a while.")
        if is_proxied and not self._limits.has_capacity(address):
            return _response(429, "Too many connections are open from your network; close some.")
        if not self._unauthenticated.has_capacity(address):
            return _response(429, "Too many connections from your address: send connection_init.")
        return None

    def _is_allowed_origin(self, websocket: WebSocket) -> bool:
        """Accept our own pages, those of CORS_ORIGINS, and clients that are not browsers."""
        origin = websocket.headers.get("origin")
        if origin is None or origin in self._origins:
            return True
        scheme = origin.partition("://")[0]
        return origin in Origins([f"{scheme}://{websocket.headers.get('host', '')}"])


def _response(status: int, message: str) -> Response:
    return PlainTextResponse(f"{message}\n", status)
