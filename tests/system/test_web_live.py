"""The web client's live updates start again after every fault that passes by itself."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Route, WebSocketRoute, expect

from tests.support.processes import Server, serving
from tests.support.visitors import Visit, Visitor, label, visiting

ROOMY: dict[str, Any] = {
    "SENDS_PER_PHONE_AND_ADDRESS": "9999/hour",
    "SENDS_PER_ADDRESS": "9999/hour",
}
APPLY = "mutation($code: String!) { applyInvite(invitationCode: $code) { __typename } }"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder / "live", **ROOMY) as server:
        yield server


async def sign_in(visitor: Visitor) -> str:
    """Sign in and wait for the list, which then changes over a connection only."""
    code = await visitor.sign_in()
    await expect(visitor.page.get_by_text("Nobody has applied your code yet")).to_be_visible()
    return code


async def is_told(visitor: Visitor, server: Server, code: str) -> None:
    """Apply the visitor's code elsewhere; only a connection lets the page show that."""
    client = server.register()
    assert server.ask(APPLY, token=client.token, code=code)["__typename"] == "InviteApplied"
    people = visitor.page.get_by_role("listitem")
    await expect(people.filter(has_text=label(client.phone))).to_be_visible()


async def meets(visitor: Visitor, meet: Callable[[int, WebSocketRoute], bool]) -> list[None]:
    """Intercept each connection of a visitor; true passes it on to the server."""
    connections: list[None] = []

    def connect(socket: WebSocketRoute) -> None:
        connections.append(None)
        if meet(len(connections), socket):
            socket.connect_to_server()

    await visitor.page.route_web_socket("**/graphql", connect)
    await visitor.page.reload()
    return connections


def closing(*codes: int) -> Callable[[int, WebSocketRoute], bool]:
    """Close the first connections with these codes once they send a token."""

    def close(number: int, socket: WebSocketRoute) -> bool:
        if number > len(codes):
            return True
        socket.on_message(lambda _: asyncio.ensure_future(socket.close(code=codes[number - 1])))
        return False

    return close


async def test_updates_start_again_once_the_server_can_be_reached(
    browser: Browser, folder: Path
) -> None:
    with serving(folder / "back", **ROOMY) as server, ExitStack() as later:
        async with visiting(browser, server) as ann:
            code = await sign_in(ann)
            await is_told(ann, server, code)
            server.process.terminate()
            server.process.wait()
            await ann.page.wait_for_event(
                "console", lambda said: "ERR_CONNECTION_REFUSED" in said.text
            )
            back = later.enter_context(serving(folder / "back", port=server.port, **ROOMY))
            await ann.page.wait_for_event("websocket")
            await is_told(ann, back, code)
            ann.forgive("WebSocket|ERR_CONNECTION_REFUSED", certain=False)


async def test_updates_start_again_after_a_ping_without_an_answer(
    visit: Visit, server: Server
) -> None:
    ann = await visit()

    def deaf(number: int, socket: WebSocketRoute) -> bool:
        if number > 1:
            return True
        upstream = socket.connect_to_server()
        socket.on_message(lambda text: None if '"ping"' in str(text) else upstream.send(text))
        return False

    connections = await meets(ann, deaf)
    await ann.page.clock.install()
    code = await sign_in(ann)
    await is_told(ann, server, code)
    assert len(connections) == 1
    for _ in range(3):  # the ping, the time for its answer, the time before another try
        await ann.page.clock.run_for(11_000)
    await is_told(ann, server, code)
    assert len(connections) == 2


@pytest.mark.parametrize("refusal", [4401, 4403])
async def test_refused_token_is_refreshed_once(visit: Visit, server: Server, refusal: int) -> None:
    ann = await visit()
    connections = await meets(ann, closing(refusal))
    code = await sign_in(ann)
    await is_told(ann, server, code)
    assert len(ann.asked("RefreshSession")) == 1
    assert len(connections) == 2


async def test_visitor_signs_in_again_once_a_refreshed_token_is_refused(visit: Visit) -> None:
    ann = await visit()
    connections = await meets(ann, closing(4401, 4401))
    await ann.type_code(await ann.ask_for_code())
    await expect(ann.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(ann.page.get_by_text("You were signed out")).to_be_visible()
    await ann.page.wait_for_timeout(1500)  # another attempt would be made by now
    assert len(ann.asked("RefreshSession")) == 1
    assert len(connections) == 2


async def test_updates_start_again_although_a_refresh_fails(visit: Visit, server: Server) -> None:
    ann = await visit()
    await meets(ann, closing(4403))
    failed = 0

    async def fail_once(route: Route) -> None:
        nonlocal failed
        if "RefreshSession" in (route.request.post_data or "") and not failed:
            failed += 1
            await route.abort()
        else:
            await route.continue_()

    await ann.page.route("**/graphql", fail_once)
    code = await sign_in(ann)
    await is_told(ann, server, code)
    assert failed == 1
    ann.forgive("ERR_FAILED|WebSocket", certain=False)
