"""People at browsers; a test fails if the console has an error that it does not expect."""

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    WebError,
    async_playwright,
    expect,
)

from tests.support import chromium
from tests.support.documentation import REPOSITORY
from tests.support.processes import Server, numbers

AXE = REPOSITORY / "web/node_modules/axe-core/axe.min.js"
PATIENCE = 15_000  # ms, on a busy machine

expect.set_options(timeout=PATIENCE)


@asynccontextmanager
async def browsing(config: pytest.Config) -> AsyncIterator[Browser]:
    """Start a Chromium; if it must be downloaded first, the terminal says so."""
    capturing: Any = config.pluginmanager.get_plugin("capturemanager")

    def say(line: str) -> None:
        with capturing.global_and_fixture_disabled():
            sys.stderr.write(f"\n{line}\n")

    async with async_playwright() as playwright:
        browser = await chromium.launch(playwright.chromium, say)
        yield browser
        await browser.close()


@dataclass
class Visitor:
    """A person with a browser context of their own."""

    context: BrowserContext
    page: Page
    phone: str
    requests: list[Request] = field(default_factory=list)  # of all tabs
    wrong: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(message.text)

    def see(self, thrown: WebError) -> None:
        self.wrong.append(str(thrown.error))

    def note(self, request: Request) -> None:
        self.requests.append(request)

    async def ask_for_code(self) -> str:
        """Ask for a code by the keyboard, and read it off the page."""
        await self.phone_field().fill(self.phone)
        await self.page.keyboard.press("Enter")
        sms = self.page.locator(".sms")
        await expect(sms).to_be_visible()
        return await sms.inner_text()

    def phone_field(self) -> Locator:
        return self.page.locator("input[type=tel]")

    def code_field(self) -> Locator:
        return self.page.locator("input.digits")

    def invitation_field(self) -> Locator:
        return self.page.locator("input.code")

    async def type_code(self, code: str) -> None:
        """Type a code; its last digit submits it."""
        await expect(self.code_field()).to_be_focused()
        await self.page.keyboard.type(code)

    async def sign_in(self) -> str:
        """Sign in, registering where that is needed; give the own invitation code."""
        await self.type_code(await self.ask_for_code())
        own = self.page.locator("dd.code")
        await expect(own).to_be_visible()
        return await own.inner_text()

    async def look(self, page: Page | None = None) -> None:
        """Come back to the tab, which then asks what has changed."""
        await (page or self.page).evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    async def check_page(self) -> None:
        """Look for what axe finds, and for what is wider than the page."""
        await self.page.evaluate(AXE.read_text())  # past the policy of the page
        found = (await self.page.evaluate("axe.run()"))["violations"]
        assert not [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
        assert await self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def asked(self, operation: str) -> list[dict[str, str]]:
        """Return the headers of the requests for an operation."""
        return [
            request.headers
            for request in self.requests
            if f'"operationName":"{operation}"' in (request.post_data or "")
        ]

    def asking_by_others_than(self, authorization: str) -> set[Page]:
        """Return the tabs that have sent another token."""
        return {
            request.frame.page
            for request in self.requests
            if request.headers.get("authorization", authorization) != authorization
        }

    def forgive(self, pattern: str, *, certain: bool = True) -> None:
        """Expect this error: the browser logs each rejected request."""
        assert not certain or [text for text in self.wrong if re.search(pattern, text)]
        self.wrong[:] = [text for text in self.wrong if not re.search(pattern, text)]


@asynccontextmanager
async def visiting(
    browser: Browser, server: Server, path: str = "/", **how: Any
) -> AsyncIterator[Visitor]:
    """Open the page; check at the end for errors, and for requests to other origins."""
    origin = f"http://127.0.0.1:{server.port}"
    context = await browser.new_context(base_url=origin, **how)
    context.set_default_timeout(PATIENCE)
    visitor = Visitor(context, await context.new_page(), f"+7{next(numbers)}")
    context.on("console", visitor.hear)
    context.on("weberror", visitor.see)
    context.on("request", visitor.note)
    await visitor.page.goto(path)
    try:
        yield visitor
    finally:
        await context.close()
    assert visitor.wrong == [], visitor.wrong
    assert not [r.url for r in visitor.requests if not r.url.startswith((origin, "blob:"))]


Visit = Callable[..., Awaitable[Visitor]]


@asynccontextmanager
async def visits(browser: Browser, server: Server) -> AsyncIterator[Visit]:
    """Open the page for any number of people; check each for errors at the end."""
    async with AsyncExitStack() as stack:

        async def visit(path: str = "/", **how: Any) -> Visitor:
            return await stack.enter_async_context(visiting(browser, server, path, **how))

        yield visit


def label(phone: str) -> str:
    """Format a phone as the server shows it to an inviter, with INVITED_PHONES=full."""
    return phonenumbers.format_number(phonenumbers.parse(phone), PhoneNumberFormat.INTERNATIONAL)


async def record_texts(page: Page) -> None:
    """Record every text that the page shows from now on, even briefly."""
    await page.evaluate(
        """() => {
            window.texts = [];
            const look = () => window.texts.push(document.body.innerText);
            new MutationObserver(look).observe(
                document.body, {childList: true, subtree: true, characterData: true});
        }"""
    )


async def has_shown(page: Page, text: str) -> bool:
    shown: bool = await page.evaluate(
        "text => window.texts.some(shown => shown.includes(text))", text
    )
    return shown
