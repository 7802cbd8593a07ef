"""What subscribers cost, and how soon they are told: `python tests/bench/live.py`, on Linux.

A server of its own with one worker gets 5,000 subscribers. Then codes are applied, each by one
statement, and the time from its commit until the subscriber has the event is taken. Beside it
stands what the trigger takes: at the end of a chain, and for clients who invited few or very many.
"""

# ruff: noqa: E402 (the imports below need the changed sys.path)

import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote
from uuid import UUID

CHECKOUT = Path(__file__).parents[2]
sys.path[:1] = [str(CHECKOUT), str(CHECKOUT / "src")]  # this checkout, whatever is installed

import asyncpg
import click
from websockets.asyncio.client import ClientConnection, connect

from connect_hub.database import embedded
from connect_hub.security.access_tokens import AccessTokens
from connect_hub.security.keys import Keys, new_secret
from tests.bench import data

SUBSCRIBERS = 5_000
EVENTS = 1_000
CHAIN = 10_000
INVITED = [10, 1_000_000]
TRIES = 50
AT_ONCE = 10  # connections being made
_READY_WITHIN = 60  # seconds

APPLY = "UPDATE client SET inviter_id = $2 WHERE id = $1"
LINK = """
    UPDATE client SET inviter_id = link.inviter_id, invited_at = now()
    FROM unnest($1::uuid[], $2::uuid[]) AS link (id, inviter_id) WHERE client.id = link.id
"""


def main() -> None:
    """Measure and print."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with TemporaryDirectory(prefix="ch-live-") as folder:
        Path(folder).chmod(0o711)
        with embedded.running(Path(folder, "database")):
            socket = quote(str(embedded.socket_folder(Path(folder, "database"))), safe="")
            url = f"postgresql://{embedded.USER}@/{embedded.DATABASE}?host={socket}"
            secret = new_secret()
            with _serving(url, secret, Path(folder)) as (port, pid):
                asyncio.run(_measure(url, secret, port, pid))


async def _measure(url: str, secret: str, port: int, pid: int) -> None:
    inviters = await asyncio.to_thread(data.fill, url, INVITED)
    database = await asyncpg.connect(url, command_timeout=60)
    await _subscribers(database, secret, port, pid)
    await _chain(database)
    for place, (count, inviter) in enumerate(inviters.items()):
        guests = await _fresh(database, 30_000 + place * TRIES, TRIES)
        times = [await _time(database, guest, inviter) for guest in guests]
        _say(f"applying a code that {count:,} applied", times)
    await database.close()


async def _subscribers(database: Any, secret: str, port: int, pid: int) -> None:
    owners = await _fresh(database, 0, SUBSCRIBERS)
    guests = await _fresh(database, SUBSCRIBERS, EVENTS)
    await database.execute(data.SESSIONS_OF, owners)
    async with AsyncExitStack() as stack:
        before = _memory(pid)
        sockets = await _subscribed(stack, port, [_token(secret, owner) for owner in owners])
        click.echo(f"memory of an idle subscriber: {(_memory(pid) - before) / len(sockets):.1f} KB")
        spread = SUBSCRIBERS // EVENTS
        delays = [
            await _delay(database, guest, owner, socket)
            for guest, owner, socket in zip(
                guests, owners[::spread], sockets[::spread], strict=True
            )
        ]
        _say("from the commit to the subscriber", delays)


async def _fresh(database: Any, number: int, count: int) -> list[UUID]:
    return [row["id"] for row in await database.fetch(data.NEWCOMERS, number, count)]


async def _subscribed(
    stack: AsyncExitStack, port: int, tokens: list[str]
) -> list[ClientConnection]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def subscribed(token: str) -> ClientConnection:
        async with turn:
            way: dict[str, Any] = {"ping_interval": None, "compression": None, "proxy": None}
            way["subprotocols"] = ["graphql-transport-ws"]
            socket = await stack.enter_async_context(
                connect(f"ws://127.0.0.1:{port}/graphql", **way)
            )
            init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}
            query = {"query": "subscription { clientInvited { id phone invitedAt } }"}
            await socket.send(json.dumps(init))
            await socket.recv()
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": query}))
            await socket.send(json.dumps({"type": "ping"}))
            await socket.recv()
            return socket

    return await asyncio.gather(*(subscribed(token) for token in tokens))


async def _delay(database: Any, guest: UUID, owner: UUID, socket: ClientConnection) -> float:
    await database.execute(APPLY, guest, owner)
    committed = time.perf_counter()
    event = json.loads(await socket.recv())
    if event["payload"]["data"]["clientInvited"]["id"] != str(guest):
        raise SystemExit("A subscriber was told of somebody else.")
    return time.perf_counter() - committed


async def _chain(database: Any) -> None:
    """Apply the code at the end of a long chain: by its root, which is refused, and by others."""
    ids = await _fresh(database, 10_000, CHAIN)
    await database.execute("ALTER TABLE client DISABLE TRIGGER USER")
    await database.execute(LINK, ids[1:], ids[:-1])
    await database.execute("ALTER TABLE client ENABLE TRIGGER USER")
    await database.execute("VACUUM (ANALYZE) client")
    guests = await _fresh(database, 10_000 + CHAIN, TRIES)
    times = [await _time(database, guest, ids[-1]) for guest in guests]
    _say(f"applying the last code of a chain of {CHAIN:,}", times)
    times = [await _time(database, ids[0], ids[-1], refused=True) for _ in range(TRIES)]
    _say("the same by its first client, which is refused", times)


async def _time(database: Any, guest: UUID, owner: UUID, *, refused: bool = False) -> float:
    began, failed = time.perf_counter(), False
    try:
        await database.execute(APPLY, guest, owner)
    except asyncpg.CheckViolationError:
        failed = True
    if failed is not refused:
        raise SystemExit("A code was applied, or refused, that should not be.")
    return time.perf_counter() - began


def _say(what: str, seconds: list[float]) -> None:
    p99 = quantiles(seconds, n=100)[98]
    click.echo(f"{what}: p50 {median(seconds) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")


def _token(secret: str, client_id: UUID) -> str:
    tokens = AccessTokens(
        Keys(secret), issuer="connect-hub", audience="connect-hub", lifetime=timedelta(hours=1)
    )
    now = datetime.now(UTC)
    return tokens.issue(client_id, session_id=client_id, generation=0, now=now).value


def _memory(pid: int) -> int:
    """Tell what a process takes, in KB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


@contextmanager
def _serving(url: str, secret: str, folder: Path) -> Iterator[tuple[int, int]]:
    own = {"DATABASE_URL": url, "SECRET_KEY": secret, "SMS_URLS": "simulated://"}
    path = {"PYTHONPATH": str(CHECKOUT / "src")}
    said = folder / "said"
    with (
        said.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "connect_hub", "serve", "--port", "0"],
            env=os.environ | own | path,
            cwd=folder,
            stdout=output,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            yield _port(said), process.pid
        finally:
            process.terminate()


def _port(said: Path) -> int:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)(?=[\s\S]*Stop with)", said.read_text()):
            return int(found[1])
        time.sleep(0.1)
    raise SystemExit("The server did not start.")


if __name__ == "__main__":
    main()
