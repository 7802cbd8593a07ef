"""GraphQL over WebSocket: one connection.

The protocol is graphql-transport-ws, as the library graphql-ws has it
(https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md). A connection takes subscriptions
only, of the client whose token came with `connection_init`, and as long as that is valid.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from inspect import isawaitable
from typing import Any

import orjson
import structlog
from graphql import (
    ExecutionResult,
    GraphQLError,
    OperationType,
    create_source_event_stream,
    execute_subscription_event,
    map_source_to_response_event,
)
from starlette.authentication import BaseUser, UnauthenticatedUser
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from connect_hub.api.context import Context
from connect_hub.api.errors import BadRequestError, UnauthenticatedError, formatted
from connect_hub.api.execution.documents import InvalidDocumentError
from connect_hub.api.execution.query_limits import MAX_ERRORS
from connect_hub.api.transport import messages
from connect_hub.api.transport.http import RESPONSE_TIMEOUT, GraphQLView
from connect_hub.api.transport.http_request import RequestError, parameters_in
from connect_hub.api.transport.messages import Close, ClosedError
from connect_hub.database.config import UNAVAILABLE
from connect_hub.database.connections import Within
from connect_hub.domain import invitations
from connect_hub.domain.live_updates import LiveUpdates, SlowConsumerError
from connect_hub.domain.sessions import Viewer
from connect_hub.security.tokens import ExpiredTokenError, InvalidTokenError
from connect_hub.server.authentication import TokenBackend
from connect_hub.server.connection_limits import ConnectionLimiter
from connect_hub.server.request_log import request_log

INIT_TIMEOUT = timedelta(seconds=5)
SEND_TIMEOUT = timedelta(seconds=5)  # by the reader, of a message
MAX_SUBSCRIPTIONS = 20

Results = AsyncGenerator[ExecutionResult, None]

log = structlog.get_logger()


class RefusedError(Exception):
    """An operation is not served."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__()
        self.errors = errors


class Connection:
    """One client, from its first message to the last."""

    def __init__(  # noqa: PLR0913 (what all connections use, and the limiter this one takes)
        self,
        websocket: WebSocket,
        *,
        view: GraphQLView,
        context: Callable[[Scope, BaseUser], Context],
        backend: TokenBackend,
        live: LiveUpdates,
        unauthenticated: ExitStack,
        per_client: ConnectionLimiter,
    ) -> None:
        self._websocket = websocket
        self._view = view
        self._context = partial(context, websocket.scope)
        self._backend = backend
        self._live = live
        self._unauthenticated = unauthenticated  # to be closed once it is known who is there
        self._per_client = per_client
        self._user: BaseUser = UnauthenticatedUser()
        self._is_known = False
        self._since: datetime | None = None  # what the first subscription begins with
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._close = messages.INIT_TOO_LATE  # if the time is up
        self._is_open = True

    async def run(self) -> None:
        """Serve until either side has enough."""
        try:
            await self._websocket.accept(messages.SUBPROTOCOL)
            with ExitStack() as self._held:
                async with asyncio.timeout(INIT_TIMEOUT.total_seconds()) as self._time:
                    await self._listen()
        except WebSocketDisconnect:
            return
        except TimeoutError:
            pass  # the time is up
        except ClosedError as closed:
            self._close = closed.close
        finally:
            self._is_open = False
            await self._stop()
        with suppress(WebSocketDisconnect):
            await self._websocket.close(*self._close)

    def end(self, close: Close) -> None:
        """Close the connection, whatever it waits for."""
        if self._is_open and not self._time.expired():
            self._is_open, self._close = False, close
            self._time.reschedule(0)

    async def _stop(self) -> None:
        operations = list(self._operations.values())
        for operation in operations:
            operation.cancel()
        await asyncio.gather(*operations, return_exceptions=True)

    async def _listen(self) -> None:
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
        if self._is_known:
            raise ClosedError(messages.DUPLICATE_INIT)
        self._close = messages.DATABASE_UNAVAILABLE
        self._user = self._backend.user_of(messages.authorization(message))
        viewer = await self._viewer()
        client = viewer.client
        if not self._per_client.has_capacity(client.id):
            raise ClosedError(messages.TOO_MANY_CONNECTIONS)
        self._held.enter_context(self._per_client.slot(client.id))
        self._since = await invitations.latest_invited_at(client)
        self._is_known = True
        self._unauthenticated.close()
        self._close = messages.TOKEN_EXPIRED
        left = viewer.signed_in_until - datetime.now(UTC)
        self._time.reschedule(asyncio.get_running_loop().time() + left.total_seconds())
        await self._send({"type": "connection_ack"})

    async def _viewer(self) -> Viewer:
        """Find whose token came; the connection ends with its session."""
        try:
            viewer = await self._context(self._user).authenticate()
        except ExpiredTokenError:
            raise ClosedError(messages.TOKEN_EXPIRED) from None
        except InvalidTokenError as error:
            raise ClosedError(Close(4401, str(error))) from None
        if viewer is None:
            raise ClosedError(messages.TOKEN_MISSING)
        ended = partial(self.end, messages.SESSION_ENDED)
        self._held.enter_context(self._live.on_session_end(viewer.session_id, ended))
        return viewer

    async def _ping(self, _message: dict[str, Any]) -> None:
        await self._send({"type": "pong"})

    async def _pong(self, _message: dict[str, Any]) -> None:
        """Take what some clients send as a sign of life."""

    async def _complete(self, message: dict[str, Any]) -> None:
        if operation := self._operations.pop(messages.operation_id(message), None):
            operation.cancel()

    async def _subscribe(self, message: dict[str, Any]) -> None:
        name = messages.operation_id(message)
        if not self._is_known:
            raise ClosedError(messages.INIT_MISSING)
        if name in self._operations:
            raise ClosedError(messages.DUPLICATE_ID)
        try:
            with Within(RESPONSE_TIMEOUT):
                results = await self._results(messages.payload(message))
        except (RefusedError, InvalidDocumentError) as error:
            payload = self._formatted(error.errors)
            await self._send({"id": name, "type": "error", "payload": payload})
        else:
            self._operations[name] = asyncio.create_task(self._tell(name, results))

    async def _results(self, payload: dict[str, Any]) -> Results:
        """Begin what a message subscribes to.

        The first subscription tells what has happened since connection_ack. So a client that
        queries what it missed once it is connected, and then subscribes, misses nothing.
        """
        context = self._context(self._user)
        build = self._builder(payload, context)
        executor = self._subscribing(build())
        try:
            viewer = await context.signed_in()
        except UnauthenticatedError as error:
            raise ClosedError(Close(4401, error.message)) from None
        context.since, self._since = (
            self._since or await invitations.latest_invited_at(viewer.client),
            None,
        )
        source = create_source_event_stream(executor)
        if isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            raise RefusedError(source.errors or [])
        return map_source_to_response_event(executor, source, partial(_executed, build))

    def _builder(self, payload: dict[str, Any], context: Context) -> Callable[[], Any]:
        try:
            parameters = parameters_in(payload)
        except RequestError as error:
            raise RefusedError([BadRequestError(str(error))]) from None
        return partial(self._view.executor, self._view.prepared(parameters), parameters, context)

    def _subscribing(self, executor: Any) -> Any:
        if isinstance(executor, list):
            raise RefusedError(executor)
        if executor.operation.operation is not OperationType.SUBSCRIPTION:
            raise RefusedError([BadRequestError("Send queries and mutations by POST.")])
        if len(self._operations) == MAX_SUBSCRIPTIONS:
            message = f"A connection takes {MAX_SUBSCRIPTIONS} subscriptions: complete one first."
            raise RefusedError([BadRequestError(message)])
        return executor

    async def _tell(self, name: str, results: Results) -> None:
        """Send what happens, until the client has had enough."""
        try:
            async with aclosing(results):
                async for result in results:
                    await self._send({"id": name, "type": "next", "payload": self._shown(result)})
        except SlowConsumerError:
            self.end(messages.SLOW_CONSUMER)
        except ClosedError as closed:
            self.end(closed.close)
        except WebSocketDisconnect:
            pass  # the reader of messages sees it too
        except Exception:
            log.exception("internal error")
            self.end(messages.INTERNAL_ERROR)

    def _shown(self, result: ExecutionResult) -> dict[str, Any]:
        errors = {"errors": self._formatted(result.errors)} if result.errors else {}
        return {"data": result.data, **errors}

    def _formatted(self, errors: list[GraphQLError]) -> list[dict[str, Any]]:
        request_id = request_log(self._websocket.scope).request_id
        return [formatted(error, request_id=request_id) for error in errors[:MAX_ERRORS]]

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT.total_seconds()):
                await self._websocket.send_text(orjson.dumps(message).decode())
        except TimeoutError:
            raise ClosedError(messages.SLOW_CONSUMER) from None


def _executed(build: Callable[[], Any], copied: Any) -> Any:
    """Execute an event by an executor of its own.

    graphql-core copies the subscription's for each event, and all copies keep in one place what
    they found out about fields: that would grow as long as the subscription lives.
    """
    executor = build()
    executor.root_value = copied.root_value
    return execute_subscription_event(executor)
