from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.support.processes import Server
from tests.support.visitors import Visit, browsing, visits


@pytest.fixture(scope="module")
async def browser(pytestconfig: pytest.Config) -> AsyncIterator[Browser]:
    async with browsing(pytestconfig) as browser:
        yield browser


@pytest.fixture
async def visit(browser: Browser, server: Server) -> AsyncIterator[Visit]:
    """Return a function that opens the module's server in a browser."""
    async with visits(browser, server) as visit:
        yield visit
