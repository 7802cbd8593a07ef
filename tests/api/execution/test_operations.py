"""Operations of the server's schema, compiled and by graphql-core: the same responses."""

import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from connect_hub.api.execution import build_executor, engine
from connect_hub.api.execution.plan_execution import PlanExecution
from connect_hub.api.schema import schema
from connect_hub.api.strawberry_internals import CoreExecutor, core_schema
from connect_hub.settings import Settings
from tests.support.hub import Hub, changed
from tests.support.operations import Operation, Request, operations
from tests.support.world import INVITED, World, create_world

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))  # 500 in CI
SCHEMA = core_schema(schema)
SHOWN: dict[str, list[Any]] = {
    "invited_phones": ["full", "full", "masked", "hidden"],
    "registration": ["open", "open", "open", "invited", "closed"],
    "invitations_per_client": [None, INVITED, 30],
}
MAX_COUNT = 30  # greater numbers are seconds
EXECUTED: Counter[str] = Counter()
RANDOM = {  # by what replaces it
    "<token>": re.compile(r"ey[\w-]+\.[\w-]+\.[\w-]+"),
    "<refresh token>": re.compile(r"[\w-]{22}\.\d+\.[\w-]+\.[\w-]+"),
    "<id>": re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}"),
    "<invitation code>": re.compile(r"[0-9A-Z]{6}"),
    "<sms code>": re.compile(r"\d{4}"),
    "<time>": re.compile(r"\d{4}-\d\d-\d\dT.+Z"),
}


@pytest.fixture
def by_core(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a switch: whether graphql-core executes all operations, without our code."""
    switch = [False]

    def choose(schema: Any, document: Any, plans: Any, **request: Any) -> Any:
        if switch[0]:
            return CoreExecutor.build(schema, document, **request)
        executor = build_executor(schema, document, plans, **request)
        EXECUTED["by plans" if isinstance(executor, PlanExecution) else "by graphql-core"] += 1
        return executor

    monkeypatch.setattr(engine, "build_executor", choose)
    return switch


@pytest.fixture
async def world(
    hub: Hub, settings: Settings, untriggered: asyncpg.Connection
) -> AsyncIterator[World]:
    EXECUTED.clear()
    yield await create_world(hub, settings, untriggered)
    assert EXECUTED["by plans"] > EXAMPLES


@hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=EXAMPLES <= 500,  # so that results do not depend on chance
)
@given(data=st.data())
async def test_responses_equal_those_of_graphql_core(
    data: st.DataObject, hub: Hub, settings: Settings, world: World, by_core: list[bool]
) -> None:
    operation = data.draw(operations(SCHEMA, world.values))
    token = data.draw(st.sampled_from(world.tokens))
    shown = {name: data.draw(st.sampled_from(values)) for name, values in SHOWN.items()}
    unreadable = data.draw(st.sampled_from([None] * 9 + ["invited_count"]))
    async with world.unreadable(unreadable):
        with changed(settings, **shown):
            await _compare(operation, token, hub, world, by_core)


async def _compare(
    operation: Operation, token: str | None, hub: Hub, world: World, by_core: list[bool]
) -> None:
    for request in operation.requests:
        responses = []
        for by_core[0] in (True, False):
            if operation.text.startswith("mutation"):
                await world.restore()
            response = await _send(hub, operation, request, token)
            responses.append(_comparable(response, operation, world))
        theirs, ours = responses
        assert ours == theirs


async def _send(
    hub: Hub, operation: Operation, request: Request, token: str | None
) -> httpx.Response:
    body = {
        "query": operation.text,
        "variables": request.variables,
        "operationName": request.operation_name,
    }
    headers = {
        "Accept": "application/graphql-response+json",
        "X-Forwarded-For": "203.0.113.7",
        "X-Request-ID": "the-same",  # internal errors show it
    }
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return await hub.http.post("/graphql", json=body, headers=headers)


def _comparable(response: httpx.Response, operation: Operation, world: World) -> str:
    """Return the status and the body, without what is random in the results of mutations."""
    if not operation.text.startswith("mutation"):
        return f"{response.status_code} {response.text}"
    body = _without_chance(response.json(), world)
    return f"{response.status_code} {json.dumps(body, indent=1)}"


def _without_chance(value: Any, world: World) -> Any:
    if isinstance(value, dict):
        return {name: _without_chance(each, world) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_chance(each, world) for each in value]
    if isinstance(value, str) and value not in world.known:
        found = (name for name, pattern in RANDOM.items() if pattern.fullmatch(value))
        return next(found, value)
    return "<seconds>" if type(value) is int and value > MAX_COUNT else value


async def test_null_for_a_condition_is_reported_at_the_field_whose_selection_has_it(
    hub: Hub,
) -> None:
    query = "query ($yes: Boolean = true) { config { codeLength @include(if: $yes) } }"
    for _ in range(3):  # without a plan, compiled, and with the kept plan
        response = await hub.post(query, yes=None)
        (error,) = response.json()["errors"]
        assert response.status_code == 200
        assert response.json()["data"] == {"config": None}
        assert error["path"] == ["config"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
