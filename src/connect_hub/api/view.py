"""GraphQL over HTTP: one request, one answer."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from inspect import isawaitable
from typing import Any

import orjson
import strawberry
from graphql import ExecutionResult, GraphQLError, OperationType
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connect_hub.api import compiled, graphiql
from connect_hub.api.context import Context
from connect_hub.api.documents import Documents, InvalidDocumentError, Prepared, TrustedDocuments
from connect_hub.api.errors import formatted
from connect_hub.api.limits import MAX_ERRORS
from connect_hub.api.requests import (
    GRAPHQL,
    HTML,
    JSON,
    Parameters,
    RequestError,
    media_type_for,
    parameters_of,
)
from connect_hub.settings import Settings
from connect_hub.statements import OneConnection

ANSWER_WITHIN = timedelta(seconds=14)  # proxies and people do not wait much longer
_BESIDES_SMS = timedelta(seconds=4)

# Where nothing was answered but refusals of one of these codes, the whole request was refused.
_STATUS_OF_CODE = {"UNAUTHENTICATED": 401, "SERVICE_UNAVAILABLE": 503}
_HEADERS_OF_STATUS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}


class GraphQLView:
    """An ASGI application for one schema."""

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        context: Callable[[HTTPConnection, str | None], Context],
        settings: Settings,
    ) -> None:
        self._schema = schema._schema  # noqa: SLF001 (Strawberry has no other name for it)
        self._context = context
        self._settings = settings
        patience = max(ANSWER_WITHIN, settings.sms_timeout + _BESIDES_SMS)
        self._patience = patience.total_seconds()
        self._documents = Documents(self._schema, introspection=settings.introspection)
        self._trusted = TrustedDocuments(settings.trusted_documents, self._documents)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever it holds, the answer is one that the client can read."""
        request = Request(scope, receive)
        media = media_type_for(request, graphiql=self._settings.graphiql)
        try:
            response = await self._answer(request, media)
        except RequestError as error:
            request.state.outcome = error.code
            body = {"errors": [{"message": str(error), "extensions": {"code": error.code}}]}
            response = _response(body, error.status, media, error.headers)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request, media: str | None) -> Response:
        if media is None:
            raise RequestError(
                406, f"Accept {GRAPHQL} or {JSON}: there is no other.", code="NOT_ACCEPTABLE"
            )
        if media == HTML:
            return graphiql.page()
        parameters = await parameters_of(request)
        try:
            result = await self._execute(parameters, request)
        except InvalidDocumentError as error:
            result = ExecutionResult(data=None, errors=error.errors)
        if not result.errors:
            return _response({"data": result.data}, 200, media)
        body, status = _body_and_status(result, media=media, request_id=request.state.request_id)
        request.state.outcome = body["errors"][0]["extensions"]["code"]
        return _response(body, status, media, _HEADERS_OF_STATUS.get(status))

    async def _execute(self, parameters: Parameters, request: Request) -> ExecutionResult:
        context = self._context(request, request.headers.get("authorization"))
        prepared = self.prepared(parameters)
        executor = self.executor(prepared, parameters, context)
        if isinstance(executor, list):
            return ExecutionResult(data=None, errors=executor)
        operation = executor.operation
        if operation.name:
            request.state.operation = operation.name.value
        request.state.field = prepared.field_of(operation)
        if operation.operation is OperationType.QUERY:
            async with asyncio.timeout(self._patience), OneConnection():
                result = await _awaited(executor.execute_operation())
        elif operation.operation is OperationType.SUBSCRIPTION:
            raise RequestError(400, "Subscribe by WebSocket, with graphql-transport-ws.")
        elif request.method == "GET":
            raise RequestError(
                405,
                "A GET request only reads: send this operation by POST.",
                code="METHOD_NOT_ALLOWED",
                headers={"Allow": "POST"},
            )
        else:
            async with asyncio.timeout(self._patience):
                result = await _awaited(executor.execute_operation())
        request.state.outcome = context.outcome
        return result

    def prepared(self, parameters: Parameters) -> Prepared:
        """Find the document to execute.

        Raises:
            InvalidDocumentError: there is none that may be executed.
        """
        return self._documents.prepare(self._text(parameters))

    def executor(self, prepared: Prepared, parameters: Parameters, context: Context) -> Any:
        """Build what executes an operation, or tell its errors."""
        return compiled.build(
            self._schema,
            prepared.document,
            prepared.plans,
            context_value=context,
            raw_variable_values=parameters.variables,
            operation_name=parameters.operation_name,
            max_coercion_errors=MAX_ERRORS,
            hide_suggestions=not self._settings.introspection,
        )

    def _text(self, parameters: Parameters) -> str:
        """Find the text to execute: the one sent, or the trusted one of the hash sent."""
        trusted = parameters.document_id and self._trusted.get(parameters.document_id)
        text = trusted or (None if self._settings.trusted_documents_only else parameters.query)
        if text is not None:
            return text
        if parameters.document_id is None:
            message = "Only trusted documents are executed: send the hash of one."
            refused = GraphQLError(message)
            raise InvalidDocumentError([refused], code="PERSISTED_QUERY_REQUIRED")
        message = "No trusted document has this hash: renew the server's TRUSTED_DOCUMENTS."
        raise InvalidDocumentError([GraphQLError(message)], code="PERSISTED_QUERY_NOT_FOUND")


def failed(request: Request, error: Exception) -> Response:
    """Answer where something failed before or after the view, such as the viewer's query."""
    told = formatted(GraphQLError("", original_error=error), request_id=request.state.request_id)
    code = request.state.outcome = told["extensions"]["code"]
    status = _STATUS_OF_CODE.get(code, 500)
    return _response({"errors": [told]}, status, JSON, _HEADERS_OF_STATUS.get(status))


async def _awaited(result: Any) -> ExecutionResult:
    answer: ExecutionResult = await result if isawaitable(result) else result
    return answer


def _body_and_status(
    result: ExecutionResult, *, media: str, request_id: str
) -> tuple[dict[str, Any], int]:
    errors = [
        formatted(error, request_id=request_id) for error in (result.errors or ())[:MAX_ERRORS]
    ]
    if result.data is None:  # a request error has no data at all
        return {"errors": errors}, 200 if media == JSON else 400
    codes = {error["extensions"]["code"] for error in errors}
    if len(codes) == 1 and all(value is None for value in result.data.values()):
        status = _STATUS_OF_CODE.get(codes.pop())
        if status:
            return {"errors": errors}, status
    return {"errors": errors, "data": result.data}, 200


def _response(
    body: dict[str, Any], status: int, media: str | None, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(body),
        status,
        {"Cache-Control": "no-store", "Vary": "Accept", **(headers or {})},
        media_type=f"{media or JSON}; charset=utf-8",
    )
