"""Invitations on the web client: registering with a code, who may register, names and limits."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.support.processes import Server, numbers, run, serving
from tests.support.visitors import Visit, Visitor, label, visits

ROOMY: dict[str, Any] = {
    "SENDS_PER_PHONE_AND_ADDRESS": "9999/hour",
    "SENDS_PER_ADDRESS": "9999/hour",
    "GUESSES_PER_ADDRESS": "9999/hour",
    "RESEND_AFTER": "1",
}
LIMIT = 2  # uses of a client's codes
ME = "{ me { invitationCode } }"
APPLY = "mutation($code: String!) { applyInvite(invitationCode: $code) { __typename } }"
RENEW = "mutation { renewInvitationCode { __typename } }"
NAME = "mutation($name: String) { updateProfile(name: $name) { __typename } }"
UNKNOWN = "Nobody has this code. Check its letters and digits."
USED_UP = "This code is used up or has ended. Ask for another one."
SMALL = {"width": 320, "height": 640}
LOOKS: dict[str, Any] = {
    "light": {"color_scheme": "light"},
    "small dark": {"color_scheme": "dark", "locale": "ru-RU", "viewport": SMALL},
}


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    settings = {**ROOMY, "INVITATIONS_PER_CLIENT": str(LIMIT), "UNKNOWN_INVITATIONS": "3/day"}
    with serving(folder / "open", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def by_invitation(folder: Path) -> Iterator[Server]:
    settings = {**ROOMY, "REGISTRATION": "invited", "INVITED_PHONES": "masked"}
    with serving(folder / "invited", **settings, INVITATIONS_PER_CLIENT="1") as server:
        yield server


def campaign(server: Server, *options: str) -> str:
    """Create a code of the operator."""
    created = run("invitations", "create", *options, DATA_DIR=str(server.data_dir))
    assert created.returncode == 0, created
    return created.stdout.strip()


def end_campaign(server: Server, code: str) -> None:
    assert run("invitations", "end", code, DATA_DIR=str(server.data_dir)).returncode == 0


def new_code(server: Server) -> str:
    """Register a client elsewhere and return its invitation code."""
    code: str = server.ask(ME, token=server.register().token)["invitationCode"]
    return code


def apply(server: Server, code: str) -> None:
    applied = server.ask(APPLY, token=server.register().token, code=code)
    assert applied["__typename"] == "InviteApplied"


def button(visitor: Visitor, name: str) -> Locator:
    return visitor.page.get_by_role("button", name=name, exact=True)


async def is_registered_by(visitor: Visitor, code: str) -> None:
    applied = visitor.page.get_by_text(f"You were invited with the code {code}.")
    await expect(applied).to_be_visible()
    assert not visitor.asked("ApplyInvite")
    assert visitor.page.url.endswith("/")


async def is_refused(visitor: Visitor, reason: str) -> None:
    """Only the invitation code is to be corrected: the digits stay, and are not sent again."""
    await expect(visitor.invitation_field()).to_have_accessible_description(
        f"{await visitor.page.locator('.hint').inner_text()} {reason}"
    )
    await expect(visitor.invitation_field()).to_be_focused()
    await expect(visitor.code_field()).not_to_have_value("")
    assert len(visitor.asked("RequestCode")) == 1


async def changes_its_phone(visitor: Visitor) -> None:
    visitor.phone = f"+7{next(numbers)}"
    await visitor.page.get_by_text("Change your phone number").click()
    await visitor.type_code(await visitor.ask_for_code())
    changed = visitor.page.get_by_text(f"Your phone number is now {visitor.phone}.")
    await expect(changed).to_be_visible()


async def test_person_registers_with_the_code_of_a_link_in_one_go(
    visit: Visit, server: Server
) -> None:
    code = new_code(server)
    ben = await visit(f"/i/{code}")
    await expect(ben.invitation_field()).to_have_accessible_description(
        "6 letters and digits. If the code belongs to a person, they will see your phone number,"
        " your name if you set one, and when you applied the code."
    )
    await ben.sign_in()
    await is_registered_by(ben, code)
    assert len(ben.asked("Register")) == 1


async def test_person_registers_with_a_typed_code_that_survives_a_reload(
    visit: Visit, server: Server
) -> None:
    code = new_code(server)
    ben = await visit()
    await button(ben, "I have an invitation code").click()
    await expect(ben.invitation_field()).to_be_focused()
    await ben.page.keyboard.type(code.lower())
    digits = await ben.ask_for_code()
    await ben.page.reload()
    await ben.type_code(digits)
    await is_registered_by(ben, code)


async def test_invitation_code_that_is_not_whole_is_refused_before_an_sms(visit: Visit) -> None:
    ben = await visit()
    await button(ben, "I have an invitation code").click()
    await ben.page.keyboard.type("ABC")
    await ben.phone_field().fill(ben.phone)
    await ben.page.keyboard.press("Enter")
    await expect(ben.invitation_field()).to_be_focused()
    assert not ben.asked("RequestCode")


async def test_refused_invitation_code_is_corrected_without_another_sms(
    visit: Visit, server: Server
) -> None:
    used_up, ended, right = new_code(server), campaign(server), new_code(server)
    for _ in range(LIMIT):
        apply(server, used_up)
    end_campaign(server, ended)
    ben = await visit("/i/ZZZZZZ")
    await ben.type_code(await ben.ask_for_code())
    await is_refused(ben, UNKNOWN)
    for code, reason in ((used_up, USED_UP), (ended, USED_UP), ("ABC222", UNKNOWN)):
        await ben.invitation_field().fill(code)
        await ben.page.keyboard.press("Enter")
        await is_refused(ben, reason)
    await ben.invitation_field().fill(right)
    await button(ben, "Continue").click()
    await is_registered_by(ben, right)


async def test_person_whose_code_is_refused_may_register_without_it(visit: Visit) -> None:
    ben = await visit("/i/ZZZZZZ")
    await ben.type_code(await ben.ask_for_code())
    await is_refused(ben, UNKNOWN)
    for reason in (UNKNOWN, UNKNOWN, "Too many attempts. Try again in 24 hours."):
        await ben.page.keyboard.press("Enter")
        await is_refused(ben, reason)
    await ben.invitation_field().fill("")
    await ben.page.keyboard.press("Enter")
    await expect(ben.page.get_by_role("heading", name="Were you invited?")).to_be_visible()
    assert ben.page.url.endswith("/")


async def test_invitation_code_is_kept_while_the_server_is_away(
    visit: Visit, server: Server
) -> None:
    code = new_code(server)
    ben = await visit(f"/i/{code}")
    digits = await ben.ask_for_code()
    await ben.page.route("**/graphql", lambda route: route.abort())
    await ben.type_code(digits)
    await expect(ben.page.get_by_role("alert")).to_contain_text("cannot be reached")
    await ben.page.unroute_all()
    await button(ben, "Continue").click()
    await is_registered_by(ben, code)
    ben.forgive("ERR_FAILED|Failed to fetch")


async def test_registered_person_who_typed_a_code_applies_it_after_sign_in(
    visit: Visit, server: Server
) -> None:
    code = new_code(server)
    ben = await visit()
    ben.phone = server.register().phone
    await button(ben, "I have an invitation code").click()
    await ben.page.keyboard.type(code)
    await ben.sign_in()
    await expect(ben.page.get_by_role("heading", name="Were you invited?")).to_be_focused()
    await expect(ben.invitation_field()).to_have_value(code)
    await button(ben, "Apply the code").click()
    await expect(ben.page.get_by_text(f"You were invited with the code {code}.")).to_be_visible()


async def test_code_that_cannot_be_applied_any_more_is_refused_to_a_registered_person(
    visit: Visit, server: Server
) -> None:
    used_up, ended = campaign(server, "--uses", "1"), campaign(server)
    apply(server, used_up)
    end_campaign(server, ended)
    ann = await visit()
    await ann.sign_in()
    for code in (used_up, ended):
        await ann.invitation_field().fill(code)
        await button(ann, "Apply the code").click()
        await expect(ann.page.get_by_text(USED_UP)).to_be_visible()
        await expect(ann.invitation_field()).to_be_focused()
        await ann.invitation_field().fill("")


async def test_uses_that_are_left_are_shown_as_they_are_used(visit: Visit, server: Server) -> None:
    ann = await visit()
    code = await ann.sign_in()
    await expect(ann.page.get_by_text("It can be applied 2 more times.")).to_be_visible()
    await expect(ann.page.get_by_text("Nobody has applied your code yet")).to_be_visible()
    apply(server, code)
    await expect(ann.page.get_by_text("It can be applied once more.")).to_be_visible()
    apply(server, code)
    await expect(ann.page.get_by_text("Your code is used up")).to_be_visible()
    await expect(ann.page.locator("svg.qr")).to_have_count(0)
    await ann.page.reload()
    await expect(ann.page.get_by_text("Your code is used up")).to_be_visible()
    await ann.check_page()


async def test_code_is_replaced_after_a_warning(visit: Visit, server: Server) -> None:
    ann = await visit(permissions=["clipboard-read", "clipboard-write"])
    old = await ann.sign_in()
    own, dialog = ann.page.locator("dd.code"), ann.page.get_by_role("dialog")
    await button(ann, "Get a new code").click()
    await expect(dialog).to_contain_text("stop working at once")
    await expect(dialog).to_contain_text("3 new codes a day")
    await ann.check_page()
    await dialog.get_by_role("button", name="Keep my code").click()
    await expect(own).to_have_text(old)
    assert not ann.asked("RenewInvitationCode")
    await button(ann, "Get a new code").click()
    await dialog.get_by_role("button", name="Replace my code").click()
    await expect(dialog).not_to_be_visible()
    await expect(own).not_to_have_text(old)
    new = await own.inner_text()
    await expect(ann.page.get_by_text(f"Your new code is {new}.")).to_be_visible()
    await button(ann, "Copy the link").click()
    await expect(ann.page.get_by_text("The link is copied.")).to_be_visible()
    assert (await ann.page.evaluate("navigator.clipboard.readText()")).endswith(f"/i/{new}")
    apply(server, new)
    refused = server.ask(APPLY, token=server.register().token, code=old)
    assert refused["__typename"] == "InvitationCodeNotFoundError"


async def test_fourth_new_code_of_a_day_is_refused_in_the_dialog(
    visit: Visit, server: Server
) -> None:
    ann = await visit()
    await ann.sign_in()
    token = ann.asked("Me")[0]["authorization"].removeprefix("Bearer ")
    for _ in range(3):
        assert server.ask(RENEW, token=token)["__typename"] == "InvitationCodeRenewed"
    await button(ann, "Get a new code").click()
    await button(ann, "Replace my code").click()
    await expect(ann.page.get_by_role("dialog").get_by_role("alert")).to_have_text(
        "You have had too many new codes. Get another one in 24 hours."
    )
    await ann.check_page()


async def test_invited_people_are_listed_by_name_or_phone(visit: Visit, server: Server) -> None:
    ann = await visit()
    code = await ann.sign_in()
    await expect(ann.page.get_by_text("Nobody has applied your code yet")).to_be_visible()
    ben, name = server.register(), "Ben " + 60 * "W"
    assert server.ask(NAME, token=ben.token, name=name)["__typename"] == "ProfileUpdated"
    apply(server, code)
    server.ask(APPLY, token=ben.token, code=code)
    people = ann.page.get_by_role("listitem")
    await expect(people).to_have_count(2)
    await expect(people.first).to_contain_text(name)
    await expect(ann.page.get_by_text(f"{name} has just applied your code.")).to_be_visible()
    await expect(people.last).to_contain_text("+7 9")
    await ann.page.set_viewport_size({"width": 320, "height": 640})
    await ann.check_page()


async def test_person_sets_and_removes_the_name_that_the_inviter_reads(visit: Visit) -> None:
    ann = await visit()
    ben = await visit(f"/i/{await ann.sign_in()}")
    await ben.sign_in()
    await expect(ann.page.get_by_role("listitem")).to_contain_text(label(ben.phone))
    await ben.page.get_by_text("Your name", exact=True).click()
    await expect(ben.page.get_by_text("in place of your phone number")).to_be_visible()
    await ben.page.get_by_label("Name").fill("B" * 65)
    await button(ben, "Save").click()
    await expect(ben.page.get_by_label("Name")).to_have_accessible_description(
        "Up to 64 characters. Leave it empty to have none."
        " Write a name of up to 64 visible characters."
    )
    await ben.check_page()
    await ben.page.get_by_label("Name").fill(" Ben ")
    await ben.page.keyboard.press("Enter")
    await expect(ben.page.get_by_text("Your name is now Ben.")).to_be_visible()
    await expect(ben.page.get_by_label("Name")).to_have_value("Ben")
    await ann.page.reload()
    await expect(ann.page.get_by_role("listitem")).to_contain_text("Ben")
    await ben.page.get_by_label("Name").fill("")
    await button(ben, "Save").click()
    await expect(ben.page.get_by_text("You have no name now.")).to_be_visible()
    await ann.page.reload()
    await expect(ann.page.get_by_role("listitem")).to_contain_text(label(ben.phone))


async def test_invited_person_registers_and_the_inviter_reads_a_masked_phone(
    browser: Browser, by_invitation: Server
) -> None:
    code = campaign(by_invitation)
    async with visits(browser, by_invitation) as visit:
        ann = await visit()
        await expect(ann.page.get_by_text("you need an invitation code")).to_be_visible()
        await expect(ann.page.get_by_text("first and last digits")).to_be_visible()
        await ann.invitation_field().fill(code)
        own = await ann.sign_in()
        await is_registered_by(ann, code)
        ben = await visit(f"/i/{own}")
        await ben.sign_in()
        await is_registered_by(ben, own)
        masked = f"+7 {ben.phone[2:5]} •••-••-{ben.phone[-2:]}"
        await expect(ann.page.get_by_role("listitem")).to_contain_text(masked)


async def test_stranger_corrects_the_invitation_code_to_get_an_sms(
    browser: Browser, by_invitation: Server
) -> None:
    async with visits(browser, by_invitation) as visit:
        for wrong in ("", "ZZZZZZ"):
            ben = await visit()
            await ben.invitation_field().fill(wrong)
            decoy = await ben.ask_for_code()
            await expect(
                ben.page.get_by_text(
                    f"We sent it to {ben.phone} if this number is registered"
                    " or your invitation code works."
                )
            ).to_be_visible()
            await ben.type_code(decoy)
            await expect(ben.page.get_by_role("alert")).to_contain_text("2 attempts left")
            await button(ben, "Another number").click()
            await ben.page.wait_for_timeout(1000)  # RESEND_AFTER
            code = campaign(by_invitation)
            await ben.invitation_field().fill(code)
            await ben.type_code(await ben.ask_for_code())
            await is_registered_by(ben, code)


async def test_invitation_used_up_by_another_person_is_corrected(
    browser: Browser, by_invitation: Server
) -> None:
    code, other = campaign(by_invitation, "--uses", "1"), campaign(by_invitation)
    async with visits(browser, by_invitation) as visit:
        ann, ben = await visit(f"/i/{code}"), await visit(f"/i/{code}")
        digits = await ben.ask_for_code()
        await ann.sign_in()
        await ben.type_code(digits)
        await is_refused(ben, USED_UP)
        await ben.invitation_field().fill("")
        await ben.page.keyboard.press("Enter")
        await is_refused(ben, "You need an invitation code to register here.")
        await ben.invitation_field().fill(other)
        await ben.page.keyboard.press("Enter")
        await is_registered_by(ben, other)


async def test_client_changes_its_phone_where_strangers_get_no_sms(
    browser: Browser, by_invitation: Server
) -> None:
    async with visits(browser, by_invitation) as visit:
        ann = await visit(f"/i/{campaign(by_invitation)}")
        await ann.sign_in()
        await changes_its_phone(ann)


async def test_expired_token_is_refreshed_before_a_code_is_sent_to_a_new_phone(
    browser: Browser, by_invitation: Server
) -> None:
    """The server would answer as to a stranger, and send nothing."""
    async with visits(browser, by_invitation) as visit:
        ann = await visit("about:blank")
        await ann.context.clock.install()
        await ann.page.goto(f"/i/{campaign(by_invitation)}")
        await ann.sign_in()
        former = ann.asked("Me")[-1]["authorization"]
        await ann.page.clock.fast_forward("01:00:01")  # ACCESS_TOKEN_LIFETIME
        await changes_its_phone(ann)
        assert ann.asked("RequestCode")[-1]["authorization"] != former
        ann.forgive("WebSocket", certain=False)


async def test_nobody_registers_and_clients_sign_in_where_registration_is_closed(
    browser: Browser, folder: Path
) -> None:
    with serving(folder / "closed", **ROOMY) as server:
        ann_phone, code = server.register().phone, new_code(server)
    settings = {**ROOMY, "REGISTRATION": "closed", "INVITED_PHONES": "hidden"}
    with serving(folder / "closed", **settings) as server:
        async with visits(browser, server) as visit:
            ann = await visit(f"/i/{code}")
            await expect(ann.page.get_by_text("New people cannot register here")).to_be_visible()
            invited = f"You were invited with the code {code}. Sign in to apply it."
            await expect(ann.page.get_by_text(invited)).to_be_visible()
            await expect(ann.invitation_field()).to_have_count(0)
            await expect(button(ann, "I have an invitation code")).to_have_count(0)
            await ann.check_page()
            await ann.type_code(await ann.ask_for_code())  # of a stranger
            sent = f"We sent it to {ann.phone} if this number is registered."
            await expect(ann.page.get_by_text(sent)).to_be_visible()
            await expect(ann.page.get_by_role("alert")).to_contain_text("2 attempts left")
            await button(ann, "Another number").click()
            ann.phone = ann_phone
            await ann.sign_in()
            await expect(ann.page.get_by_text("but not your phone number")).to_be_visible()
            await button(ann, "Apply the code").click()
            applied = ann.page.get_by_text(f"You were invited with the code {code}.")
            await expect(applied).to_be_visible()
            await changes_its_phone(ann)
            await ann.check_page()


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
async def test_each_state_of_an_invitation_is_accessible(
    browser: Browser, by_invitation: Server, look: dict[str, Any]
) -> None:
    async with visits(browser, by_invitation) as visit:
        ann = await visit("/i/ZZZZZZ", **look)
        await expect(ann.invitation_field()).to_have_value("ZZZZZZ")
        await ann.check_page()
        ended, other = campaign(by_invitation), campaign(by_invitation)
        await ann.invitation_field().fill(ended)
        digits = await ann.ask_for_code()
        await ann.check_page()
        end_campaign(by_invitation, ended)
        await ann.type_code(digits)
        await expect(ann.invitation_field()).to_be_focused()
        await ann.check_page()
        await ann.invitation_field().fill(other)
        await ann.page.keyboard.press("Enter")
        own = await ann.page.locator("dd.code").inner_text()
        for part in await ann.page.locator("summary").all():
            await part.click()
        await ann.check_page()
        await ann.page.locator("button", has_text=re.compile("Get a new|Получить новый")).click()
        await ann.check_page()
        await ann.page.locator("dialog button.danger").first.click()
        await expect(ann.page.locator("dd.code")).not_to_have_text(own)
        await ann.check_page()
