"""GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/)."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

import orjson
import strawberry
from graphql import ExecutionResult, GraphQLError, OperationType, execute, get_operation_ast
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html

from connect_hub.api.context import Context
from connect_hub.api.documents import MAX_ERRORS, InvalidDocumentError, prepare
from connect_hub.api.errors import formatted

MAX_BODY = 64 * 1024  # bytes

_JSON = "application/json"
_GRAPHQL = "application/graphql-response+json"
_HTML = "text/html"

# Where nothing was answered but refusals of one of these codes, the whole request was refused.
_STATUS_OF_CODE = {"UNAUTHENTICATED": 401, "SERVICE_UNAVAILABLE": 503}
_HEADERS_OF_STATUS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}


class RequestError(Exception):
    """This HTTP request is none that GraphQL can answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "BAD_REQUEST",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


@dataclass(frozen=True)
class Parameters:
    """What a request asks to be executed."""

    query: str
    operation_name: str | None
    variables: dict[str, Any] | None


class GraphQLView:
    """An ASGI application for one schema."""

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        context: Callable[[Request], Context],
        graphiql: bool,
    ) -> None:
        self._schema = schema
        self._context = context
        self._graphiql = graphiql

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever it holds, the answer is one that the client can read."""
        request = Request(scope, receive)
        media = _preferred(
            request.headers.get("accept", "*/*"), _offered(request, graphiql=self._graphiql)
        )
        try:
            response = await self._answer(request, media)
        except RequestError as error:
            request.state.outcome = error.code
            body = {"errors": [{"message": str(error), "extensions": {"code": error.code}}]}
            response = _response(body, error.status, media or _JSON, error.headers)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request, media: str | None) -> Response:
        if media is None:
            raise RequestError(
                406, f"Accept {_GRAPHQL} or {_JSON}: there is no other.", code="NOT_ACCEPTABLE"
            )
        if media == _HTML:
            return HTMLResponse(get_graphql_ide_html())
        parameters = await _parameters(request)
        try:
            result = await self._execute(parameters, request)
        except InvalidDocumentError as error:
            result = ExecutionResult(data=None, errors=error.errors)
        body, status = _body_and_status(result, media=media, request_id=request.state.request_id)
        if "errors" in body:
            request.state.outcome = body["errors"][0]["extensions"]["code"]
        return _response(body, status, media, _HEADERS_OF_STATUS.get(status))

    async def _execute(self, parameters: Parameters, request: Request) -> ExecutionResult:
        schema = self._schema._schema  # noqa: SLF001 (Strawberry hands it out by no other name)
        document = prepare(schema, parameters.query)
        operation = get_operation_ast(document, parameters.operation_name)
        if operation and operation.operation is not OperationType.QUERY and request.method == "GET":
            raise RequestError(
                405,
                "A GET request only reads: send this operation by POST.",
                code="METHOD_NOT_ALLOWED",
                headers={"Allow": "POST"},
            )
        if operation and operation.name:
            request.state.operation = operation.name.value
        context = self._context(request)
        result = execute(
            schema,
            document,
            context_value=context,
            variable_values=parameters.variables,
            operation_name=parameters.operation_name,
            max_coercion_errors=MAX_ERRORS,
            executor_class=self._schema.execution_context_class,
        )
        result = await result if isawaitable(result) else result
        request.state.outcome = context.outcome
        return result


def unavailable(request: Request, _error: Exception) -> Response:
    """Answer for a database that did not, where no resolver was reached."""
    error = GraphQLError("", original_error=_error)
    body = {"errors": [formatted(error, request_id=request.state.request_id)]}
    request.state.outcome = "SERVICE_UNAVAILABLE"
    return _response(body, 503, _JSON, _HEADERS_OF_STATUS[503])


async def _parameters(request: Request) -> Parameters:
    if request.method == "POST":
        given = _parsed(await _body(request), "The body")
        if isinstance(given, list):
            raise RequestError(400, "Send one operation a request: batches are not taken.")
        if not isinstance(given, dict):
            raise RequestError(400, "The body takes a JSON object with the operation in `query`.")
    elif request.method == "GET":
        given = dict(request.query_params)
        for name in ("variables", "extensions"):
            if name in given:
                given[name] = _parsed(given[name], f"`{name}`")
    else:
        raise RequestError(
            405, "Send GET or POST.", code="METHOD_NOT_ALLOWED", headers={"Allow": "GET, POST"}
        )
    query = _text(given, "query")
    if query is None:
        raise RequestError(400, "The operation is missing: send it in `query`.")
    _object(given, "extensions")
    return Parameters(
        query=query,
        operation_name=_text(given, "operationName"),
        variables=_object(given, "variables"),
    )


def _text(given: dict[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise RequestError(400, f"`{name}` takes a string or null.")
    return value


def _object(given: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = given.get(name)
    if value is not None and not isinstance(value, dict):
        raise RequestError(400, f"`{name}` takes an object or null.")
    return value


async def _body(request: Request) -> bytes:
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media.strip().lower() != _JSON or charset not in {"", "charset=utf-8"}:
        raise RequestError(
            415, f"Send the body as {_JSON} in UTF-8.", code="UNSUPPORTED_MEDIA_TYPE"
        )
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise RequestError(
                413, f"The body is over {MAX_BODY} bytes long.", code="PAYLOAD_TOO_LARGE"
            )
    return body


def _parsed(text: str | bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:  # also where nested too deeply
        raise RequestError(400, f"{what} is no JSON.") from None


def _body_and_status(
    result: ExecutionResult, *, media: str, request_id: str
) -> tuple[dict[str, Any], int]:
    if not result.errors:
        return {"data": result.data}, 200
    errors = [formatted(error, request_id=request_id) for error in result.errors[:MAX_ERRORS]]
    if result.data is None:  # a request error has no data at all
        return {"errors": errors}, 200 if media == _JSON else 400
    codes = {error["extensions"]["code"] for error in errors}
    if len(codes) == 1 and all(value is None for value in result.data.values()):
        status = _STATUS_OF_CODE.get(codes.pop())
        if status:
            return {"errors": errors}, status
    return {"errors": errors, "data": result.data}, 200


def _response(
    body: dict[str, Any], status: int, media: str, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(body),
        status,
        {"Cache-Control": "no-store", "Vary": "Accept", **(headers or {})},
        media_type=f"{media}; charset=utf-8",
    )


def _offered(request: Request, *, graphiql: bool) -> list[str]:
    page = graphiql and request.method == "GET" and "query" not in request.query_params
    return [_JSON, _GRAPHQL, _HTML] if page else [_JSON, _GRAPHQL]


def _preferred(accept: str, offered: list[str]) -> str | None:
    """Choose by quality, then exactness, then the order of the header (RFC 9110, 12.5.1)."""
    ranges = [_media_range(part) for part in accept.split(",")]

    def rank(offer: str) -> tuple[float, int, int]:
        patterns = ["*/*", offer.partition("/")[0] + "/*", offer]
        matches = [
            (patterns.index(media), quality, -place)
            for place, (media, quality) in enumerate(ranges)
            if media in patterns
        ]
        exactness, quality, place = max(matches, default=(0, 0.0, 0))
        return quality, exactness, place if exactness else 0

    best = max(offered, key=rank)
    return best if rank(best)[0] > 0 else None


def _media_range(part: str) -> tuple[str, float]:
    media, *parameters = [piece.strip().lower() for piece in part.split(";")]
    quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    try:
        return media, float(quality)
    except ValueError:
        return media, 0.0
