"""Subscribers: their memory, and how soon they get an event."""

import asyncio
import json
import resource
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from statistics import median, quantiles
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.bench import data, fleet
from tests.bench.bench import Bench
from tests.bench.client import WrongAnswerError
from tests.bench.measure import Server
from tests.bench.parts.process import ANONYMOUS
from tests.bench.parts.recording import Result

_SUBSCRIBERS = 5_000
_EVENTS = 1_000
_AT_ONCE = 10  # connections being made
_APPLY = "UPDATE client SET inviter_id = $2 WHERE id = $1"


def subscribers(bench: Bench, result: Result) -> None:
    """Subscribe 5,000 clients at a server of their own, and apply the codes of 1,000."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    own = {"DATABASE_URL": bench.url, "CONNECTIONS_PER_NETWORK": str(2 * _SUBSCRIBERS)}
    surroundings = fleet.environment(bench.secret, **own)
    with fleet.running("ours", surroundings, ready=ANONYMOUS, folder=bench.folder) as server:
        delays = asyncio.run(_measure(bench, server, result))
    result["event_p50_ms"] = round(median(delays) * 1e3, 2)
    result["event_p99_ms"] = round(quantiles(delays, n=100)[98] * 1e3, 2)


async def _measure(bench: Bench, server: Server, result: Result) -> list[float]:
    owners = await asyncio.to_thread(bench.newcomers, _SUBSCRIBERS)
    guests = await asyncio.to_thread(bench.newcomers, _EVENTS)
    async with AsyncExitStack() as stack:
        before = server.memory
        tokens = [bench.token_of(owner) for owner in owners]
        sockets = await _subscribed(stack, server.port, tokens)
        result["subscriber_kb"] = round((server.memory - before) * 1e3 / len(sockets), 1)
        database = await stack.enter_async_context(data.connected(bench.url))
        chosen = zip(guests, owners, sockets, strict=False)
        return [await _delay(database, *each) for each in chosen]


async def _subscribed(
    stack: AsyncExitStack, port: int, tokens: list[str]
) -> list[ClientConnection]:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def subscribed(token: str) -> ClientConnection:
        async with turn:
            socket = await stack.enter_async_context(
                connect(
                    f"ws://127.0.0.1:{port}/graphql",
                    ping_interval=None,
                    compression=None,
                    proxy=None,
                    subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
                )
            )
            for message in _opening(token):
                await socket.send(json.dumps(message))
            await socket.recv()
            await socket.recv()
            return socket

    return await asyncio.gather(*(subscribed(token) for token in tokens))


def _opening(token: str) -> Iterator[dict[str, Any]]:
    query = {"query": "subscription { clientInvited { id phone invitedAt } }"}
    yield {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}
    yield {"type": "subscribe", "id": "1", "payload": query}
    yield {"type": "ping"}  # its answer comes once the subscription is known


async def _delay(database: Any, guest: Any, owner: Any, socket: ClientConnection) -> float:
    await database.execute(_APPLY, guest, owner)
    committed = time.perf_counter()
    event = json.loads(await socket.recv())
    if event["payload"]["data"]["clientInvited"]["id"] != str(guest):
        raise WrongAnswerError(event)
    return time.perf_counter() - committed
