import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from hmac import compare_digest
from pathlib import Path

import httpx
import pytest

from connect_hub.domain.codes import verification
from connect_hub.security.keys import new_secret
from tests.attacks.comparisons import Comparisons, InTurn, Pair
from tests.support.hub import Hub
from tests.support.processes import Server, eventually, serving


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Comparisons:
    counts = Comparisons()

    def counted(typed: bytes, right: bytes) -> bool:
        is_right = compare_digest(typed, right)
        (counts.right if is_right else counts.wrong)[len(right)] += 1
        return is_right

    monkeypatch.setattr(verification, "compare_digest", counted)
    return counts


_COUNT_COMPARISONS = """
import hmac, os

def counted(typed, right, compare=hmac.compare_digest):
    if right.isdigit():
        os.write(FILE, b"%d\\n" % len(right))
    return compare(typed, right)

FILE = os.open(os.environ["COMPARISONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
hmac.compare_digest = counted
"""  # Python imports sitecustomize before anything else, so in the workers too


@pytest.fixture(scope="module")
def two_workers(postgres: str, folder: Path) -> Iterator[Server]:
    if not Path("/proc/self/stat").exists():
        pytest.skip("finds workers in /proc")
    (folder / "sitecustomize.py").write_text(_COUNT_COMPARISONS)
    settings = {
        "DATABASE_URL": postgres,
        "SECRET_KEY": new_secret(),
        "TRUSTED_PROXIES": "127.0.0.1",
        "RESEND_AFTER": "0 s",
        "SENDS_PER_PHONE": "20/hour",
        "SENDS_PER_ADDRESS": "30/hour",
        "SENDS_TOTAL": "40/hour",
        "GUESSES_PER_CODE": "20",
        "GUESSES_PER_PHONE": "30/day",
        "GUESSES_PER_ADDRESS": "25/hour",
        "PYTHONPATH": f"{folder}:{Path(verification.__file__).parents[3]}",
        "COMPARISONS": str(folder / "comparisons"),
    }
    with serving(folder / "pair", "--workers", "2", port=0, **settings) as server:
        eventually(lambda: len(server.workers) == 2)
        yield server
        assert {line["level"] for line in server.logged} == {"info"}


@pytest.fixture
async def pair(two_workers: Server, hub: Hub, folder: Path) -> AsyncIterator[Pair]:
    """Open half of the connections to each worker; every table is empty."""
    del hub
    (folder / "comparisons").write_text("")
    transports = []
    for stopped in two_workers.workers:  # the other worker accepts all connections meanwhile
        os.kill(stopped, signal.SIGSTOP)
        try:
            transports.append(await _connected(f"http://127.0.0.1:{two_workers.port}/healthz"))
        finally:
            os.kill(stopped, signal.SIGCONT)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{two_workers.port}", transport=InTurn(transports), timeout=30
    ) as http:
        yield Pair(Hub(http), folder / "comparisons")


async def _connected(url: str) -> httpx.AsyncHTTPTransport:
    """Open 25 connections; the server keeps them for 5 s."""
    limits = httpx.Limits(max_connections=25, max_keepalive_connections=25)
    transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
    asked = httpx.Request("GET", url)
    for answer in await asyncio.gather(*(transport.handle_async_request(asked) for _ in range(25))):
        await answer.aread()
    return transport
