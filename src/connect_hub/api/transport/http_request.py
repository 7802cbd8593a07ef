"""What an HTTP request asks for, and in which media type it wants the response."""

from functools import lru_cache
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from connect_hub.api.execution.engine import Parameters
from connect_hub.api.transport.media_types import GRAPHQL, HTML, JSON, preferred
from connect_hub.server.headers import header

MAX_BODY = 64 * 1024  # bytes

_MAX_URL_PARAMETERS = 16
_READ_METHODS = {"GET", "HEAD"}
# GraphiQL is served only at URLs without these parameters.
_OPERATION_PARAMETERS = {"query", "documentId", "extensions"}
_UNPROCESSABLE = 422
_CACHED_HEADERS = 64  # clients send few different ones


class RequestError(Exception):
    """GraphQL cannot answer this HTTP request.

    422 is a status of `application/graphql-response+json`; for `application/json` it becomes 400.
    """

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
        self.status_of_json = 400 if status == _UNPROCESSABLE else status
        self.code = code
        self.headers = headers


async def read_parameters(scope: Scope, receive: Receive) -> Parameters:
    """Read the parameters of a GET or POST request.

    Raises:
        RequestError: the request is malformed.
        ClientDisconnect: the client closed the connection before its request was complete.
    """
    if scope["method"] in _READ_METHODS:
        return parse_parameters(_parameters_in_url(scope))
    if scope["method"] == "POST":
        return parse_parameters(await _parameters_in_body(scope, receive))
    raise RequestError(
        405,
        "Send GET or POST.",
        code="METHOD_NOT_ALLOWED",
        headers={"Allow": "GET, HEAD, POST"},
    )


def parse_parameters(params: dict[str, Any]) -> Parameters:
    """Check the parameters of a request that came by HTTP or WebSocket.

    Raises:
        RequestError: the document is missing, or a parameter has the wrong type.
    """
    parameters = Parameters(
        query=_string(params, "query"),
        document_id=_document_id(params),
        operation_name=_string(params, "operationName"),
        variables=_object(params, "variables"),
    )
    if parameters.query is None and parameters.document_id is None:
        if params.get("query") is None:
            raise RequestError(422, "The operation is missing: send it in `query`.")
        parameters.query = ""  # let the parser report a syntax error
    return parameters


def media_type_for(scope: Scope, *, graphiql: bool) -> str | None:
    """Choose the media type of the response; None if the client accepts none of ours."""
    accept = header(scope, b"accept")
    wants_page = (
        graphiql
        and scope["method"] in _READ_METHODS
        and not _OPERATION_PARAMETERS & _query(scope).keys()
    )
    offered = (JSON, GRAPHQL, HTML) if wants_page else (JSON, GRAPHQL)
    return preferred("*/*" if accept is None else accept, offered)


def _query(scope: Scope) -> dict[str, str]:
    """Parse the first parameters of the URL; parsing thousands of them takes a long time."""
    params = scope["query_string"].split(b"&", _MAX_URL_PARAMETERS)[:_MAX_URL_PARAMETERS]
    return dict(QueryParams(b"&".join(params)))


def _parameters_in_url(scope: Scope) -> dict[str, Any]:
    if scope["query_string"].count(b"&") >= _MAX_URL_PARAMETERS:
        raise RequestError(400, f"Send at most {_MAX_URL_PARAMETERS} parameters in the URL.")
    params: dict[str, Any] = {**_query(scope)}
    for name in ("variables", "extensions"):
        if params.get(name):
            params[name] = _parse_json(params[name], f"`{name}`")
    return params


async def _parameters_in_body(scope: Scope, receive: Receive) -> dict[str, Any]:
    _check_headers(scope)
    params = _parse_json(await _read_body(receive), "the body")
    if isinstance(params, list):
        raise RequestError(422, "Send one operation per request: batches are not supported.")
    if not isinstance(params, dict):
        raise RequestError(422, "Send a JSON object with the operation in `query`.")
    return params


def _check_headers(scope: Scope) -> None:
    if not _is_json(header(scope, b"content-type") or ""):
        raise RequestError(
            415,
            f"Send the body as {JSON} in UTF-8.",
            code="UNSUPPORTED_MEDIA_TYPE",
            headers={"Accept": JSON},
        )
    encoding = header(scope, b"content-encoding")
    if encoding is not None and not _is_identity(encoding):
        raise RequestError(
            415,
            "Send the body without Content-Encoding.",
            code="UNSUPPORTED_MEDIA_TYPE",
            headers={"Accept-Encoding": "identity"},
        )


async def _read_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise RequestError(
                413, f"Send a body of at most {MAX_BODY} bytes.", code="PAYLOAD_TOO_LARGE"
            )
        more = message.get("more_body", False)
    return body


@lru_cache(_CACHED_HEADERS)
def _is_json(content_type: str) -> bool:
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media_type.strip().lower() == JSON and charset in {"", "charset=utf-8"}


def _is_identity(content_encoding: str) -> bool:
    encodings = {encoding.strip().lower() for encoding in content_encoding.split(",")}
    return encodings <= {"", "identity"}


def _parse_json(text: str | bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:  # also raised for too much nesting
        raise RequestError(400, f"Send {what} as valid JSON.") from None


def _string(params: dict[str, Any], name: str) -> str | None:
    value = _value(params, name)
    if value is not None and not isinstance(value, str):
        raise RequestError(422, f"Send `{name}` as a string or null.")
    return value


def _object(params: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = _value(params, name)
    if value is not None and not isinstance(value, dict):
        raise RequestError(422, f"Send `{name}` as an object or null.")
    return value


def _value(params: dict[str, Any], name: str) -> Any:
    """Return a parameter; an empty one counts as absent, as the specification has it."""
    value = params.get(name)
    return None if value == "" else value


def _document_id(params: dict[str, Any]) -> str | None:
    """Return the hash of a trusted document, as the draft (`documentId`) or Apollo sends it."""
    if "documentId" not in params and "extensions" not in params:
        return None
    persisted = _object(_object(params, "extensions") or {}, "persistedQuery")
    return _string(params, "documentId") or _string(persisted or {}, "sha256Hash")
