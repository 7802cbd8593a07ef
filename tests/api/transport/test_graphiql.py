"""GraphiQL, in a browser, on a real server; all of it from there."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.support.processes import Server, serving
from tests.support.visitors import Visitor, browsing, visiting

APPLY = "mutation($code: String!) { applyInvite(invitationCode: $code) { __typename } }"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder) as server:
        yield server


@pytest.fixture(scope="module")
async def browser(pytestconfig: pytest.Config) -> AsyncIterator[Browser]:
    async with browsing(pytestconfig) as browser:
        yield browser


@pytest.fixture
async def visitor(browser: Browser, server: Server) -> AsyncIterator[Visitor]:
    async with visiting(browser, server, "/graphql") as visitor:
        yield visitor


async def write(visitor: Visitor, editor: str, text: str) -> None:
    """Replace the text of one of the editors."""
    lines = visitor.page.get_by_role("region", name=editor).locator(".view-lines")
    await lines.filter(visible=True).click()
    await visitor.page.keyboard.press("Control+A")
    await visitor.page.keyboard.press("Delete")
    await visitor.page.keyboard.insert_text(text)


async def test_graphiql_sends_the_token_in_its_headers_tab(
    visitor: Visitor, server: Server
) -> None:
    client = server.register()
    await write(visitor, "Headers", f'{{"Authorization": "Bearer {client.token}"}}')
    await write(visitor, "Operation Editor", "{ me { phone } }")
    await visitor.page.keyboard.press("Control+Enter")
    await expect(visitor.page.get_by_role("region", name="Result Window")).to_contain_text(
        client.phone
    )


async def test_graphiql_knows_the_schema(visitor: Visitor) -> None:
    await visitor.page.get_by_role("button", name="Show Documentation Explorer").click()
    await visitor.page.get_by_role("link", name="Mutation").click()
    await expect(visitor.page.get_by_text("Send a sign-in code to a phone number")).to_be_visible()


async def test_graphiql_receives_live_updates(visitor: Visitor, server: Server) -> None:
    ann, ben = server.register(), server.register()
    await write(visitor, "Headers", f'{{"Authorization": "Bearer {ann.token}"}}')
    await write(visitor, "Operation Editor", "subscription Live { clientInvited { phone } }")
    await expect(visitor.page.get_by_role("tab", name="Live")).to_be_visible()  # it was parsed
    acknowledged = asyncio.Event()  # later events are delivered
    visitor.page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda _frame: acknowledged.set())
    )
    await visitor.page.keyboard.press("Control+Enter")
    await asyncio.wait_for(acknowledged.wait(), 15)
    code = server.ask("{ me { invitationCode } }", token=ann.token)["invitationCode"]
    server.ask(APPLY, token=ben.token, code=code)
    await expect(visitor.page.get_by_role("region", name="Result Window")).to_contain_text(
        ben.phone
    )
    await visitor.page.get_by_role("button", name="Stop query").click()
