"""Subscribers of real processes that are killed, and whose database is."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from connect_hub.database import embedded
from connect_hub.security.keys import new_secret
from tests.support.processes import Client, Server, eventually, serving
from tests.support.sockets import Socket, Sockets

ME = "{ me { invitationCode } }"
APPLY = """mutation($code: String!) {
    applyInvite(invitationCode: $code) { __typename ... on UserError { message } }
}"""
WITHIN = 5  # seconds after the database is back

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


class Database:
    """A PostgreSQL of its own, which servers reach by its URL."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = (
            f"postgresql://{embedded.USER}@/{embedded.DATABASE}"
            f"?host={quote(str(embedded.socket_folder(folder)), safe='')}"
        )
        self.start()

    def start(self) -> None:
        self._running = embedded.running(self._folder)
        self._running.__enter__()

    def stop(self) -> None:
        self._running.__exit__(None, None, None)


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[Database]:
    database = Database(folder / "database")
    yield database
    database.stop()


@pytest.fixture
def server(database: Database, folder: Path) -> Iterator[Server]:
    settings: dict[str, Any] = {"DATABASE_URL": database.url, "SECRET_KEY": new_secret()}
    with serving(folder / "none", "--workers", "2", **settings) as server:
        eventually(lambda: len(server.workers) == 2)
        yield server


async def _apply(server: Server, guest: Client, code: str) -> None:
    """Apply a code as soon as the server can."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        try:
            response = await asyncio.to_thread(server.post, APPLY, token=guest.token, code=code)
        except httpx.TransportError:  # a worker is gone
            continue
        applied = (response.json().get("data") or {}).get("applyInvite")
        if applied:
            assert applied["__typename"] in {"InviteApplied", "InvitationAlreadyAppliedError"}
            return
        await asyncio.sleep(0.05)
    raise AssertionError(response.text)


async def test_subscribers_of_a_living_worker_get_events_whatever_else_is_killed(
    server: Server, database: Database
) -> None:
    owner, *guests = [server.register() for _ in range(4)]
    code = server.ask(ME, token=owner.token)["invitationCode"]
    one, other = server.workers
    async with AsyncExitStack() as stack:
        dying = await _subscribed(stack, server, owner, but_for=other)
        living = await _subscribed(stack, server, owner, but_for=one)
        opened = [*dying, *living]
        for socket in opened:
            await socket.ping()
        await _apply(server, guests[0], code)
        assert {(await socket.event())["id"] for socket in opened} == {guests[0].id}

        os.kill(one, signal.SIGKILL)
        for socket in dying:
            assert await socket.end() == (1006, "")
        await _apply(server, guests[1], code)
        assert {(await socket.event())["id"] for socket in living} == {guests[1].id}

        database.stop()
        database.start()
        back = time.monotonic()
        await _apply(server, guests[2], code)
        assert {(await socket.event())["id"] for socket in living} == {guests[2].id}
        assert time.monotonic() - back < WITHIN


async def _subscribed(
    stack: AsyncExitStack, server: Server, owner: Client, *, but_for: int
) -> list[Socket]:
    """Subscribe while one worker is held, so that the other takes the connections."""
    os.kill(but_for, signal.SIGSTOP)
    sockets = Sockets(server.port)
    opened = [
        await stack.enter_async_context(sockets.subscribed(owner.token, uri=server.address))
        for _ in range(3)
    ]
    os.kill(but_for, signal.SIGCONT)
    return opened


async def test_stopping_server_closes_websockets_with_1012(server: Server) -> None:
    owner = server.register()
    sockets = Sockets(server.port)
    async with sockets.subscribed(owner.token, uri=server.address) as socket:
        await socket.ping()
        server.process.terminate()
        assert await socket.end() == (1012, "")
    assert server.process.wait(10) == 0


async def test_a_connection_has_a_line_for_its_beginning_and_its_end(server: Server) -> None:
    owner = server.register()
    async with Sockets(server.port).subscribed(
        owner.token, uri=server.address, headers={"X-Request-ID": "Run-1"}
    ) as socket:
        await socket.ping()
    eventually(lambda: len(_lines(server)) == 2)
    opened, closed = _lines(server)
    assert opened["request_id"] == closed["request_id"]
    assert opened["client_request_id"] == closed["client_request_id"] == "Run-1"
    assert opened["network"] == "127.0.0.1"
    assert closed["client"] == owner.id
    assert (opened["event"], opened["status"]) == ("socket opened", 101)
    assert (closed["event"], closed["code"]) == ("socket closed", 1000)
    assert owner.token not in server.errors.read_text()


def _lines(server: Server) -> list[Any]:
    return [line for line in server.logged if line["event"].startswith("socket")]
