"""Hostile requests: each gets an exact response, and the server answers the next request."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.processes import HTTP, Server, serving

JSON = "application/json; charset=utf-8"
GRAPHQL = "application/graphql-response+json; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"

TYPENAME = '{"query":"{__typename}"}'
BIG = "9" * 5000


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder) as server:
        yield server


class Case(NamedTuple):
    """A request, and the answer it has to get; a code of None means data."""

    name: str
    status: int
    code: str | None
    body: bytes | str | None = None
    method: str = "POST"
    path: str = "/graphql"
    headers: tuple[tuple[str, str], ...] = ()
    media: str = JSON

    def __str__(self) -> str:
        return self.name


def _bad(name: str, body: bytes | str) -> Case:
    return Case(name, 400, "BAD_REQUEST", body)


def _of_type(content_type: str, status: int = 415) -> Case:
    code = "UNSUPPORTED_MEDIA_TYPE" if status == 415 else None
    headers = (("Content-Type", content_type),)
    return Case(f"content type {content_type!r}", status, code, TYPENAME, headers=headers)


def _invalid(name: str, query: str | None, code: str, **more: object) -> list[Case]:
    body = json.dumps({"query": query, **more})
    as_graphql = (("Accept", "application/graphql-response+json"),)
    status = 400 if code == "GRAPHQL_PARSE_FAILED" else 422
    return [
        Case(name, 200, code, body),
        Case(f"{name}, new media type", status, code, body, headers=as_graphql, media=GRAPHQL),
    ]


def _get(name: str, status: int, code: str | None, query: str) -> Case:
    return Case(f"GET {name}", status, code, None, "GET", f"/graphql?{query}")


def _accepting(accept: str, status: int = 406, media: str = JSON) -> Case:
    code = "NOT_ACCEPTABLE" if status == 406 else None
    return Case(
        f"accept {accept!r}", status, code, TYPENAME, headers=(("Accept", accept),), media=media
    )


CASES = [
    _bad("nothing", b""),
    _bad("a space", b" "),
    _bad("NUL", b"\0"),
    _bad("half an object", b'{"query":"{__typename}"'),
    _bad("two objects", TYPENAME * 2),
    _bad("a trailing comma", b'{"query":"{__typename}",}'),
    _bad("a byte order mark", "\ufeff" + TYPENAME),
    _bad("UTF-16", TYPENAME.encode("utf-16")),
    _bad("no UTF-8", b'{"query":"\xff\xfe"}'),
    _bad("overlong UTF-8", b'{"query":"\xc0\x80"}'),
    _bad("a lone surrogate", b'{"query":"\\ud800"}'),
    _bad("a lone surrogate in a variable", b'{"query":"{__typename}","variables":{"a":"\\udfff"}}'),
    _bad("50,000 brackets", b"[" * 50_000),
    _bad("10,000 objects", b'{"query":' * 6_000),
    _bad("NaN", b'{"query":"{__typename}","variables":{"a":NaN}}'),
    _bad("single quotes", b"{'query':'{__typename}'}"),
    _bad("a string", b'"x"'),
    _bad("null", b"null"),
    _bad("a number", b"1"),
    _bad("true", b"true"),
    _bad("an empty batch", b"[]"),
    _bad("a batch", f"[{TYPENAME},{TYPENAME}]"),
    _bad("no query", b"{}"),
    _bad("query null", b'{"query":null}'),
    _bad("query number", b'{"query":1}'),
    _bad("query list", b'{"query":["{__typename}"]}'),
    _bad("query object", b'{"query":{"a":1}}'),
    _bad("variables list", b'{"query":"{__typename}","variables":[]}'),
    _bad("variables string", b'{"query":"{__typename}","variables":"{}"}'),
    _bad("operation name number", b'{"query":"{__typename}","operationName":1}'),
    _bad("extensions string", b'{"query":"{__typename}","extensions":"{}"}'),
    Case("empty extensions", 200, None, b'{"query":"{__typename}","extensions":""}'),
    _bad("persisted query list", b'{"extensions":{"persistedQuery":[]}}'),
    _bad("hash number", b'{"extensions":{"persistedQuery":{"sha256Hash":1}}}'),
    _bad("document id number", b'{"documentId":1}'),
    _bad("a form in JSON clothes", b"query=%7B__typename%7D"),
    _bad("a number of 5,000 digits", f'{{"query":"{{__typename}}","variables":{{"a":{BIG}}}}}'),
    Case("the same key twice", 200, None, '{"query":"{","query":"{__typename}"}'),
    Case("too long", 413, "PAYLOAD_TOO_LARGE", b" " * 65_537),
    Case("just not too long", 200, None, TYPENAME.encode().ljust(65_536)),
    Case("a gzip bomb, unread", 415, "UNSUPPORTED_MEDIA_TYPE", b"\x1f\x8b\x08" + b"\0" * 1000,
         headers=(("Content-Type", "application/gzip"),)),
    *map(_of_type, [
        "", "text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x", "application/graphql", "application/jsonp",
        "application/json, text/plain", "text/plain; application/json", "APPLICATION/JSON5",
        "application/json; charset=utf-16", "application/json; charset=latin1", "*/*", ";",
    ]),
    *(_of_type(content_type, 200) for content_type in [
        "application/json", "Application/JSON", "application/json;charset=UTF-8",
        'application/json; charset="utf-8"', "application/json ;",
    ]),
    *_invalid("an empty query", "", "GRAPHQL_PARSE_FAILED"),
    *_invalid("no GraphQL", "SELECT * FROM client", "GRAPHQL_PARSE_FAILED"),
    *_invalid("NUL as query", "\0", "GRAPHQL_PARSE_FAILED"),
    *_invalid("501 tokens", "{" + "__typename " * 500, "GRAPHQL_PARSE_FAILED"),
    *_invalid("depth", "{" + "me {" * 240, "GRAPHQL_PARSE_FAILED"),
    *_invalid("inline fragments 150 deep", "{" + "...{" * 150 + "nothing" + "}" * 151,
              "GRAPHQL_VALIDATION_FAILED"),
    *_invalid("an unknown field", "{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
    *_invalid("a subscription", "subscription { x }", "GRAPHQL_VALIDATION_FAILED"),
    *_invalid("an unnamed one of two", "query A{__typename} query B{__typename}",
              "BAD_USER_INPUT"),
    *_invalid("an unknown operation", "query A{__typename}", "BAD_USER_INPUT", operationName="B"),
    *_invalid("a missing variable", "query($a: Int!){__type(name:$a){name}}",
              "GRAPHQL_VALIDATION_FAILED"),
    *_invalid("a variable of another type", "query($a: String!){__type(name:$a){name}}",
              "BAD_USER_INPUT", variables={"a": {"b": []}}),
    *_invalid("an unknown hash", None, "PERSISTED_QUERY_NOT_SUPPORTED", documentId="x"),
    _get("without anything", 400, "BAD_REQUEST", ""),
    _get("a query", 200, None, "query={__typename}"),
    _get("a mutation", 405, "METHOD_NOT_ALLOWED",
         'query=mutation{login(phone:"1",code:"1"){__typename}}'),
    _get("variables that are no JSON", 400, "BAD_REQUEST", "query={__typename}&variables={"),
    _get("variables that are a list", 400, "BAD_REQUEST", "query={__typename}&variables=[]"),
    _get("no UTF-8", 200, "GRAPHQL_PARSE_FAILED", "query=%ff%fe"),
    _get("a NUL", 200, "GRAPHQL_PARSE_FAILED", "query=%00"),
    *(Case(method, 405, "METHOD_NOT_ALLOWED", None, method)
      for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")),
    *map(_accepting, ["text/html", "image/*", "application/json;q=0", "nonsense", ",,,"]),
    _accepting("*/*;q=0.1, application/json;q=0", 200, GRAPHQL),
    _accepting("application/json;q=1.5", 200),
    _accepting("application/graphql-response+json; charset=utf-8", 200, GRAPHQL),
    Case("a bearer token of bytes", 401, "UNAUTHENTICATED", '{"query":"{me{id}}"}',
         headers=(("Authorization", "Bearer ÿþ"),)),
    Case("a bearer token of 8 KiB", 401, "UNAUTHENTICATED", '{"query":"{me{id}}"}',
         headers=(("Authorization", "Bearer " + "a." * 4000),)),
    Case("headers of 40 KiB", 431, "", TYPENAME, headers=(("Accept", "a," * 20_000),), media=PLAIN),
    Case("two bearer tokens", 401, "UNAUTHENTICATED", '{"query":"{me{id}}"}',
         headers=(("Authorization", "Bearer a"), ("Authorization", "Bearer b"))),
    Case("a forwarded address that is none", 200, None, TYPENAME,
         headers=(("X-Forwarded-For", "'; DROP TABLE client"),)),
]  # fmt: skip


def test_corpus_is_large() -> None:
    assert len(CASES) == len({case.name for case in CASES}) >= 60


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hostile_request_gets_a_response_and_the_server_survives(
    server: Server, case: Case
) -> None:
    given = dict(case.headers)
    headers = [(name.encode(), value.encode("latin-1")) for name, value in case.headers]
    if case.method == "POST" and "Content-Type" not in given:
        headers.append((b"Content-Type", b"application/json"))
    url = f"http://127.0.0.1:{server.port}{case.path}"
    body = case.body.encode() if isinstance(case.body, str) else case.body
    response = HTTP.request(case.method, url, content=body, headers=headers)
    assert response.status_code == case.status, response.text
    assert response.headers["content-type"] == case.media
    assert _lives(server)
    assert response.headers["x-content-type-options"] == "nosniff"
    if case.media == PLAIN:
        return
    answer = response.json()
    if case.code is None:
        assert "errors" not in answer
    else:
        assert {error["extensions"]["code"] for error in answer["errors"]} == {case.code}
        assert all(error["message"].strip() for error in answer["errors"])
        assert "data" not in answer


RAW = {
    "no HTTP": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
    "no host": b"GET /graphql HTTP/1.1\r\n\r\n",
    "a foreign host": b"GET /graphql HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "a length that is none": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "length and chunks": b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a header with NUL": b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
    "a header of 200 KiB": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "
    + b"a" * 200_000
    + b"\r\n\r\n",
}


@pytest.mark.parametrize("request_", RAW.values(), ids=RAW)
def test_invalid_http_is_rejected_and_the_server_survives(server: Server, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        answer = b""
        with suppress(ConnectionError):  # the server may respond before all is sent
            connection.sendall(request_)
            with suppress(OSError):  # the connection may be closed
                connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(12)
    is_lost = not answer and len(request_) > 64 * 1024  # the reset discarded the response
    assert answer in {b"HTTP/1.1 400", b"HTTP/1.1 431"} or is_lost
    assert _lives(server)


def test_body_over_64_kib_is_rejected_with_any_content_length(server: Server) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    url = f"http://127.0.0.1:{server.port}/graphql"
    response = HTTP.post(url, content=chunks(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert _lives(server)


def test_endless_headers_are_rejected(server: Server) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
        with suppress(ConnectionError):
            while sent < 10_000_000:
                sent += connection.send(b"a" * 10_000)
    assert sent < 10_000_000
    assert _lives(server)


def test_trailing_slash_does_not_redirect_to_another_host(server: Server) -> None:
    response = server.get("/graphql/", Host="evil.example")
    assert (response.status_code, response.headers.get("location")) == (400, None)


def test_client_that_disconnects_early_affects_nobody_else(server: Server) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(
                b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 1000\r\n\r\n{"
            )
    assert _lives(server)


def test_hostile_requests_cause_no_internal_error(server: Server) -> None:
    lines = server.errors.read_text().splitlines()
    assert lines
    for line in lines:
        assert json.loads(line)["level"] in {"info", "warning"}, line


def _lives(server: Server) -> bool:
    return bool(server.ask("{ __typename }") == "Query")
