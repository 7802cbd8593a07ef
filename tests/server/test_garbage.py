"""Requests free their objects without the garbage collector, whose pauses others would feel."""

import asyncio
import gc
from collections.abc import Awaitable

import httpx
import pytest

from tests.support.hub import CLIENT, ME, REFRESH, Hub
from tests.support.sockets import Sockets

SERVER = ("connect_hub.", "uvicorn.", "asyncpg.", "graphql.")  # modules


@pytest.mark.parametrize("operation", ["{ __typename }", ME + CLIENT, REFRESH + CLIENT])
async def test_repeated_operation_leaves_no_garbage(
    hub: Hub, sockets: Sockets, operation: str
) -> None:
    person = await hub.person()
    variables = {"refreshToken": person.refresh_token}
    url = f"http://127.0.0.1:{sockets.port}/graphql"
    headers = {"Authorization": f"Bearer {person.token}", "Host": "hub"}
    async with httpx.AsyncClient(headers=headers) as client:

        async def ask(times: int) -> None:
            for _ in range(times):
                answer = await client.post(url, json={"query": operation, "variables": variables})
                assert "errors" not in answer.json()
            await asyncio.sleep(0)  # the task of the last request ends

        await ask(3)  # which parses and prepares the operation
        garbage = await _collected(ask(10))
    assert not [kind for kind in garbage if kind.startswith(SERVER)]


async def _collected(work: Awaitable[None]) -> list[str]:
    """Return the types of the objects that only the garbage collector frees after some work."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await work
        gc.collect()
        return [f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.enable()
        gc.garbage.clear()
