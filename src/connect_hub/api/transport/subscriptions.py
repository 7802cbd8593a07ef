"""GraphQL over WebSocket: the subscriptions of one connection."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from inspect import isawaitable
from typing import Any

import structlog
from graphql import (
    ExecutionResult,
    GraphQLError,
    OperationType,
    create_source_event_stream,
    execute_subscription_event,
    map_source_to_response_event,
)
from starlette.websockets import WebSocketDisconnect

from connect_hub.api.context import Context
from connect_hub.api.execution.documents import InvalidDocumentError
from connect_hub.api.execution.engine import Engine
from connect_hub.api.execution.query_limits import MAX_ERRORS
from connect_hub.api.graphql_errors import BadRequestError, UnauthenticatedError, format_error
from connect_hub.api.transport import messages
from connect_hub.api.transport.http_request import RequestError, parse_parameters
from connect_hub.api.transport.messages import Close, ClosedError
from connect_hub.database.connections import deadline
from connect_hub.domain import invitations
from connect_hub.domain.live_updates import SlowConsumerError

START_TIMEOUT = timedelta(seconds=14)
MAX_SUBSCRIPTIONS = 20

Results = AsyncGenerator[ExecutionResult, None]

log = structlog.get_logger()


class RejectedError(Exception):
    """A subscription cannot start."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__()
        self.errors = errors


class Subscriptions:
    """The active subscriptions, each a task that sends events.

    Args:
        engine: executes the subscriptions.
        send: sends a message to the client.
        close: closes the connection.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        close: Callable[[Close], None],
    ) -> None:
        self.since: datetime | None = None  # the first subscription sends only later events
        self._engine = engine
        self._send = send
        self._close = close
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, operation_id: str) -> bool:
        return operation_id in self._tasks

    async def start(self, operation_id: str, payload: dict[str, Any], context: Context) -> None:
        """Start a subscription, or send the client the errors that prevent it.

        Raises:
            ClosedError: the client is not signed in any more.
        """
        try:
            with deadline(START_TIMEOUT):
                results = await self._results(payload, context)
        except (RejectedError, InvalidDocumentError) as error:
            errors = _format(error.errors, context)
            await self._send({"id": operation_id, "type": "error", "payload": errors})
        else:
            sending = self._send_results(operation_id, results, context)
            self._tasks[operation_id] = asyncio.create_task(sending)

    def cancel(self, operation_id: str) -> None:
        """Cancel a subscription, if it is active."""
        if task := self._tasks.pop(operation_id, None):
            task.cancel()

    async def cancel_all(self) -> None:
        """Cancel all subscriptions, and wait for their tasks."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _results(self, payload: dict[str, Any], context: Context) -> Results:
        """Execute a subscription.

        The first subscription begins with the events since connection_ack. So a client that
        connects, queries what it missed, and then subscribes, misses nothing.
        """
        build_executor = await self._executor_builder(payload, context)
        executor = self._checked(build_executor())
        try:
            viewer = await context.signed_in()
        except UnauthenticatedError as error:
            raise ClosedError(Close(4401, error.message)) from None
        context.since = self.since or await invitations.latest_invited_at(viewer.client)
        self.since = None
        source = create_source_event_stream(executor)
        if isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            raise RejectedError(source.errors or [])
        execute = partial(_execute_event, build_executor)
        return map_source_to_response_event(executor, source, execute)

    async def _executor_builder(
        self, payload: dict[str, Any], context: Context
    ) -> Callable[[], Any]:
        try:
            parameters = parse_parameters(payload)
        except RequestError as error:
            raise RejectedError([BadRequestError(str(error))]) from None
        prepared = await self._engine.prepare(parameters, context)
        return partial(self._engine.executor, prepared, parameters, context)

    def _checked(self, executor: Any) -> Any:
        if isinstance(executor, list):
            raise RejectedError(executor)
        if executor.operation.operation is not OperationType.SUBSCRIPTION:
            raise RejectedError([BadRequestError("Send queries and mutations by POST.")])
        if len(self._tasks) == MAX_SUBSCRIPTIONS:
            message = f"A connection has at most {MAX_SUBSCRIPTIONS} subscriptions: complete one."
            raise RejectedError([BadRequestError(message)])
        return executor

    async def _send_results(self, operation_id: str, results: Results, context: Context) -> None:
        """Send events until the subscription is cancelled."""
        try:
            async with aclosing(results):
                async for result in results:
                    payload: dict[str, Any] = {"data": result.data}
                    if result.errors:
                        payload["errors"] = _format(result.errors, context)
                    await self._send({"id": operation_id, "type": "next", "payload": payload})
        except SlowConsumerError:
            self._close(messages.SLOW_CONSUMER)
        except ClosedError as closed:
            self._close(closed.close)
        except WebSocketDisconnect:
            pass  # Connection notices it, too
        except Exception:
            log.exception("internal error")
            self._close(messages.INTERNAL_ERROR)


def _format(errors: list[GraphQLError], context: Context) -> list[dict[str, Any]]:
    request_id = context.log.request_id
    return [format_error(error, request_id=request_id) for error in errors[:MAX_ERRORS]]


def _execute_event(build_executor: Callable[[], Any], copied: Any) -> Any:
    """Execute an event by a new executor.

    graphql-core copies the executor of the subscription for each event. All copies share one cache
    of fields, which would grow until the subscription ends.
    """
    executor = build_executor()
    executor.root_value = copied.root_value
    return execute_subscription_event(executor)
