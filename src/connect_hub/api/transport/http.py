"""GraphQL over HTTP: the ASGI application (https://http-spec.graphql.org/September2026/)."""

from datetime import timedelta

from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, OperationType
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from connect_hub.api.context import Context
from connect_hub.api.execution.documents import InvalidDocumentError
from connect_hub.api.execution.engine import Engine, Parameters
from connect_hub.api.services import Services
from connect_hub.api.transport import graphiql
from connect_hub.api.transport.http_request import (
    RequestError,
    media_type_for,
    read_parameters,
)
from connect_hub.api.transport.http_response import GraphQLResponse, rejection, response_to
from connect_hub.api.transport.media_types import GRAPHQL, HTML, JSON
from connect_hub.database.connections import deadline
from connect_hub.domain import events
from connect_hub.server.request_log import request_log

RESPONSE_TIMEOUT = timedelta(seconds=14)  # proxies and people do not wait much longer
_TIME_BESIDES_SMS = timedelta(seconds=4)


class GraphQLHTTP:
    """Answers GraphQL requests by GET and POST, and serves GraphiQL to browsers."""

    def __init__(self, engine: Engine, services: Services, *, notice: str | None) -> None:
        settings = services.settings
        self._engine = engine
        self._services = services
        self._notice = notice  # a warning on the page of GraphiQL
        self._graphiql = settings.graphiql
        self._timeout = max(RESPONSE_TIMEOUT, settings.sms_timeout + _TIME_BESIDES_SMS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, in a media type that the client accepts."""
        media_type = media_type_for(scope, graphiql=self._graphiql)
        if media_type == HTML:
            await graphiql.page(self._notice)(scope, receive, send)
            return
        try:
            response = await self._respond(scope, receive, media_type)
        except RequestError as error:
            response = rejection(error, scope, media_type=media_type)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(
        self, scope: Scope, receive: Receive, media_type: str | None
    ) -> GraphQLResponse:
        if media_type is None:
            raise RequestError(
                406, f"Accept {GRAPHQL} or {JSON}: only these are supported.", code="NOT_ACCEPTABLE"
            )
        parameters = await read_parameters(scope, receive)
        try:
            result = await self._execute(parameters, scope)
        except InvalidDocumentError as error:
            result = error.errors
        return response_to(result, scope, media_type=media_type)

    async def _execute(
        self, parameters: Parameters, scope: Scope
    ) -> ExecutionResult | list[GraphQLError]:
        """Execute an operation, or return the errors that prevent it."""
        context = Context(services=self._services, scope=scope, user=scope["user"])
        events.origin.set(context.origin)
        engine = self._engine
        prepared = engine.cached(parameters) or await engine.prepare(parameters, context)
        executor = engine.executor(prepared, parameters, context)
        if isinstance(executor, list):
            return executor
        operation: OperationDefinitionNode = executor.operation
        log = request_log(scope)
        log.operation = operation.name.value if operation.name else ""
        log.field = prepared.first_field(operation)
        _check_method(scope["method"], operation.operation)
        with deadline(self._timeout):
            result = await engine.execute(executor, context)
        log.outcome = log.outcome or "ok"  # a refusal has set its own
        if context.notice:
            result.extensions = {"notice": context.notice}
        return result


def _check_method(method: str, operation_type: OperationType) -> None:
    """Reject subscriptions, and mutations by GET.

    Raises:
        RequestError
    """
    if operation_type is OperationType.SUBSCRIPTION:
        raise RequestError(422, "Subscribe by WebSocket, with graphql-transport-ws.")
    if operation_type is OperationType.MUTATION and method != "POST":
        raise RequestError(
            405,
            "A GET request only reads: send this operation by POST.",
            code="METHOD_NOT_ALLOWED",
            headers={"Allow": "POST"},
        )
