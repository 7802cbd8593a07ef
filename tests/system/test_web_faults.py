"""The web client when the server hangs, sockets break, and other tabs and devices act."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, WebSocketRoute, expect

from tests.support.hanging import hanging
from tests.support.processes import Server, numbers, serving
from tests.support.visitors import Visit, Visitor, has_shown, record_texts

ROOMY: dict[str, Any] = {
    "SENDS_PER_PHONE_AND_ADDRESS": "9999/hour",
    "SENDS_PER_ADDRESS": "9999/hour",
    "RESEND_AFTER": "1",
}
UNREACHABLE = "The server cannot be reached right now. Check your connection and try again."
APPLY = "mutation($code: String!) { applyInvite(invitationCode: $code) { __typename } }"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder / "faults", **ROOMY) as server:
        yield server


async def hang(page: Page, operation: str) -> None:
    """Let the server never answer an operation."""

    async def left(route: Route) -> None:
        if f'"operationName":"{operation}"' not in (route.request.post_data or ""):
            await route.continue_()

    await page.route("**/graphql", left)


async def gives_up_after_15_seconds(visitor: Visitor, waits: str) -> None:
    alert = visitor.page.get_by_role("alert").filter(has_text=UNREACHABLE)
    await expect(visitor.page.locator(waits).first).to_be_visible()
    await visitor.page.clock.fast_forward(14_000)
    await expect(visitor.page.locator(waits).first).to_be_visible()
    assert await alert.count() == 0
    await visitor.page.clock.fast_forward(1_500)
    await expect(alert).to_be_visible()
    await expect(visitor.page.locator(waits)).to_have_count(0)
    visitor.forgive("Timeout|^Error$", certain=False)


async def test_mutation_without_an_answer_ends_after_15_seconds(visit: Visit) -> None:
    ann = await visit()
    await ann.page.clock.install()
    await hang(ann.page, "RequestCode")
    await ann.phone_field().fill(ann.phone)
    await ann.page.keyboard.press("Enter")
    await gives_up_after_15_seconds(ann, "button.busy")
    await ann.page.unroute_all()
    await ann.ask_for_code()


@pytest.mark.parametrize("operation", ["Me", "RefreshSession"])
async def test_first_load_without_an_answer_ends_after_15_seconds(
    visit: Visit, operation: str
) -> None:
    ann = await visit()
    await ann.sign_in()
    await ann.page.clock.install()
    await hang(ann.page, operation)
    await ann.page.reload()
    await gives_up_after_15_seconds(ann, "[aria-busy=true]:not(button)")
    await ann.page.unroute_all()
    await ann.page.get_by_role("button", name="Try again").first.click()
    await expect(ann.page.get_by_role("heading", name="Invite people")).to_be_visible()


async def test_sign_in_page_without_an_answer_can_be_asked_for_again(visit: Visit) -> None:
    ann = await visit("about:blank")
    await ann.page.clock.install()
    await hang(ann.page, "Config")
    await ann.page.goto("/i/ABC234")
    await gives_up_after_15_seconds(ann, "[aria-busy=true]:not(button)")
    await ann.check_page()
    await ann.page.unroute_all()
    await ann.page.get_by_role("button", name="Try again").click()
    await expect(ann.invitation_field()).to_have_value("ABC234")


@pytest.mark.parametrize("operation", ["InvitedClients", "Sessions"])
async def test_list_without_an_answer_can_be_asked_for_again(visit: Visit, operation: str) -> None:
    ann = await visit()
    await ann.sign_in()
    await ann.page.clock.install()
    await hang(ann.page, operation)
    await ann.page.reload()
    await ann.page.get_by_text("Where you are signed in").click()
    retry = ann.page.get_by_role("button", name="Try again")
    texts = ["Nobody has applied your code yet", "This device"]
    answered, hanging_one = texts if operation == "Sessions" else reversed(texts)
    await expect(ann.page.get_by_text(answered)).to_be_visible()
    await ann.page.clock.fast_forward(15_500)
    await expect(retry).to_be_visible()
    await ann.page.unroute_all()
    await retry.click()
    await expect(retry).to_have_count(0)
    await expect(ann.page.get_by_text(hanging_one)).to_be_visible()
    ann.forgive("Timeout|^Error$", certain=False)


async def test_server_that_hangs_in_the_middle_of_its_answer_is_given_up(
    browser: Browser, server: Server
) -> None:
    async with hanging(f"http://127.0.0.1:{server.port}") as port:
        context = await browser.new_context(base_url=f"http://127.0.0.1:{port}")
        page = await context.new_page()
        await page.clock.install()
        async with page.expect_response("**/graphql"):
            await page.goto("/")
        await page.clock.fast_forward(15_500)
        await expect(page.get_by_role("alert")).to_have_text(UNREACHABLE)
        await context.close()


async def test_page_whose_script_does_not_come_says_so_after_15_seconds(
    browser: Browser, server: Server
) -> None:
    context = await browser.new_context(base_url=f"http://127.0.0.1:{server.port}")
    page = await context.new_page()
    await page.route("**/*.js", lambda _: None)
    await page.goto("/", wait_until="commit")
    late = page.locator(".late")
    await expect(late).to_be_hidden()
    assert await late.evaluate("node => getComputedStyle(node).animationDelay") == "15s"
    await late.evaluate("node => node.getAnimations().forEach(wait => wait.finish())")
    await expect(late).to_be_visible()
    await expect(late).to_contain_text("Check your connection and reload it.")
    await context.close()


async def test_sessions_ended_by_a_new_phone_leave_the_list(visit: Visit) -> None:
    ann = await visit()
    await ann.sign_in()
    again = await visit()
    again.phone = ann.phone
    await again.sign_in()
    await again.page.get_by_text("Where you are signed in").click()
    sessions = again.page.locator("details", has_text="Where you are").get_by_role("listitem")
    await expect(sessions).to_have_count(2)
    await again.page.get_by_text("Change your phone number").click()
    again.phone = f"+7{next(numbers)}"
    await again.type_code(await again.ask_for_code())
    await expect(again.page.get_by_text("Your phone number is now")).to_be_visible()
    await expect(sessions).to_have_count(1)
    ann.forgive("401", certain=False)


async def test_list_stays_as_long_as_it_was_after_a_reconnect(visit: Visit, server: Server) -> None:
    ann = await visit()
    code = await ann.sign_in()

    def invite() -> None:
        applied = server.ask(APPLY, token=server.register().token, code=code)
        assert applied["__typename"] == "InviteApplied"

    for _ in range(45):
        invite()
    connections: list[WebSocketRoute] = []
    closed = False

    def connect(socket: WebSocketRoute) -> None:
        if closed:
            return
        connections.append(socket)
        socket.connect_to_server()

    await ann.page.route_web_socket("**/graphql", connect)
    await ann.page.reload()
    people = ann.page.locator("section", has_text="People you invited").get_by_role("listitem")
    await expect(people).to_have_count(20)
    await ann.page.get_by_role("button", name="Show more").click()
    await expect(people).to_have_count(40)
    await ann.page.evaluate(
        """() => {
            window.least = Infinity;
            const list = document.querySelector("section ul.list");
            new MutationObserver(() => {
                window.least = Math.min(window.least, list.children.length);
            }).observe(list, {childList: true});
        }"""
    )
    invite()  # is shown at once
    await expect(people).to_have_count(41)
    await connections[-1].close(code=1012)
    invite()  # is missed, or sent by the next connection
    await expect(ann.page.locator(".count")).to_have_text("47")
    for _ in range(100):
        if len(connections) > 1:
            break
        await ann.page.wait_for_timeout(50)
    await ann.page.wait_for_timeout(500)  # for the list to fall, were it to
    assert await people.count() >= 41
    assert await ann.page.evaluate("window.least") >= 40
    await ann.page.get_by_role("button", name="Show more").click()
    await expect(people).to_have_count(47)
    ann.forgive("WebSocket", certain=False)


async def test_deletion_of_the_account_is_not_shown_as_an_end_by_others_in_any_tab(
    visit: Visit,
) -> None:
    ann = await visit()
    await ann.sign_in()
    other = await ann.context.new_page()
    await other.goto("/")
    await other.get_by_text("Delete your account", exact=True).click()
    for page in (ann.page, other):
        await record_texts(page)

    async def slow(route: Route) -> None:
        answer = await route.fetch()
        await ann.page.wait_for_timeout(1000)  # the first tab gets the event meanwhile
        await route.fulfill(response=answer)

    await other.route("**/graphql", slow)
    await other.get_by_role("button", name="Delete my account").click()
    await other.get_by_role("button", name="Delete for good").click()
    for page in (ann.page, other):
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await ann.page.wait_for_timeout(300)
    for page in (ann.page, other):
        assert not await has_shown(page, "You were signed out")
    ann.forgive("401", certain=False)
