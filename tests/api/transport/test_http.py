import gzip
import json
from typing import Any

import httpx
import pytest

from connect_hub.database.connections import fetch
from tests.support.hub import CLIENT, ME, Hub

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"


async def _send(
    hub: Hub, body: bytes | str, *, content_type: str = JSON, accept: str = JSON
) -> httpx.Response:
    headers = {"Content-Type": content_type, "Accept": accept}
    content = body if isinstance(body, bytes) else body.encode()
    return await hub.http.post("/graphql", content=content, headers=headers)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "as valid JSON"),
        ("{", "as valid JSON"),
        ('{"query": "{__typename}"', "as valid JSON"),
        (b'{"query": "\xff"}', "as valid JSON"),
        ('{"query": "\\ud800"}', "as valid JSON"),
        ("[" * 50_000, "as valid JSON"),
        ("NaN", "as valid JSON"),
        ('"x"', "JSON object"),
        ("null", "JSON object"),
        ("1", "JSON object"),
        ("[]", "batches"),
        ('[{"query": "{__typename}"}]', "batches"),
        ("{}", "`query`"),
        ('{"query": null}', "`query`"),
        ('{"query": 1}', "`query`"),
        ('{"query": {"a": 1}}', "`query`"),
        ('{"query": "{__typename}", "variables": []}', "`variables`"),
        ('{"query": "{__typename}", "variables": "x"}', "`variables`"),
        ('{"query": "{__typename}", "operationName": 1}', "`operationName`"),
        ('{"query": "{__typename}", "extensions": 1}', "`extensions`"),
    ],
)
async def test_body_without_an_operation_is_rejected(
    hub: Hub, body: bytes | str, message: str
) -> None:
    unparsed = message == "as valid JSON"
    for accept, status in ((JSON, 400), (GRAPHQL, 400 if unparsed else 422)):
        response = await _send(hub, body, accept=accept)
        assert response.status_code == status
        answer = response.json()
        assert "data" not in answer
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "BAD_REQUEST"
        assert message in error["message"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("\0", "GRAPHQL_PARSE_FAILED"),
        ("{ me { id } } " * 200, "GRAPHQL_PARSE_FAILED"),  # over 500 tokens
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ me }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { login(phone: 1, code: 2) { __typename } }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { login { __typename } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { x }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", "BAD_USER_INPUT"),
        ("query($v: Int!) { me { invitedClients(first: $v) { totalCount } } }", "BAD_USER_INPUT"),
    ],
)
async def test_invalid_document_is_a_request_error(hub: Hub, query: str, code: str) -> None:
    unparsed = code == "GRAPHQL_PARSE_FAILED"
    for accept, status in ((JSON, 200), (GRAPHQL, 400 if unparsed else 422)):
        response = await _send(hub, json.dumps({"query": query}), accept=accept)
        assert response.status_code == status
        answer = response.json()
        assert "data" not in answer
        assert answer["errors"][0]["extensions"]["code"] == code


async def test_subscription_by_http_is_rejected(hub: Hub) -> None:
    query = json.dumps({"query": "subscription { clientInvited { id } }"})
    for accept, status in ((JSON, 400), (GRAPHQL, 422)):
        response = await _send(hub, query, accept=accept)
        assert response.status_code == status
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("query", "data"),
    [
        ("{ __typename me { id } }", {"__typename": "Query", "me": None}),
        ("{ me { invitedClients(first: 0) { totalCount } } }", {"me": None}),
    ],
)
async def test_data_with_errors_is_a_partial_success(
    hub: Hub, query: str, data: dict[str, Any]
) -> None:
    token = "bad" if "__typename" in query else (await hub.person()).token
    for accept, status in ((JSON, 200), (GRAPHQL, 294)):
        response = await hub.post(query, token=token, headers={"Accept": accept})
        assert response.status_code == status
        answer = response.json()
        assert answer["data"] == data
        assert answer["errors"]


async def test_wholly_refused_request_keeps_its_status(hub: Hub) -> None:
    for accept in (JSON, GRAPHQL):
        response = await hub.post("{ me { id } }", token="bad", headers={"Accept": accept})
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert "data" not in response.json()


@pytest.mark.parametrize("name", ["operationName", "variables", "extensions", "documentId"])
async def test_empty_optional_parameter_counts_as_absent(hub: Hub, name: str) -> None:
    query = "query Q { __typename }"
    by_get = await hub.http.get("/graphql", params={"query": query, name: ""})
    by_post = await hub.http.post("/graphql", json={"query": query, name: ""})
    as_null = await hub.http.post("/graphql", json={"query": query, name: None})
    for response in (by_get, by_post, as_null):
        assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("name", ["operationName", "variables", "extensions", "documentId"])
@pytest.mark.parametrize("wrong", [0, False, [], 1, ["x"]])
async def test_optional_parameter_of_a_wrong_type_is_rejected(
    hub: Hub, name: str, wrong: Any
) -> None:
    response = await _send(hub, json.dumps({"query": "{ __typename }", name: wrong}))
    assert response.status_code == 400
    assert f"`{name}`" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("parameters", "statuses"),
    [
        ({"query": ""}, (200, 400)),
        ({"operationName": "Q"}, (400, 422)),
        ({"query": "{ __typename }", "variables": "{"}, (400, 400)),
        ({"query": "{ __typename }", "variables": "[]"}, (400, 422)),
        ({"query": "{ __typename }", "operationName": "null"}, (200, 422)),
        ({"query": "query null { __typename }", "operationName": "null"}, (200, 200)),
        ({"extensions": "{}"}, (400, 422)),
    ],
)
async def test_get_parameters_are_checked_like_those_of_post(
    hub: Hub, parameters: dict[str, str], statuses: tuple[int, int]
) -> None:
    for accept, status in zip((JSON, GRAPHQL), statuses, strict=True):
        response = await hub.http.get("/graphql", params=parameters, headers={"Accept": accept})
        assert response.status_code == status


@pytest.mark.parametrize(
    "coding", ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "compress", "identity, gzip", "x"]
)
async def test_encoded_body_is_rejected_with_the_accepted_encoding(hub: Hub, coding: str) -> None:
    headers = {"Content-Type": JSON, "Content-Encoding": coding}
    body = gzip.compress(b'{"query": "{ __typename }"}')
    response = await hub.http.post("/graphql", content=body, headers=headers)
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")
    assert response.json()["errors"][0]["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("coding", ["", "identity", "Identity", "identity, identity"])
async def test_identity_encoding_is_accepted(hub: Hub, coding: str) -> None:
    headers = {"Content-Encoding": coding}
    response = await hub.http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("parameters", [{"query": "{ __typename }"}, {"query": "{"}, {}])
@pytest.mark.parametrize("accept", [JSON, GRAPHQL, "text/html", "text/css"])
async def test_head_has_the_headers_of_get(
    hub: Hub, parameters: dict[str, str], accept: str
) -> None:
    asks = {"Accept": accept}
    get, head = [
        await hub.http.request(method, "/graphql", params=parameters, headers=asks)
        for method in ("GET", "HEAD")
    ]
    assert head.headers.pop("X-Request-ID") != get.headers.pop("X-Request-ID")
    assert (head.status_code, head.headers) == (get.status_code, get.headers)


async def test_head_changes_nothing(hub: Hub) -> None:
    mutation = 'mutation { requestCode(phone: "+79991234567") { __typename } }'
    response = await hub.http.head("/graphql", params={"query": mutation})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert not await fetch("SELECT FROM sign_in_code")


VALUES: list[Any] = [
    None,
    1,
    10**30,
    1e300,
    True,
    [],
    ["+79991234567"],
    {},
    "",
    "\0",
    "+7\0",
    "'; DROP TABLE client; --",
    "\ufffe\uffff",
    "👩‍👩‍👧" * 100,
    "9" * 60_000,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    "query",
    [
        "mutation($v: String!) { requestCode(phone: $v) { __typename } }",
        'mutation($v: String!) { login(phone: "+79991234567", code: $v) { __typename } }',
        'mutation($v: String!) { register(phone: $v, code: "1234") { __typename } }',
        "mutation($v: String!) { applyInvite(invitationCode: $v) { __typename } }",
        "query($v: String) { me { invitedClients(after: $v) { totalCount } } }",
        "query($v: Int = 20) { me { invitedClients(first: $v) { totalCount } } }",
    ],
)
async def test_invalid_values_are_rejected_and_change_nothing(
    hub: Hub, query: str, value: Any
) -> None:
    person = await hub.person()
    before = await _everything()
    response = await hub.post(query, token=person.token, v=value)
    assert response.status_code == 200
    for error in response.json().get("errors", []):
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert await _everything() == before


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json; charset=latin-1",
        "application/graphql",
    ],
)
async def test_only_json_bodies_are_accepted(hub: Hub, content_type: str) -> None:
    response = await _send(hub, '{"query": "{__typename}"}', content_type=content_type)
    assert response.status_code == 415
    assert response.json()["errors"][0]["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


async def test_body_over_64_kib_is_rejected_while_it_is_read(hub: Hub) -> None:
    response = await _send(hub, json.dumps({"query": "{__typename}", "x": "y" * 2**20}))
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["code"] == "PAYLOAD_TOO_LARGE"


async def test_get_serves_queries_only(hub: Hub) -> None:
    response = await hub.http.get("/graphql", params={"query": "{ __typename }"})
    assert response.json() == {"data": {"__typename": "Query"}}
    mutation = 'mutation { requestCode(phone: "+79991234567") { __typename } }'
    response = await hub.http.get("/graphql", params={"query": mutation})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert not await fetch("SELECT FROM sign_in_code")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_rejected(hub: Hub, method: str) -> None:
    response = await hub.http.request(method, "/graphql")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{JSON};q=0.5, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL}, {JSON}", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", JSON),
        (f"{GRAPHQL};q=0, */*;q=0.1", JSON),
        ("text/html, */*;q=0.1", JSON),
        ("text/html", None),
        (f"{JSON};q=0", None),
        (f"{JSON};q=much", None),
    ],
)
async def test_response_has_the_preferred_media_type(
    hub: Hub, accept: str | None, media_type: str | None
) -> None:
    headers = {"Accept": accept} if accept else {}
    del hub.http.headers["accept"]
    response = await hub.http.post("/graphql", json={"query": "{__typename}"}, headers=headers)
    assert response.status_code == (200 if media_type else 406)
    assert response.headers["content-type"] == f"{media_type or JSON}; charset=utf-8"
    assert "Accept" in response.headers["vary"]
    assert response.headers["cache-control"] == "no-store"


async def test_browser_gets_graphiql(hub: Hub) -> None:
    response = await hub.http.get("/graphql", headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.headers["content-type"].startswith("text/html")
    assert "GraphiQL" in response.text


async def test_foreign_host_is_rejected(hub: Hub) -> None:
    response = await hub.http.get("/graphql", headers={"Host": "elsewhere"})
    assert response.status_code == 400


@pytest.mark.parametrize(
    "sent_id",
    [
        "a-b_c.1",
        "A" * 40,
        "79991237-7889-4abc-8def-799912377889",
        "79991237788940000000799912377889",
        "01J79991237788900000000000",
    ],
)
async def test_request_id_is_never_chosen_by_the_client(
    hub: Hub, capsys: pytest.CaptureFixture[str], sent_id: str
) -> None:
    response = await hub.http.get("/healthz", headers={"X-Request-ID": sent_id})
    assert len(ours := response.headers["x-request-id"]) == 32
    line = json.loads(capsys.readouterr().err)
    assert (line["request_id"], line["client_request_id"]) == (ours, sent_id)


@pytest.mark.parametrize(
    "sent_id", ["", "a b", "A" * 41, "a\tb", "ä", "<script>", "79991234567", "4711"]
)
async def test_suspicious_client_request_id_is_not_logged(
    hub: Hub, capsys: pytest.CaptureFixture[str], sent_id: str
) -> None:
    headers = {b"X-Request-ID": sent_id.encode()}
    response = await hub.http.get("/healthz", headers=headers)
    assert len(response.headers["x-request-id"]) == 32
    assert "client_request_id" not in json.loads(capsys.readouterr().err)


async def test_internal_error_reveals_no_details(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await hub.person()

    async def broken(*_: object) -> None:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr("connect_hub.domain.invitations.invited_count", broken)
    response = await hub.post(ME + CLIENT, token=person.token)
    (error,) = response.json()["errors"]
    request_id = response.headers["x-request-id"]
    assert error["extensions"] == {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id}
    assert "1234" not in response.text


async def _everything() -> Any:
    tables = ("client", "sign_in_code", "invited_count")
    return [await fetch(f"SELECT * FROM {table}") for table in tables]


async def test_url_with_many_parameters_is_rejected(hub: Hub) -> None:
    url = "/graphql?query={__typename}"
    answer = await hub.http.get(f"{url}&{'&'.join(['a'] * 14)}")
    assert answer.json() == {"data": {"__typename": "Query"}}
    answer = await hub.http.get(url + "&%41" * 7_000)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == "Send at most 16 parameters in the URL."
