"""Signing in on the web client: what is typed, the code's step, and clocks that are wrong."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.support.hub import wrong
from tests.support.processes import Server, numbers, serving
from tests.support.visitors import Visit, Visitor, visits

ROOMY: dict[str, Any] = {
    "SENDS_PER_PHONE_AND_ADDRESS": "9999/hour",
    "SENDS_PER_ADDRESS": "9999/hour",
    "GUESSES_PER_ADDRESS": "9999/hour",
}


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder / "steps", **ROOMY, DEFAULT_COUNTRY="RU") as server:
        yield server


async def type_phone(visitor: Visitor, phone: str) -> None:
    await visitor.phone_field().fill(phone)
    await visitor.page.keyboard.press("Enter")


async def shows_the_code_step(visitor: Visitor) -> None:
    await expect(visitor.code_field()).to_be_visible()
    await expect(visitor.page.get_by_text(visitor.phone)).to_be_visible()
    await expect(visitor.page.get_by_text("Send it again in 0:")).to_be_visible()


async def signs_in(visitor: Visitor, code: str) -> None:
    await visitor.type_code(code)
    await expect(visitor.page.get_by_role("heading", name="Invite people")).to_be_visible()


async def test_code_step_survives_a_reload_without_the_code(visit: Visit) -> None:
    ann = await visit()
    code = await ann.ask_for_code()
    await ann.page.reload()
    await shows_the_code_step(ann)
    await expect(ann.page.locator(".sms")).to_have_count(0)
    kept = json.loads(await ann.page.evaluate("JSON.stringify(sessionStorage)"))
    assert len(kept) == 1
    assert f'"{code}"' not in "".join(kept.values())
    await signs_in(ann, code)
    assert await ann.page.evaluate("sessionStorage.length") == 0
    assert len(ann.asked("RequestCode")) == 1


async def test_code_step_ends_with_another_number(visit: Visit) -> None:
    ann = await visit()
    await ann.ask_for_code()
    await ann.page.get_by_role("button", name="Another number").click()
    await ann.page.reload()
    await expect(ann.phone_field()).to_be_visible()


async def test_code_step_of_a_new_phone_survives_a_reload(visit: Visit) -> None:
    ann = await visit()
    await ann.sign_in()
    await ann.page.get_by_text("Change your phone number").click()
    ann.phone = f"+7{next(numbers)}"
    code = await ann.ask_for_code()
    await ann.page.reload()
    await shows_the_code_step(ann)
    await ann.code_field().fill(code)
    await expect(ann.page.get_by_text(f"Your phone number is now {ann.phone}.")).to_be_visible()
    assert await ann.page.evaluate("sessionStorage.length") == 0


async def test_code_step_opens_for_a_live_code_during_the_resend_wait(visit: Visit) -> None:
    ann = await visit()
    code = await ann.ask_for_code()
    await ann.page.get_by_role("button", name="Another number").click()
    await type_phone(ann, ann.phone)
    await shows_the_code_step(ann)
    await signs_in(ann, code)


async def test_each_tab_has_a_request_of_its_own(visit: Visit) -> None:
    ann = await visit()
    code = await ann.ask_for_code()
    first, ann.page = ann.page, await ann.context.new_page()
    await ann.page.goto("/")
    other = await ann.ask_for_code()
    if code != other:
        await ann.type_code(code)
        await expect(ann.page.get_by_role("alert")).to_contain_text("2 attempts left")
    ann.page = first
    await signs_in(ann, code)


async def test_code_step_opens_for_a_live_code_when_no_more_are_sent(
    browser: Browser, folder: Path
) -> None:
    settings = {**ROOMY, "SENDS_PER_PHONE": "1/hour", "RESEND_AFTER": "0"}
    with serving(folder / "sends", **settings) as server:
        async with visits(browser, server) as visit:
            ann = await visit()
            code = await ann.ask_for_code()
            await ann.page.get_by_role("button", name="Another number").click()
            await type_phone(ann, ann.phone)
            await expect(ann.page.get_by_text("Send it again in 59:")).to_be_visible()
            await signs_in(ann, code)


async def test_code_step_opens_with_a_new_code_for_a_spent_one(visit: Visit) -> None:
    ann = await visit()
    code = await ann.ask_for_code()
    for _ in range(3):
        await ann.type_code(wrong(code))
        await expect(ann.page.get_by_role("alert")).to_be_visible()
        await expect(ann.code_field()).to_have_value("")
    await ann.page.get_by_role("button", name="Another number").click()
    await signs_in(ann, await ann.ask_for_code())


async def test_spent_simulated_code_is_not_shown(visit: Visit) -> None:
    ann = await visit()
    code = await ann.ask_for_code()
    for text in ("2 attempts left", "1 attempt left", "not valid any more"):
        await expect(ann.page.locator(".sms")).to_be_visible()
        await ann.type_code(wrong(code))
        await expect(ann.page.get_by_role("alert")).to_contain_text(text)
    await expect(ann.page.locator(".sms")).to_have_count(0)
    await ann.page.reload()
    await expect(ann.page.get_by_role("alert")).to_contain_text("not valid any more")


async def test_expired_simulated_code_is_not_shown(visit: Visit) -> None:
    ann = await visit()
    await ann.page.clock.install()
    await ann.ask_for_code()
    await ann.page.clock.fast_forward("04:50")
    await expect(ann.page.locator(".sms")).to_be_visible()
    await ann.page.clock.fast_forward("00:11")
    await expect(ann.page.locator(".sms")).to_have_count(0)
    await expect(ann.page.get_by_role("alert")).to_contain_text("not valid any more")


@pytest.mark.parametrize("hours", [-30, -3, 3, 30])
async def test_wrong_device_clock_does_not_change_waits(visit: Visit, hours: int) -> None:
    ann = await visit("about:blank")
    await ann.context.clock.install(time=datetime.now(UTC) + timedelta(hours=hours))
    await ann.page.goto("/")
    code = await ann.ask_for_code()
    await shows_the_code_step(ann)
    await ann.page.reload()
    await shows_the_code_step(ann)
    await signs_in(ann, code)


ZEROS = [0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50, 0x1040, 0xFF10, 0x1D7CE, 0x1D7F6, 0x116DA]


def in_digits_of(zero: int, text: str) -> str:
    return "".join(chr(zero + int(sign)) if sign.isdigit() else sign for sign in text)


async def test_code_field_takes_digits_of_any_script(visit: Visit) -> None:
    ann = await visit()
    code = await ann.ask_for_code()
    for zero in ZEROS:
        await ann.code_field().fill(in_digits_of(zero, "907"))
        await expect(ann.code_field()).to_have_value("907")
        await ann.code_field().fill("")
    await ann.code_field().fill(f"\u200b{in_digits_of(0x0966, code)}\u2069")
    await expect(ann.page.get_by_role("heading", name="Invite people")).to_be_visible()


async def test_code_field_takes_what_surrounds_a_pasted_code(visit: Visit) -> None:
    ann = await visit()
    await ann.ask_for_code()
    for pasted in (
        "\ufeff1\u20602\u200b3",
        "1 2-3",
        "1\u30fc2\u30fc3",
        "1\ufe0f\u20e323",
        "Code: 123.",
    ):
        await ann.code_field().fill(pasted)
        await expect(ann.code_field()).to_have_value("123")


async def test_code_field_takes_digits_that_an_input_method_composes(visit: Visit) -> None:
    ann = await visit()
    code = await ann.ask_for_code()
    await expect(ann.code_field()).to_be_focused()
    keyboard = await ann.context.new_cdp_session(ann.page)
    for end in (1, 2, 3):
        composed = in_digits_of(0xFF10, code[:end])
        await keyboard.send(
            "Input.imeSetComposition",
            {"text": composed, "selectionStart": end, "selectionEnd": end},
        )
        await expect(ann.code_field()).to_have_value(composed)
    await keyboard.send("Input.insertText", {"text": in_digits_of(0xFF10, code[:3])})
    await expect(ann.code_field()).to_have_value(code[:3])
    await ann.page.keyboard.type(code[3])
    await expect(ann.page.get_by_role("heading", name="Invite people")).to_be_visible()


async def test_invitation_field_takes_a_code_as_pasted(visit: Visit) -> None:
    ann = await visit()
    await ann.sign_in()
    field = ann.invitation_field()
    for pasted in (
        "\u200babc-234\n",
        "ABC 234 ",
        "ＡＢＣ２３４",  # noqa: RUF001 (full-width on purpose)
        "abc\u30fc234\ufe0f",
        "ABC٢٣٤",
        "«abc234».",
        "\u0430\u0432\u0441234",  # Cyrillic
        "\u0391\u0392C234",  # Greek
        "https://hub.example.com/i/abc234/",
        "hub.example.com/i/ABC234?utm_source=sms#x",
        "Join me. My invitation code is ABC234. https://hub.example.com/i/ABC234.",
    ):
        await field.fill(pasted)
        await expect(field).to_have_value("ABC234")


async def test_national_number_is_shown_as_it_is_understood(visit: Visit) -> None:
    ann = await visit(locale="de-DE")
    await expect(ann.phone_field()).to_have_accessible_description(
        "With its country code: +7 999 123 45 67. Without one, it is read as in Russia (+7)."
    )
    national = ann.phone[2:]
    for typed in (f"8{national}", national, f"8 ({national[:3]}) {national[3:]}", ann.phone):
        await ann.phone_field().fill(typed)
        shown = f"+7 {national[:3]} {national[3:6]} {national[6:8]} {national[8:]}"
        await expect(ann.phone_field()).to_have_accessible_description(f"The code goes to {shown}.")
    await ann.phone_field().fill(in_digits_of(0x0660, f"8{national}"))
    await ann.page.keyboard.press("Enter")
    await shows_the_code_step(ann)


GUESSES = {
    "ru-RU": ("Россия (+7)", "8 999 123-45-67", "+7 999 123 45 67"),
    "ru": ("Россия (+7)", "9991234567", "+7 999 123 45 67"),
    "de-AT": ("Austria (+43)", "0664 1234567", "+43 664 1234567"),
    "en-GB": ("United Kingdom (+44)", "07400 123456", "+44 7400 123456"),
}


@pytest.mark.parametrize("locale", GUESSES)
async def test_country_is_guessed_by_the_language_and_shown(
    browser: Browser, elsewhere: Server, locale: str
) -> None:
    country, national, shown = GUESSES[locale]
    async with visits(browser, elsewhere) as visit:
        ann = await visit(locale=locale)
        field = ann.phone_field()
        await expect(ann.page.get_by_text(country)).to_be_visible()
        await field.fill(national)
        await expect(ann.page.get_by_text(shown)).to_be_visible()
        await field.fill("+49 170 1234567")
        await expect(ann.page.get_by_text("+49 170 1234567")).to_be_visible()
        await field.fill("49 170 1234567")  # not a national number of this country
        await expect(ann.page.get_by_text(country)).to_be_visible()


@pytest.fixture(scope="module")
def elsewhere(folder: Path) -> Iterator[Server]:
    with serving(folder / "elsewhere", **ROOMY) as server:
        yield server


async def test_resent_message_has_a_margin(browser: Browser, folder: Path) -> None:
    with serving(folder / "again", **ROOMY, RESEND_AFTER="0") as server:
        async with visits(browser, server) as visit:
            ann = await visit()
            await ann.ask_for_code()
            await ann.page.get_by_role("button", name="Send it again", exact=True).click()
            message = ann.page.get_by_text("The code is sent again.")
            await expect(message).to_be_visible()
            above = ann.page.get_by_role("button", name="Continue")
            below = ann.page.get_by_role("button", name="Another number")
            boxes = [await each.bounding_box() for each in (above, message, below)]
            for upper, lower in pairwise(filter(None, boxes)):
                assert lower["y"] - (upper["y"] + upper["height"]) >= 8
