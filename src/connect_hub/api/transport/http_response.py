"""Responses of GraphQL over HTTP: status, headers and JSON body."""

from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError
from starlette.types import Receive, Scope, Send

from connect_hub.api.execution.query_limits import MAX_ERRORS
from connect_hub.api.graphql_errors import format_error
from connect_hub.api.transport.http_request import RequestError
from connect_hub.api.transport.media_types import GRAPHQL, JSON
from connect_hub.server.request_log import request_log

# If a request was answered by nothing but errors of one of these codes, it gets this status.
_STATUS_OF_CODE = {"UNAUTHENTICATED": 401, "SERVICE_UNAVAILABLE": 503}
_HEADERS_OF_STATUS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}
_PARTIAL_SUCCESS = 294  # as application/graphql-response+json defines it
_CONTENT_TYPES = {
    media_type: f"{media_type or JSON}; charset=utf-8".encode()
    for media_type in (JSON, GRAPHQL, None)
}


class GraphQLResponse:
    """An ASGI application that sends one response.

    Args:
        body: what is sent as JSON.
        status: of HTTP.
        media_type: the one that the client accepts; None if it accepts none of ours.
        headers: added to those of all responses.
    """

    def __init__(
        self,
        body: dict[str, Any],
        status: int,
        media_type: str | None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._body = orjson.dumps(body)
        self._status = status
        self._headers = [
            (b"content-type", _CONTENT_TYPES[media_type]),
            (b"content-length", b"%d" % len(self._body)),
            (b"cache-control", b"no-store"),
            (b"vary", b"Accept"),
            *((name.lower().encode(), value.encode()) for name, value in (headers or {}).items()),
        ]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the response."""
        await send(
            {
                "type": "http.response.start",
                "status": self._status,
                "headers": self._headers,
            }
        )
        await send({"type": "http.response.body", "body": self._body})


def response_to(
    result: ExecutionResult | list[GraphQLError], scope: Scope, *, media_type: str
) -> GraphQLResponse:
    """Make the response to an executed operation, or to one that has errors instead."""
    if isinstance(result, ExecutionResult) and not result.errors:
        extensions = {"extensions": result.extensions} if result.extensions else {}
        return GraphQLResponse({"data": result.data, **extensions}, 200, media_type)
    log = request_log(scope)
    body, status = _body_and_status(result, media_type=media_type, request_id=log.request_id)
    log.outcome = body["errors"][0]["extensions"]["code"]
    return GraphQLResponse(body, status, media_type, _HEADERS_OF_STATUS.get(status))


def rejection(error: RequestError, scope: Scope, *, media_type: str | None) -> GraphQLResponse:
    """Make the response to a request that GraphQL cannot answer."""
    request_log(scope).outcome = error.code
    body = {"errors": [{"message": str(error), "extensions": {"code": error.code}}]}
    status = error.status if media_type == GRAPHQL else error.status_of_json
    return GraphQLResponse(body, status, media_type, error.headers)


def failure(scope: Scope, error: Exception) -> GraphQLResponse:
    """Make the response to a request whose handling raised an unexpected exception."""
    log = request_log(scope)
    shown = format_error(GraphQLError("", original_error=error), request_id=log.request_id)
    log.outcome = shown["extensions"]["code"]
    status = _STATUS_OF_CODE.get(log.outcome, 500)
    return GraphQLResponse({"errors": [shown]}, status, JSON, _HEADERS_OF_STATUS.get(status))


def _body_and_status(
    result: ExecutionResult | list[GraphQLError], *, media_type: str, request_id: str
) -> tuple[dict[str, Any], int]:
    """Choose the status as the specification's section "Status Codes" does.

    Clients that accept only `application/json` expect 200 for GraphQL errors.
    """
    raw_errors = result if isinstance(result, list) else result.errors or []
    errors = [format_error(error, request_id=request_id) for error in raw_errors[:MAX_ERRORS]]
    codes = {error["extensions"]["code"] for error in errors}
    if isinstance(result, list):  # a request error: nothing was executed, so there is no data
        status = 400 if "GRAPHQL_PARSE_FAILED" in codes else 422
        return {"errors": errors}, status if media_type == GRAPHQL else 200
    if len(codes) == 1 and all(value is None for value in (result.data or {}).values()):
        status_of_code = _STATUS_OF_CODE.get(codes.pop())
        if status_of_code:
            return {"errors": errors}, status_of_code
    status = _PARTIAL_SUCCESS if media_type == GRAPHQL else 200
    return {"errors": errors, "data": result.data}, status
