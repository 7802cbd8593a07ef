"""GraphQL over WebSocket: one connection.

The protocol is graphql-transport-ws, defined by the npm package graphql-ws
(https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md). A connection belongs to the
client whose token came with `connection_init`, closes when the token's session ends, and serves
subscriptions only.
"""

import asyncio
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import orjson
import structlog
from starlette.authentication import BaseUser, UnauthenticatedUser
from starlette.websockets import WebSocket, WebSocketDisconnect

from connect_hub.api.context import Context
from connect_hub.api.execution.engine import Engine
from connect_hub.api.services import Services
from connect_hub.api.transport import messages
from connect_hub.api.transport.messages import Close, ClosedError
from connect_hub.api.transport.subscriptions import Subscriptions
from connect_hub.database.errors import UNAVAILABLE
from connect_hub.domain import invitations
from connect_hub.domain.viewer import Viewer
from connect_hub.security.access_tokens import ExpiredTokenError, InvalidTokenError
from connect_hub.server.connection_limits import ConnectionLimiter

INIT_TIMEOUT = timedelta(seconds=5)
SEND_TIMEOUT = timedelta(seconds=5)  # for the client to read a message

log = structlog.get_logger()


class Connection:
    """One connection, from the first message to the close frame.

    Args:
        websocket: not accepted yet.
        engine: executes subscriptions.
        services: of the process.
        unauthenticated_slot: released once the client is known.
        per_client: limits the connections of each client.
    """

    def __init__(
        self,
        websocket: WebSocket,
        engine: Engine,
        services: Services,
        *,
        unauthenticated_slot: ExitStack,
        per_client: ConnectionLimiter,
    ) -> None:
        self._websocket = websocket
        self._services = services
        self._unauthenticated_slot = unauthenticated_slot
        self._per_client = per_client
        self._user: BaseUser = UnauthenticatedUser()
        self._is_acknowledged = False
        self._subscriptions = Subscriptions(engine, send=self._send, close=self.close)
        self._close_reason = messages.INIT_TOO_LATE  # when the deadline passes
        self._is_open = True

    async def run(self) -> None:
        """Serve the connection until the client or the server closes it."""
        try:
            await self._websocket.accept(messages.SUBPROTOCOL)
            with ExitStack() as self._resources:
                async with asyncio.timeout(INIT_TIMEOUT.total_seconds()) as self._deadline:
                    await self._receive()
        except WebSocketDisconnect:
            return
        except TimeoutError:
            pass  # the deadline passed, or close() was called
        except ClosedError as closed:
            self._close_reason = closed.close
        finally:
            self._is_open = False
            await self._subscriptions.cancel_all()
        with suppress(WebSocketDisconnect):
            await self._websocket.close(*self._close_reason)

    def close(self, reason: Close) -> None:
        """Close the connection from another task, such as one that sends events."""
        if self._is_open and not self._deadline.expired():
            self._is_open, self._close_reason = False, reason
            self._deadline.reschedule(0)

    async def _receive(self) -> None:
        handlers = {
            "connection_init": self._init,
            "ping": self._ping,
            "pong": self._pong,
            "subscribe": self._subscribe,
            "complete": self._complete,
        }
        try:
            while True:
                kind, message = messages.parse(await self._websocket.receive())
                await handlers.get(kind, messages.reject)(message)
        except (ClosedError, WebSocketDisconnect):
            raise
        except UNAVAILABLE:
            raise ClosedError(messages.DATABASE_UNAVAILABLE) from None
        except Exception:
            log.exception("internal error")
            raise ClosedError(messages.INTERNAL_ERROR) from None

    async def _init(self, message: dict[str, Any]) -> None:
        if self._is_acknowledged:
            raise ClosedError(messages.DUPLICATE_INIT)
        self._close_reason = messages.DATABASE_UNAVAILABLE  # if the queries below take too long
        self._user = self._services.authentication.user_from(messages.authorization(message))
        viewer = await self._authenticate()
        client = viewer.client
        if not self._per_client.has_capacity(client.id):
            raise ClosedError(messages.TOO_MANY_CONNECTIONS)
        self._resources.enter_context(self._per_client.slot(client.id))
        self._subscriptions.since = await invitations.latest_invited_at(client)
        self._is_acknowledged = True
        self._unauthenticated_slot.close()
        self._close_reason = messages.TOKEN_EXPIRED
        remaining = viewer.signed_in_until - datetime.now(UTC)
        self._deadline.reschedule(asyncio.get_running_loop().time() + remaining.total_seconds())
        await self._send({"type": "connection_ack"})

    async def _authenticate(self) -> Viewer:
        """Return the client of the token, and close the connection when the session ends."""
        try:
            viewer = await self._context().authenticate()
        except ExpiredTokenError:
            raise ClosedError(messages.TOKEN_EXPIRED) from None
        except InvalidTokenError as error:
            raise ClosedError(Close(4401, str(error))) from None
        if viewer is None:
            raise ClosedError(messages.TOKEN_MISSING)
        close = partial(self.close, messages.SESSION_ENDED)
        live_updates = self._services.live_updates
        self._resources.enter_context(live_updates.on_session_end(viewer.session_id, close))
        return viewer

    async def _ping(self, _message: dict[str, Any]) -> None:
        await self._send({"type": "pong"})

    async def _pong(self, _message: dict[str, Any]) -> None:
        """Accept it: some clients send it as a heartbeat."""

    async def _subscribe(self, message: dict[str, Any]) -> None:
        operation_id = messages.operation_id(message)
        if not self._is_acknowledged:
            raise ClosedError(messages.INIT_MISSING)
        if operation_id in self._subscriptions:
            raise ClosedError(messages.DUPLICATE_ID)
        await self._subscriptions.start(operation_id, messages.payload(message), self._context())

    async def _complete(self, message: dict[str, Any]) -> None:
        self._subscriptions.cancel(messages.operation_id(message))

    def _context(self) -> Context:
        return Context(services=self._services, scope=self._websocket.scope, user=self._user)

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT.total_seconds()):
                await self._websocket.send_text(orjson.dumps(message).decode())
        except TimeoutError:
            raise ClosedError(messages.SLOW_CONSUMER) from None
