"""Introspection: answered as by graphql-core, and limited by what is answered."""

from inspect import isawaitable
from typing import Any

import pytest
from graphql import ExecutionResult, get_introspection_query, parse

from connect_hub.api import execution
from connect_hub.api.execution.executor import Plans
from connect_hub.api.execution.query_limits import MAX_INTROSPECTED
from connect_hub.api.schema import schema
from connect_hub.api.strawberry_internals import CoreExecutor, core_schema
from tests.support.hub import Hub

STANDARD = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
)


async def _result(executor: Any) -> Any:
    result = executor.execute_operation()
    answer: ExecutionResult = await result if isawaitable(result) else result
    return answer.formatted


TEXTS = [
    STANDARD,
    get_introspection_query(descriptions=False),
    "{ __schema { __typename t: types { n: name name ...F } } } fragment F on __Type { kind }",
    """query ($yes: Boolean!) { __schema {
        types { name @skip(if: $yes) kind @include(if: $yes) }
        directives { name @skip(if: true) locations args { defaultValue } }
    } }""",
    """query ($name: String!, $yes: Boolean) {
        __type(name: $name) { fields(includeDeprecated: $yes) { isDeprecated deprecationReason } }
    }""",
    """{
        a: __type(name: "Nothing") { name }
        b: __type(name: "LoginResult") { possibleTypes { name interfaces { name } } }
        __typename
    }""",
    """{
        __type(name: "Client") { fields { args { type { ofType { name } } } x: name } }
        __schema { queryType { name ... { name } } subscriptionType { name } }
    }""",
]


@pytest.mark.parametrize("text", TEXTS)
async def test_introspection_results_equal_those_of_graphql_core(text: str) -> None:
    request: Any = {"raw_variable_values": {"yes": True, "name": "Client"}}
    document = parse(text)
    plain = CoreExecutor.build(core_schema(schema), document, **request)
    ours = execution.build_executor(core_schema(schema), document, Plans(), **request)
    assert await _result(ours) == await _result(plain)


async def test_introspected_fields_are_limited(hub: Hub) -> None:
    fragment = "fragment F on __Type { fields { name args { name } type { name kind } } }"
    aliases = "".join(f"a{n}: types {{ ...F }} " for n in range(15))
    response = await hub.post("{ __schema { " + aliases + "} }" + fragment)
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert f"{MAX_INTROSPECTED} fields of introspection" in error["message"]


async def test_standard_introspection_query_takes_half_of_the_limit(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = "connect_hub.api.execution.introspection.MAX_INTROSPECTED"
    monkeypatch.setattr(limit, MAX_INTROSPECTED // 2)
    assert "errors" not in (await hub.post(STANDARD)).json()
