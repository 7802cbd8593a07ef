"""GraphQL over HTTP: one request, one answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import strawberry
from graphql import ExecutionResult, GraphQLError, OperationType
from starlette.authentication import BaseUser
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from connect_hub.api import execution
from connect_hub.api.context import Context
from connect_hub.api.errors import formatted
from connect_hub.api.execution.documents import Documents, InvalidDocumentError, TrustedDocuments
from connect_hub.api.execution.prepared_document import Prepared
from connect_hub.api.execution.query_limits import MAX_ERRORS
from connect_hub.api.transport import graphiql
from connect_hub.api.transport.http_request import (
    GRAPHQL,
    HTML,
    JSON,
    Parameters,
    RequestError,
    media_type_for,
    parameters_of,
)
from connect_hub.database.connections import Within
from connect_hub.server.request_log import request_log
from connect_hub.settings import Settings

RESPONSE_TIMEOUT = timedelta(seconds=14)  # proxies and people do not wait much longer
_BESIDES_SMS = timedelta(seconds=4)

# Where nothing was answered but refusals of one of these codes, the whole request was refused.
_STATUS_OF_CODE = {"UNAUTHENTICATED": 401, "SERVICE_UNAVAILABLE": 503}
_PARTIAL_SUCCESS = 294  # as application/graphql-response+json defines it
_CONTENT_TYPES = {
    media: f"{media or JSON}; charset=utf-8".encode() for media in (JSON, GRAPHQL, None)
}
_HEADERS_OF_STATUS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}


class Answer:
    """What is sent for a request: JSON."""

    def __init__(
        self,
        body: dict[str, Any],
        status: int,
        media: str | None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._body = orjson.dumps(body)
        self._status = status
        said = headers or {}
        self._headers = [
            (b"content-type", _CONTENT_TYPES[media]),
            (b"content-length", b"%d" % len(self._body)),
            (b"cache-control", b"no-store"),
            (b"vary", b"Accept"),
            *((name.lower().encode(), text.encode()) for name, text in said.items()),
        ]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        await send(
            {
                "type": "http.response.start",
                "status": self._status,
                "headers": self._headers,
            }
        )
        await send({"type": "http.response.body", "body": self._body})


class GraphQLView:
    """An ASGI application for one schema."""

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        context: Callable[[Scope, BaseUser], Context],
        notice: str | None,
        settings: Settings,
    ) -> None:
        self._schema = schema._schema  # noqa: SLF001 (Strawberry has no other name for it)
        self._context = context
        self._notice = notice  # what GraphiQL has to say
        self._settings = settings
        self._patience = max(RESPONSE_TIMEOUT, settings.sms_timeout + _BESIDES_SMS)
        self._documents = Documents(self._schema, introspection=settings.introspection)
        self._trusted = TrustedDocuments(settings.trusted_documents, self._documents)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever it holds, the answer is one that the client can read."""
        media = media_type_for(scope, graphiql=self._settings.graphiql)
        if media == HTML:
            await graphiql.page(self._notice)(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive, media)
        except RequestError as error:
            request_log(scope).outcome = error.code
            body = {"errors": [{"message": str(error), "extensions": {"code": error.code}}]}
            status = error.status if media == GRAPHQL else error.status_of_json
            answer = Answer(body, status, media, error.headers)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, media: str | None) -> Answer:
        if media is None:
            raise RequestError(
                406, f"Accept {GRAPHQL} or {JSON}: there is no other.", code="NOT_ACCEPTABLE"
            )
        parameters = await parameters_of(scope, receive)
        try:
            result = await self._execute(parameters, scope)
        except InvalidDocumentError as error:
            result = error.errors
        if isinstance(result, ExecutionResult) and not result.errors:
            extensions = {"extensions": result.extensions} if result.extensions else {}
            return Answer({"data": result.data, **extensions}, 200, media)
        log = request_log(scope)
        body, status = _body_and_status(result, media=media, request_id=log.request_id)
        log.outcome = body["errors"][0]["extensions"]["code"]
        return Answer(body, status, media, _HEADERS_OF_STATUS.get(status))

    async def _execute(
        self, parameters: Parameters, scope: Scope
    ) -> ExecutionResult | list[GraphQLError]:
        """Execute an operation, or tell why none can be."""
        context = self._context(scope, scope["user"])
        prepared = self.prepared(parameters)
        executor = self.executor(prepared, parameters, context)
        if isinstance(executor, list):
            return executor
        operation, log = executor.operation, request_log(scope)
        if operation.name:
            log.operation = operation.name.value
        log.field = prepared.field_of(operation)
        if operation.operation is OperationType.SUBSCRIPTION:
            raise RequestError(422, "Subscribe by WebSocket, with graphql-transport-ws.")
        if operation.operation is OperationType.MUTATION and scope["method"] != "POST":
            raise RequestError(
                405,
                "A GET request only reads: send this operation by POST.",
                code="METHOD_NOT_ALLOWED",
                headers={"Allow": "POST"},
            )
        with Within(self._patience):
            result = await execution.executed(executor)
        log.outcome = log.outcome or "ok"  # unless a refusal is noted
        if context.notice:
            result.extensions = {"notice": context.notice}
        return result

    def prepared(self, parameters: Parameters) -> Prepared:
        """Find the document to execute.

        Raises:
            InvalidDocumentError: there is none that may be executed.
        """
        return self._documents.prepare(self._text(parameters))

    def executor(self, prepared: Prepared, parameters: Parameters, context: Context) -> Any:
        """Build what executes an operation, or tell its errors."""
        return execution.build(
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
        """Find the text to execute: the one sent, or the trusted one of the hash sent.

        Clients that send hashes first fall back by these messages (urql) or codes (Apollo).
        """
        trusted = parameters.document_id and self._trusted.get(parameters.document_id)
        text = trusted or (None if self._settings.trusted_documents_only else parameters.query)
        if text is not None:
            return text
        if parameters.document_id is None:
            raise _unknown("Send the hash of a trusted document.", code="PERSISTED_QUERY_REQUIRED")
        if self._settings.trusted_documents:
            raise _unknown("PersistedQueryNotFound", code="PERSISTED_QUERY_NOT_FOUND")
        raise _unknown("PersistedQueryNotSupported", code="PERSISTED_QUERY_NOT_SUPPORTED")


def _unknown(message: str, *, code: str) -> InvalidDocumentError:
    return InvalidDocumentError([GraphQLError(message)], code=code)


def failed(scope: Scope, error: Exception) -> Answer:
    """Answer where something failed before or after the view, such as the viewer's query."""
    log = request_log(scope)
    told = formatted(GraphQLError("", original_error=error), request_id=log.request_id)
    code = log.outcome = told["extensions"]["code"]
    status = _STATUS_OF_CODE.get(code, 500)
    return Answer({"errors": [told]}, status, JSON, _HEADERS_OF_STATUS.get(status))


def _body_and_status(
    result: ExecutionResult | list[GraphQLError], *, media: str, request_id: str
) -> tuple[dict[str, Any], int]:
    """Choose the status as the specification's "Status Codes" do, if the client knows them."""
    found = result if isinstance(result, list) else result.errors or []
    errors = [formatted(error, request_id=request_id) for error in found[:MAX_ERRORS]]
    codes = {error["extensions"]["code"] for error in errors}
    if isinstance(result, list):  # a request error: nothing was executed, so there is no data
        status = 400 if "GRAPHQL_PARSE_FAILED" in codes else 422
        return {"errors": errors}, status if media == GRAPHQL else 200
    if len(codes) == 1 and all(value is None for value in (result.data or {}).values()):
        refused = _STATUS_OF_CODE.get(codes.pop())
        if refused:
            return {"errors": errors}, refused
    return {"errors": errors, "data": result.data}, _PARTIAL_SUCCESS if media == GRAPHQL else 200
