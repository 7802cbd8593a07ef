import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query
from starlette.applications import Starlette

from connect_hub.app import create_app
from connect_hub.settings import Settings, StartupError
from tests.support.hub import Hub

GRAPHQL = "application/graphql-response+json"
ME = "query Me { me { id } }"
HASH = sha256(ME.encode()).hexdigest()
BY_HASH = [
    {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": HASH}}},
    {"documentId": HASH},
    {"documentId": f"sha256:{HASH}"},
]


async def _asked(settings: Settings, body: dict[str, Any], **changed: Any) -> httpx.Response:
    """Send a request to an application with other settings."""
    app = create_app(settings.model_copy(update=changed))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        return await http.post("/graphql", json=body)


def _code(response: httpx.Response) -> str:
    (code,) = {error["extensions"]["code"] for error in response.json()["errors"]}
    assert isinstance(code, str)
    return code


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "persisted-documents.json"
    file.write_text(json.dumps({f"sha256:{HASH}": ME}))
    return file


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("body", BY_HASH)
async def test_trusted_document_is_executed_by_its_hash(
    settings: Settings, manifest: Path, body: dict[str, Any]
) -> None:
    for only in (False, True):
        response = await _asked(
            settings, body, trusted_documents=manifest, trusted_documents_only=only
        )
        assert response.json() == {"data": {"me": None}}


@pytest.mark.usefixtures("app")
async def test_text_is_executed_unless_only_trusted_documents_are_allowed(
    settings: Settings, manifest: Path
) -> None:
    trusted = {"trusted_documents": manifest}
    text = {"query": "{ __typename }"}
    response = await _asked(settings, text, **trusted)
    assert response.json() == {"data": {"__typename": "Query"}}
    response = await _asked(settings, text, **trusted, trusted_documents_only=True)
    assert _code(response) == "PERSISTED_QUERY_REQUIRED"


@pytest.mark.usefixtures("app")
async def test_text_with_a_hash_is_executed_only_if_texts_are_allowed(
    settings: Settings, manifest: Path
) -> None:
    both = {"query": "{ __typename }", "documentId": "unknown"}
    trusted = {"trusted_documents": manifest}
    assert "data" in (await _asked(settings, both, **trusted)).json()
    response = await _asked(settings, both, **trusted, trusted_documents_only=True)
    assert _code(response) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("body", BY_HASH)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_error_code_tells_clients_whether_to_send_the_text(
    settings: Settings, manifest: Path, body: dict[str, Any], method: str
) -> None:
    """By message (urql) and by code (Apollo); neither looks at the status."""
    unknown = json.loads(json.dumps(body).replace(HASH, "f" * 64))
    for file, name in ((None, "NotSupported"), (manifest, "NotFound")):
        app = create_app(settings.model_copy(update={"trusted_documents": file}))
        code = {"NotSupported": "NOT_SUPPORTED", "NotFound": "NOT_FOUND"}[name]
        for accept, status in (("application/json", 200), (GRAPHQL, 422)):
            response = await _by_hash(app, method, unknown, accept)
            assert response.status_code == status
            (error,) = response.json()["errors"]
            assert error["message"] == f"PersistedQuery{name}"
            assert error["extensions"] == {"code": f"PERSISTED_QUERY_{code}"}


async def _by_hash(
    app: Starlette, method: str, body: dict[str, Any], accept: str
) -> httpx.Response:
    headers = {"Accept": accept}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        if method == "POST":
            return await http.post("/graphql", json=body, headers=headers)
        params = {k: v if isinstance(v, str) else json.dumps(v) for k, v in body.items()}
        return await http.get("/graphql", params=params, headers=headers)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "JSON object"),
        ('{"a": 1}', "JSON object"),
        ('{"a": "{ nothing }"}', "document a is not valid"),
    ],
)
def test_wrong_manifest_stops_the_start(
    settings: Settings, tmp_path: Path, text: str | None, message: str
) -> None:
    file = tmp_path / "manifest.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(StartupError, match=f"TRUSTED_DOCUMENTS: .*{message}"):
        create_app(settings.model_copy(update={"trusted_documents": file}))


@pytest.mark.usefixtures("app")
async def test_introspection_can_be_switched_off_and_suggestions_with_it(
    settings: Settings,
) -> None:
    introspection = {"query": get_introspection_query()}
    misspelt = {"query": "{ me { phon } }"}
    assert "data" in (await _asked(settings, introspection)).json()
    assert "phone" in (await _asked(settings, misspelt)).text
    off = await _asked(settings, introspection, introspection=False)
    assert _code(off) == "GRAPHQL_VALIDATION_FAILED"
    assert "'phone'" not in (await _asked(settings, misspelt, introspection=False)).text
    typename = await _asked(settings, {"query": "{ __typename }"}, introspection=False)
    assert typename.json() == {"data": {"__typename": "Query"}}


def _nested(levels: int) -> str:
    """Nest `me` as deep as validation does not mind, for depth is looked at before."""
    return "{" + "me{" * levels + "id" + "}" * levels + "}"


def _introspecting(levels: int) -> str:
    return '{ __type(name: "Query") {' + "ofType {" * levels + "name" + "}" * levels + "} }"


def _pages(*rows: int | str) -> str:
    pages = (
        f"a{n}: invitedClients(first: {first}) {{ totalCount }} " for n, first in enumerate(rows)
    )
    return "{ me {" + "".join(pages) + "} }"


# Tools probe the features of a server before their introspection query.
_PROBE = """{
    __type(name: "__Type") { fields { name } }
    b: __type(name: "__InputValue") { fields { name } }
}"""
_MANY_VIEWERS = "fragment F on Query {" + "... { me { id } } " * 17 + "}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_nested(8), "8 levels of fields"),
        (_introspecting(16), "16 levels of introspection"),
        ("{" + "".join(f"a{n}: __typename " for n in range(16)) + "}", "15 aliases"),
        ("{" + "__typename " * 17 + "}", "15 aliases and repeated"),
        ("{" + "... { me { id } } " * 70 + "}", "15 aliases and repeated"),
        ("{ __schema {" + "... { types { name } } " * 69 + "} }", "15 aliases and repeated"),
        ("{" + "...F " * 2 + "... { ...F } }" + _MANY_VIEWERS, "15 aliases and repeated"),
        ("{ " + "a" * 65 + ": __typename }", "64 characters in an alias"),
        ("{ __schema { types { ... { " + "a" * 999 + ": name } } } }", "64 characters in an alias"),
        (
            "{ ...F } fragment F on Query { " + "a" * 65 + ": me { id } }",
            "64 characters in an alias",
        ),
        ("{ __typename }" + _MANY_VIEWERS, "15 aliases and repeated"),
        ("{" + "... { __typename } " * 62 + "}", "60 repeated fields in fragments"),
        (_pages(100, 100, 1), "200 rows"),
        (_pages(-9, -9, 1), "200 rows"),
        ("query ($n: Int!) " + _pages("$n", "$n", 1), "200 rows"),
        ("{ __schema { description } " + _pages(21)[1:], "20 rows in all of its lists beside"),
        (
            "{ ...F } fragment F on Query " + '{ __type(name: "Nil") { name } ' + _pages(21)[1:],
            "20 rows in all of its lists beside",
        ),
        ("{ me {" + "".join(f"a{n}: sessions {{ id }} " for n in range(11)) + "} }", "200 rows"),
        ("{ __typename " + "@skip(if: true) " * 21 + "}", "20 directives"),
        ("{ ...F0 }" + "".join(f"fragment F{n} on Query {{ a }}" for n in range(21)), "20 frag"),
        ("{ ...A ...A } fragment A on Query { " + "a: __typename " * 8 + "}", "15 aliases"),
    ],
)
async def test_operation_over_the_limits_is_rejected(hub: Hub, text: str, message: str) -> None:
    response = await hub.post(text)
    assert _code(response) == "GRAPHQL_VALIDATION_FAILED"
    assert message in response.text


@pytest.mark.parametrize(
    "text",
    [
        get_introspection_query(
            specified_by_url=True,
            directive_is_repeatable=True,
            schema_description=True,
            input_value_deprecation=True,
        ),
        _introspecting(14),
        "{ __schema { mutationType { fields { args { type { isOneOf } } } } } }",
        "{ me { invitedClients { edges { node { id } } pageInfo { endCursor } } } }",
        "{" + "".join(f"a{n}: __typename " for n in range(15)) + "}",
        "{ " + "a" * 64 + ": __typename }",
        "{" + "... { me { id } } " * 16 + "}",
        "{" + "... { __typename } " * 61 + "}",
        _pages(100, 100),
        _pages(*[20] * 10),
        "{ __schema { description } " + _pages(20)[1:],
        _PROBE,
        "{ __schema { a: types { name } types { name } } }",
        "{ a: __schema { description } b: __schema { description } }",
        '{ __schema { types { name } } __type(name: "Client") { name } me { id } }',
    ],
)
async def test_operation_within_the_limits_is_executed(hub: Hub, text: str) -> None:
    assert "data" in (await hub.post(text)).json()


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("{ }", {}),
        ("{ me { } }", {"me": None}),
        ("{ ... { } ...F __typename } fragment F on Query { ...G } fragment G on Query { }",
         {"__typename": "Query"}),
        ("query { ... { ... { } } }", {}),
        ("mutation { }", {}),
    ],
)  # fmt: skip
async def test_empty_selection_is_executed(hub: Hub, text: str, data: Any) -> None:
    assert (await hub.post(text)).json() == {"data": data}
