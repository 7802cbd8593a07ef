"""The web client, in a browser, on a real server."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from connect_hub.database import embedded
from tests.support.hub import wrong
from tests.support.processes import HTTP, Server, numbers, serving
from tests.support.visitors import Visit, has_shown, label, record_texts, visiting

FIRST_LOAD = 150_000  # bytes, gzip
MANY: dict[str, Any] = {
    "SENDS_PER_PHONE_AND_ADDRESS": "9999/hour",
    "SENDS_PER_ADDRESS": "9999/hour",
    "GUESSES_PER_ADDRESS": "9999/hour",
    "RESEND_AFTER": "1",
}


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder / "web", **MANY) as server:
        yield server


def heading(page: Page, name: str) -> Locator:
    return page.get_by_role("heading", name=name)


async def make_sessions_older(server: Server) -> None:
    socket = str(embedded.socket_folder(server.data_dir))
    database = await asyncpg.connect(host=socket, user=embedded.USER, database=embedded.DATABASE)
    await database.execute("UPDATE session SET created_at = created_at - interval '1 hour'")
    await database.close()


async def test_new_person_registers_after_a_wrong_code(visit: Visit) -> None:
    ann = await visit()
    code = await ann.ask_for_code()
    await ann.type_code(wrong(code))
    await expect(ann.page.get_by_role("alert")).to_have_text(
        "This is not the code. You have 2 attempts left."
    )
    await ann.type_code(code)
    await expect(heading(ann.page, "Invite people")).to_be_focused()
    await expect(ann.page.locator(".phone").last).to_have_text(ann.phone)
    assert len(ann.asked("Register")) == 1
    await ann.page.reload()
    await expect(heading(ann.page, "Invite people")).to_be_visible()


async def test_code_can_be_resent_after_the_wait(visit: Visit) -> None:
    ann = await visit()
    await ann.ask_for_code()
    await ann.page.get_by_role("button", name="Send it again", exact=True).click()
    await expect(ann.page.get_by_role("status")).to_have_text("The code is sent again.")
    assert len(ann.asked("RequestCode")) == 2
    await ann.page.get_by_role("button", name="Another number").click()
    await expect(ann.page.get_by_label("Phone number")).to_be_visible()


async def test_invalid_phone_is_rejected_beside_its_field(visit: Visit) -> None:
    ann = await visit()
    await ann.page.get_by_label("Phone number").fill("12")
    await ann.page.keyboard.press("Enter")
    await expect(ann.page.get_by_label("Phone number")).to_have_accessible_description(
        re.compile("This is no phone number")
    )


async def test_code_of_a_link_is_kept_through_sign_in_and_applied(
    visit: Visit, server: Server
) -> None:
    ann = await visit()
    code = await ann.sign_in()
    ben = await visit(f"/i/{code.lower()}")
    ben.phone = server.register().phone
    await expect(ben.invitation_field()).to_have_value(code)
    await ben.sign_in()
    await expect(heading(ben.page, "Were you invited?")).to_be_focused()
    await expect(ben.page.get_by_text("will see your phone number")).to_be_visible()
    await ben.page.get_by_role("button", name="Apply the code").click()
    await expect(ben.page.get_by_text(f"You were invited with the code {code}.")).to_be_visible()
    assert ben.page.url.endswith("/")
    await ann.page.reload()
    await expect(ann.page.get_by_role("listitem")).to_contain_text(label(ben.phone))


async def test_code_of_a_link_is_read_in_any_notation(visit: Visit) -> None:
    links = [
        "/i/abc234/",
        "/i/ABC-234",
        "/i/%EF%BC%A1BC234",  # a full-width letter
        "/i/%D0%90BC234",  # a Cyrillic letter
        "/I/ABC234",
        "/i/ABC234?utm_source=sms#x",
        "/i/%41BC234%20",
        "/i/ABC234.",
    ]
    for link in links:
        ben = await visit(link)
        await expect(ben.invitation_field()).to_have_value("ABC234")
    for link in ("/i/ABC2345", "/i/ABC%ZZ"):
        ben = await visit(link)
        await expect(heading(ben.page, "There is no such page")).to_be_visible()


async def test_client_who_applies_the_code_appears_at_once(visit: Visit) -> None:
    ann = await visit()
    async with ann.page.expect_websocket() as opened:
        code = await ann.sign_in()
    socket = await opened.value
    await expect(ann.page.get_by_text("Nobody has applied your code yet")).to_be_visible()
    ben = await visit(f"/i/{code}")
    await ben.sign_in()
    shown = label(ben.phone)
    await expect(ann.page.get_by_role("listitem")).to_contain_text(shown)
    await expect(ann.page.get_by_text(f"{shown} has just applied your code.")).to_be_visible()
    await ann.page.get_by_role("button", name="Sign out").click()
    await expect(heading(ann.page, "Sign in")).to_be_visible()
    if not socket.is_closed():
        await socket.wait_for_event("close")


async def test_an_own_code_is_not_applied(visit: Visit) -> None:
    ann = await visit()
    code = await ann.sign_in()
    await ann.invitation_field().fill(code)
    await ann.page.keyboard.press("Enter")
    await expect(ann.page.get_by_text("This is your own code")).to_be_visible()


async def test_the_link_is_copied(visit: Visit) -> None:
    ann = await visit(permissions=["clipboard-read", "clipboard-write"])
    code = await ann.sign_in()
    await ann.page.get_by_role("button", name="Copy the link").click()
    await expect(ann.page.get_by_text("The link is copied.")).to_be_visible()
    copied = await ann.page.evaluate("navigator.clipboard.readText()")
    assert copied.endswith(f"/i/{code}")


async def test_more_than_a_page_of_invited_people_is_shown_page_by_page(
    visit: Visit, server: Server
) -> None:
    ann = await visit()
    code = await ann.sign_in()
    apply = "mutation($code: String!) { applyInvite(invitationCode: $code) { __typename } }"
    for _ in range(21):
        applied = server.ask(apply, token=server.register().token, code=code)
        assert applied["__typename"] == "InviteApplied"
    await ann.page.reload()
    await expect(ann.page.get_by_role("listitem")).to_have_count(20)
    await ann.page.get_by_role("button", name="Show more").click()
    await expect(ann.page.get_by_role("listitem")).to_have_count(21)
    await expect(ann.page.locator(".count")).to_have_text("21")


async def test_a_session_that_was_ended_elsewhere_leads_back_to_the_start(
    visit: Visit, server: Server
) -> None:
    ann = await visit()
    await ann.sign_in()
    token = ann.asked("Me")[0]["authorization"].removeprefix("Bearer ")
    assert server.ask("mutation { endSession { __typename } }", token=token)
    await expect(ann.page.get_by_text("You were signed out")).to_be_visible()  # at once
    assert await ann.page.evaluate("localStorage.length") == 0
    ann.forgive("401", certain=False)  # of a request that was under way


@pytest.mark.parametrize("refusal_first", [True, False])
async def test_sign_out_affects_all_tabs(visit: Visit, *, refusal_first: bool) -> None:
    """No tab shows it as the act of another device, in any order of events."""
    ann = await visit()
    await ann.sign_in()
    other = await ann.context.new_page()
    await other.route_web_socket("**", lambda _: None)  # only the first tab gets the event
    await other.goto("/")
    await other.get_by_role("button", name="Sign out").wait_for()
    refreshing, may_sign_out, may_hear = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def end(route: Route) -> None:
        answer = await route.fetch()
        if "EndSession" in (route.request.post_data or ""):
            await may_sign_out.wait()
        await route.fulfill(response=answer)

    async def refresh(route: Route) -> None:
        answer = await route.fetch()
        if "RefreshSession" in (route.request.post_data or ""):
            refreshing.set()
            await may_hear.wait()
        await route.fulfill(response=answer)

    await record_texts(ann.page)
    await other.route("**/graphql", end)
    await ann.page.route("**/graphql", refresh)
    await other.get_by_role("button", name="Sign out").click()
    await asyncio.wait_for(refreshing.wait(), 15)
    for event in (may_hear, may_sign_out) if refusal_first else (may_sign_out, may_hear):
        async with ann.page.expect_event("requestfinished") if event is may_hear else nullcontext():
            event.set()
        await expect(heading(ann.page, "Sign in")).to_be_visible()
    await ann.page.wait_for_timeout(300)  # a wrong notice would appear by now
    await expect(heading(other, "Sign in")).to_be_visible()
    assert not await has_shown(ann.page, "You were signed out")
    ann.forgive("401", certain=False)


async def test_other_sessions_are_listed_and_ended(visit: Visit) -> None:
    ann = await visit()
    await ann.sign_in()
    again = await visit()
    again.phone = ann.phone
    await again.sign_in()
    assert not again.asked("Register")
    await again.page.get_by_text("Where you are signed in").click()
    await expect(again.page.get_by_text("This device")).to_be_visible()
    await again.page.get_by_role("button", name="End the session on Chrome, Linux").click()
    await expect(again.page.get_by_role("listitem")).to_have_count(1)
    await expect(heading(ann.page, "Sign in")).to_be_visible()
    ann.forgive("401", certain=False)


async def test_client_changes_the_phone_of_its_account(visit: Visit) -> None:
    ann = await visit()
    await ann.sign_in()
    await ann.page.get_by_text("Change your phone number").click()
    ann.phone = f"+7{next(numbers)}"
    await ann.type_code(await ann.ask_for_code())
    await expect(ann.page.get_by_text(f"Your phone number is now {ann.phone}.")).to_be_visible()
    await expect(ann.page.locator("strong.phone")).to_have_text(ann.phone)


async def test_account_is_deleted_after_confirmation(visit: Visit) -> None:
    ann = await visit()
    await ann.sign_in()
    await ann.page.get_by_text("Delete your account", exact=True).click()
    await ann.page.get_by_role("button", name="Delete my account").click()
    await ann.page.get_by_role("button", name="Keep it").click()
    await expect(ann.page.get_by_role("dialog")).not_to_be_visible()
    await ann.page.get_by_role("button", name="Delete my account").click()
    await ann.page.get_by_role("button", name="Delete for good").click()
    await expect(heading(ann.page, "Sign in")).to_be_visible()
    await ann.sign_in()
    assert len(ann.asked("Register")) == 2


async def test_action_that_needs_a_fresh_sign_in_says_so(visit: Visit, server: Server) -> None:
    ann = await visit()
    await ann.sign_in()
    await make_sessions_older(server)
    await ann.page.get_by_text("Delete your account", exact=True).click()
    await ann.page.get_by_role("button", name="Delete my account").click()
    await ann.page.get_by_role("button", name="Delete for good").click()
    refusal = ann.page.get_by_role("dialog").get_by_role("alert")
    await expect(refusal).to_contain_text("within the last 10 minutes")
    await ann.page.get_by_role("button", name="Sign in again").click()
    await expect(heading(ann.page, "Sign in")).to_be_visible()


async def test_tabs_refresh_once_for_all_of_them(browser: Browser, folder: Path) -> None:
    with (
        serving(folder / "tabs", **MANY, AUDIENCE="before") as server,
        ExitStack() as later,
    ):
        async with visiting(browser, server) as ann:
            await ann.sign_in()
            other = await ann.context.new_page()
            await other.goto("/")
            await expect(heading(other, "Invite people")).to_be_visible()
            before = len(ann.asked("RefreshSession"))
            server.process.terminate()
            server.process.wait()
            # The access tokens are invalid, the refresh tokens are valid.
            heir = serving(folder / "tabs", port=server.port, **MANY, AUDIENCE="after")
            later.enter_context(heir)
            former = ann.asked("Me")[-1]["authorization"]
            await asyncio.gather(ann.look(), ann.look(other), ann.look(), ann.look(other))
            for _ in range(300):
                if ann.asking_by_others_than(former) == {ann.page, other}:
                    break
                await asyncio.sleep(0.05)
            assert ann.asking_by_others_than(former) == {ann.page, other}
            await ann.page.wait_for_timeout(500)  # a second refresh would be sent by now
            assert len(ann.asked("RefreshSession")) == before + 1
            for page in (ann.page, other):
                await expect(heading(page, "Invite people")).to_be_visible()
            # Chance decides whether a request or the socket meets the change first, or no server.
            ann.forgive("401|WebSocket|ERR_CONNECTION_REFUSED", certain=False)


async def test_unreachable_server_is_shown_and_tried_again(browser: Browser, folder: Path) -> None:
    with serving(folder / "away", **MANY) as server:
        async with visiting(browser, server) as ann:
            await ann.page.get_by_label("Phone number").fill(ann.phone)
            server.process.terminate()
            server.process.wait()
            await ann.page.keyboard.press("Enter")
            await expect(ann.page.get_by_role("alert")).to_contain_text("cannot be reached")
            ann.forgive("ERR_CONNECTION_REFUSED|Failed to fetch")


async def test_page_is_russian_by_the_language_of_the_browser_or_on_request(visit: Visit) -> None:
    ann = await visit(locale="ru-RU")
    await expect(heading(ann.page, "Вход")).to_be_visible()
    code = await ann.ask_for_code()
    await ann.type_code(wrong(code))
    await expect(ann.page.get_by_role("alert")).to_have_text("Код неверный. Осталось: 2 попытки.")
    await expect(ann.page.locator("html")).to_have_attribute("lang", "ru")
    await ann.page.get_by_role("button", name="English").click()
    await expect(heading(ann.page, "Enter the code")).to_be_visible()
    await ann.page.reload()
    await expect(heading(ann.page, "Enter the code")).to_be_visible()


SMALL = {"width": 320, "height": 640}
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark", "locale": "ru-RU"},
    "small": {"color_scheme": "light", "locale": "ru-RU", "viewport": SMALL},
    "small dark": {"color_scheme": "dark", "viewport": SMALL},
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
async def test_each_page_is_accessible(visit: Visit, look: dict[str, Any]) -> None:
    ann = await visit("/i/ABC123", **look)
    await ann.page.locator("h1").wait_for()
    await ann.check_page()
    code = await ann.ask_for_code()
    await ann.type_code(wrong(code))
    await ann.page.locator(".problem").wait_for()
    await ann.check_page()
    await ann.type_code(code)  # is right, but nobody has this invitation code
    await expect(ann.invitation_field()).to_be_focused()
    await ann.check_page()
    await ann.invitation_field().fill("")
    await ann.page.keyboard.press("Enter")
    await ann.page.locator("dd.code").wait_for()
    for part in await ann.page.locator("summary").all():
        await part.click()
    await ann.page.locator("details li").wait_for()
    await ann.check_page()
    await ann.page.locator("details > button.danger").click()
    await ann.check_page()


async def test_page_works_with_the_keyboard_alone(visit: Visit) -> None:
    ann = await visit()
    await ann.sign_in()  # with Enter, and by typing
    reached = set()
    for _ in range(14):
        await ann.page.keyboard.press("Tab")
        reached.add(
            await ann.page.evaluate(
                "document.activeElement.innerText || document.activeElement.tagName"
            )
        )
    assert reached >= {
        "Copy the link",
        "INPUT",
        "Apply the code",
        "Sign out",
        "Get a new code",
        "Your name",
        "Where you are signed in",
        "Change your phone number",
        "Delete your account",
    }


async def test_invalid_invitation_link_is_explained(visit: Visit) -> None:
    ann = await visit("/i/nonsense")
    await expect(heading(ann.page, "There is no such page")).to_be_visible()
    await ann.page.get_by_role("link", name="To the start").click()
    await expect(heading(ann.page, "Sign in")).to_be_visible()


def test_the_first_load_is_small(server: Server) -> None:
    origin = f"http://127.0.0.1:{server.port}"
    page = server.get("/").text
    assets = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)
    assert len(assets) >= 3
    loaded = 0
    for asset in assets:
        with HTTP.stream("GET", origin + asset, headers={"Accept-Encoding": "gzip"}) as answer:
            loaded += len(b"".join(answer.iter_raw()))
    assert loaded < FIRST_LOAD
