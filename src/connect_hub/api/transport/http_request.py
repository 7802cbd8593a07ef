"""What an HTTP request asks for (https://http-spec.graphql.org/September2026/)."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from connect_hub.server.headers import header

MAX_BODY = 64 * 1024  # bytes

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
HTML = "text/html"

_UNPROCESSABLE = 422
_REMEMBERED = 64  # headers: clients send few different ones


class RequestError(Exception):
    """This HTTP request cannot be answered by GraphQL.

    422 is a status of `application/graphql-response+json`; in `application/json` it is 400.
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


@dataclass(slots=True)
class Parameters:
    """What a request asks to be executed: a text, or the hash of a trusted document."""

    query: str | None
    document_id: str | None
    operation_name: str | None
    variables: dict[str, Any] | None = field(repr=False)


async def parameters_of(scope: Scope, receive: Receive) -> Parameters:
    """Read what a GET or POST request asks.

    Raises:
        RequestError: it asks nothing that can be answered.
        ClientDisconnect: the client has left.
    """
    return parameters_in(await _given(scope, receive))


def parameters_in(given: dict[str, Any]) -> Parameters:
    """Read what is asked, by whatever way it came.

    Raises:
        RequestError: it is nothing that can be answered.
    """
    parameters = Parameters(
        query=_text(given, "query"),
        document_id=_document_id(given),
        operation_name=_text(given, "operationName"),
        variables=_object(given, "variables"),
    )
    if parameters.query is None and parameters.document_id is None:
        if given.get("query") is None:
            raise RequestError(422, "The operation is missing: send it in `query`.")
        parameters.query = ""  # a document, though not one that can be parsed
    return parameters


def media_type_for(scope: Scope, *, graphiql: bool) -> str | None:
    """Choose the media type of the answer; None where the client takes none of ours."""
    page = graphiql and scope["method"] in _READING and not _ASKING & _query(scope).keys()
    accept = header(scope, b"accept")
    return _preferred(
        "*/*" if accept is None else accept, (JSON, GRAPHQL, HTML) if page else (JSON, GRAPHQL)
    )


_READING = {"GET", "HEAD"}
_ASKING = {"query", "documentId", "extensions"}


def _query(scope: Scope) -> dict[str, str]:
    return dict(QueryParams(scope["query_string"]))


async def _given(scope: Scope, receive: Receive) -> dict[str, Any]:
    if scope["method"] in _READING:
        parameters: dict[str, Any] = {**_query(scope)}
        for name in ("variables", "extensions"):
            if parameters.get(name):
                parameters[name] = _parsed(parameters[name], f"`{name}`")
        return parameters
    if scope["method"] != "POST":
        raise RequestError(
            405,
            "Send GET or POST.",
            code="METHOD_NOT_ALLOWED",
            headers={"Allow": "GET, HEAD, POST"},
        )
    given = _parsed(await _body(scope, receive), "The body")
    if isinstance(given, list):
        raise RequestError(422, "Send one operation a request: batches are not taken.")
    if not isinstance(given, dict):
        raise RequestError(422, "The body takes a JSON object with the operation in `query`.")
    return given


async def _body(scope: Scope, receive: Receive) -> bytes:
    if not _is_json(header(scope, b"content-type") or ""):
        raise RequestError(
            415,
            f"Send the body as {JSON} in UTF-8.",
            code="UNSUPPORTED_MEDIA_TYPE",
            headers={"Accept": JSON},
        )
    coding = header(scope, b"content-encoding")
    if coding is not None and not _is_plain(coding):
        raise RequestError(
            415,
            "Send the body without Content-Encoding.",
            code="UNSUPPORTED_MEDIA_TYPE",
            headers={"Accept-Encoding": "identity"},
        )
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise RequestError(
                413, f"The body is over {MAX_BODY} bytes long.", code="PAYLOAD_TOO_LARGE"
            )
        more = message.get("more_body", False)
    return body


@lru_cache(_REMEMBERED)
def _is_json(content_type: str) -> bool:
    media, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media.strip().lower() == JSON and charset in {"", "charset=utf-8"}


def _is_plain(content_encoding: str) -> bool:
    codings = {coding.strip().lower() for coding in content_encoding.split(",")}
    return codings <= {"", "identity"}


def _parsed(text: str | bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:  # also where nested too deeply
        raise RequestError(400, f"{what} is no JSON.") from None


def _text(given: dict[str, Any], name: str) -> str | None:
    value = _value(given, name)
    if value is not None and not isinstance(value, str):
        raise RequestError(422, f"`{name}` takes a string or null.")
    return value


def _object(given: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = _value(given, name)
    if value is not None and not isinstance(value, dict):
        raise RequestError(422, f"`{name}` takes an object or null.")
    return value


def _value(given: dict[str, Any], name: str) -> Any:
    """Read a parameter; an empty one is as if it were absent."""
    value = given.get(name)
    return None if value == "" else value


def _document_id(given: dict[str, Any]) -> str | None:
    """Read the hash of a trusted document, as the draft or as Apollo sends it."""
    if "documentId" not in given and "extensions" not in given:
        return None
    persisted = _object(_object(given, "extensions") or {}, "persistedQuery")
    return _text(given, "documentId") or _text(persisted or {}, "sha256Hash")


@lru_cache(_REMEMBERED)
def _preferred(accept: str, offered: tuple[str, ...]) -> str | None:
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
