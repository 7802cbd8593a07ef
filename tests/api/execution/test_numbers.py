"""Numbers that are too long or too large, wherever a client puts one: it made a mistake."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.hub import Hub
from tests.support.sockets import Sockets

LONG = "9" * 4301  # int() takes 4,300 digits
NUMBERS = [
    LONG,
    f"-{LONG}",
    f"[{LONG}]",
    f"[[1 -{LONG}]]",
    f"{{a: {LONG}}}",
    "2147483648",
    "1e999999",
]
PLACES = {
    "argument": "{ me { invitedClients(first: %s) { totalCount } } }",
    "argument of another type": "{ me { invitedClients(after: %s) { totalCount } } }",
    "argument of a mutation": 'mutation { login(phone: %s, code: "1") { __typename } }',
    "argument that is unknown": "{ me(first: %s) { id } }",
    "argument of a directive": "{ __typename @include(if: %s) }",
    "argument of an unknown directive": "{ __typename @first(of: %s) }",
    "argument in a fragment": "{ ...F } fragment F on Query"
    " { me { invitedClients(first: %s) { totalCount } } }",
    "argument of introspection": "{ __type(name: %s) { name } }",
    "default": "query ($n: Int! = %s) { me { invitedClients(first: $n) { totalCount } } }",
    "default in a list": "query ($n: [Int] = %s) { __typename }",
    "default of our scalar": "query ($n: DateTime = %s) { __typename }",
    "default of a condition": "query ($n: Boolean! = %s) { __typename @skip(if: $n) }",
}  # fmt: skip


def _assert_mistake(errors: Any, logs: Any) -> None:
    assert {error["extensions"]["code"] for error in errors} == {"GRAPHQL_VALIDATION_FAILED"}
    assert not any("Exceeds" in error["message"] for error in errors)  # Python's own message
    assert not [entry for entry in logs if entry["log_level"] not in {"info", "debug"}]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
async def test_huge_number_in_a_document_is_a_validation_error(
    hub: Hub, place: str, number: str
) -> None:
    with capture_logs() as logs:
        answer = (await hub.post(PLACES[place].replace("%s", number))).json()
    _assert_mistake(answer["errors"], logs)


@pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
async def test_huge_number_in_a_subscription_is_a_validation_error(
    hub: Hub, sockets: Sockets, number: str
) -> None:
    person = await hub.person()
    async with sockets.connected(person.token) as socket:
        with capture_logs() as logs:
            await socket.subscribe(
                f"subscription ($n: Int = {number}) {{ clientInvited {{ id @skip(if: $n) }} }}"
            )
            message = await socket.receive()
    assert message["type"] == "error"
    _assert_mistake(message["payload"], logs)


@pytest.mark.parametrize("number", [LONG, f"-{LONG}", "1e999999", "99999999999", "1e300", "[1]"])
async def test_huge_number_in_variables_is_a_client_error(hub: Hub, number: str) -> None:
    person = await hub.person()
    for query in (
        "query ($n: Int!) { me { invitedClients(first: $n) { totalCount } } }",
        "query ($n: String) { me { invitedClients(after: $n) { totalCount } } }",
        "mutation ($n: String!) { applyInvite(invitationCode: $n) { __typename } }",
        "query ($n: Boolean!) { __typename @skip(if: $n) }",
    ):
        body = f'{{"query": "{query}", "variables": {{"n": {number}}}}}'
        with capture_logs() as logs:
            response = await hub.http.post(
                "/graphql",
                content=body,
                headers={
                    "Content-Type": "application/json",
                    "Authorization": f"Bearer {person.token}",
                },
            )
        (error,) = response.json()["errors"]
        assert error["extensions"]["code"] in {"BAD_USER_INPUT", "BAD_REQUEST"}
        assert not [entry for entry in logs if entry["log_level"] not in {"info", "debug"}]
