"""The cost of documents, counted in function calls, because seconds depend on the machine."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import phonenumbers
import pytest

from connect_hub.api import execution
from connect_hub.api.execution.documents import Documents, InvalidDocumentError
from connect_hub.api.execution.plan_execution import PlanExecution
from connect_hub.api.graphql_errors import format_error
from connect_hub.api.schema import schema
from connect_hub.api.strawberry_internals import core_schema
from connect_hub.security.access_tokens import AccessTokens, InvalidTokenError
from connect_hub.security.keys import Keys, new_secret
from connect_hub.server.headers import MAX_TOKEN
from tests.attacks.documents import KINDS, Attack
from tests.support.hub import Hub, Person

SCHEMA = core_schema(schema)
MAX_CALLS = 65_000  # 5 to 10 ms on a slow machine; earlier limits allowed 280,000


class TooMuchWorkError(BaseException):
    """Ends what would not end by itself; no `except Exception` keeps it."""


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fail after this number of function calls."""
    made = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal made
        made += event in {"call", "c_call"}
        if made > calls:
            sys.setprofile(None)
            raise TooMuchWorkError(f"over {calls} calls")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


async def test_fragments_below_a_page_are_visited_once(hub: Hub) -> None:
    person = await hub.person()
    chain = "".join(
        f"fragment F{n} on InvitedClientConnection {{ {f'...F{n + 1} ' * 8} }}" for n in range(18)
    )
    last = "fragment F18 on InvitedClientConnection { ... { } }"
    query = "{ me { invitedClients { ...F0 } } }" + chain + last
    with at_most(MAX_CALLS):
        answer = await hub.data(query, token=person.token)
    assert answer == {"me": {"invitedClients": {}}}


async def test_a_label_is_formatted_once_for_all_of_its_aliases(hub: Hub) -> None:
    person, guest = await hub.people(2)
    await guest.apply(person.invitation_code)
    labels = "label " + "".join(f"a{n}: label " for n in range(7))
    many = (
        f"{{ me {{ invitedClients {{ nodes {{ {labels} }} edges {{ node {{ {labels} }} }} }} }} }}"
    )
    assert await _formatted(hub, many, person) == 1
    assert await _formatted(hub, "{ me { invitedClients { nodes { id phone } } } }", person) == 0


async def _formatted(hub: Hub, query: str, person: Person) -> int:
    """Count how often a phone is formatted for an answer."""
    calls = 0

    def count(frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code is phonenumbers.format_number.__code__

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        await hub.data(query, token=person.token)
    finally:
        sys.setprofile(before)
    return calls


def test_every_list_of_the_schema_has_a_plan() -> None:
    """Without one, each field of each row costs ten times as much."""
    lists = (
        "{ me { invitedClients { nodes { %s } edges { cursor node { %s } } } sessions { %s } } }"
    )
    query = lists % (_leaves("InvitedClient"), _leaves("InvitedClient"), _leaves("Session"))
    known = Documents(SCHEMA, introspection=True).prepare(query)
    executor = execution.build_executor(SCHEMA, known.document, known.plans)
    assert isinstance(executor, PlanExecution)


def _leaves(name: str) -> str:
    return " ".join(SCHEMA.type_map[name].fields)  # type: ignore[attr-defined] # an object type


def test_a_token_of_many_parts_costs_few_calls() -> None:
    tokens = AccessTokens(
        Keys(new_secret()), issuer="hub", audience="hub", lifetime=timedelta(minutes=1)
    )
    with at_most(500), pytest.raises(InvalidTokenError):
        tokens.verify("." * MAX_TOKEN, now=datetime.now(UTC))


def _fragments(count: int, *, spreads: int) -> str:
    chain = "".join(
        f"fragment F{n} on Client {{ {f'...F{n + 1} ' * spreads} }}" for n in range(count)
    )
    return "{ me { ...F0 } }" + chain + f"fragment F{count} on Client {{ id }}"


@pytest.mark.parametrize(
    "text",
    [
        _fragments(18, spreads=2),
        _fragments(40, spreads=2),
        "{ me { ...F0 } }"
        + "".join(
            f"fragment F{n} on Client {{ ...F{(n + 1) % 20} ...F{(n + 2) % 20} }}"
            for n in range(20)
        ),
        "{ me {" + "id " * 480 + "} }",
        "{ me {" + "invitedClients { nodes { id } } " * 60 + "} }",
        "{ me {" + "... { invitedClients { nodes { id } } } " * 35 + "} }",
        "{ me {" + "... {" * 150 + "id" + "}" * 150 + "} }",
        "{" + "me {" * 220,
        "{" + "nothing " * 480 + "}",
        '{ me(a: "' + "x" * 16_000 + '") { id } }',
        '{ me(a: """' + "\n x" * 5_000 + '""") { id } }',
        "mutation { login(phone: " + "[" * 450,
        "#\n" * 8_000,
        "," * 16_000,
        '{ me(a: "' + "x" * 65_000,
    ],
    ids=range(15),
)
def test_documents_cost_a_limited_number_of_calls(text: str) -> None:
    with at_most(MAX_CALLS):
        _plan(Attack(text))


@pytest.mark.parametrize("kind", KINDS)
def test_attacks_cost_a_limited_number_of_calls(kind: str) -> None:
    draw = Random(kind)  # noqa: S311 (to be drawn again)
    attacks = [KINDS[kind](draw) for _ in range(30)]
    for attack in attacks:
        with at_most(MAX_CALLS):
            _plan(attack)


def _plan(attack: Attack) -> None:
    """Prepare a document for execution, or collect the errors for which it is rejected."""
    documents = Documents(SCHEMA, introspection=True)
    try:
        known = documents.prepare(attack.query)
    except InvalidDocumentError as error:
        for each in error.errors:
            format_error(each, request_id="")
    else:
        variables = attack.variables
        execution.build_executor(SCHEMA, known.document, known.plans, raw_variable_values=variables)
