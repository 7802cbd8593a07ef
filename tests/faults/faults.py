"""What can go wrong around a server: each brings it about, and ends it."""

import asyncio
import os
import random
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests import gateways
from tests.faults.stand import Stand

_LASTS = 6  # seconds
_LONG = 20
_SLOW = 1.0  # seconds that each piece takes
_SOCKETS = 10_000
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@dataclass
class Fault:
    """What to do to a stand, and how its servers are started for it."""

    bring: Callable[[Stand], Awaitable[None]]
    settings: Callable[[Stand], dict[str, str]] = field(default=lambda _: {})
    of_one: Callable[[Stand], dict[str, str]] = field(default=lambda _: {})  # the first server
    clocks_differ: bool = False
    kills: bool = False  # a server, whose connections then break
    needs: Path | None = None


async def _server_killed(stand: Stand) -> None:
    server = random.choice(stand.servers)
    server.process.kill()
    await server.restart()


async def _server_ended(stand: Stand) -> None:
    server = random.choice(stand.servers)
    server.process.send_signal(signal.SIGTERM)
    await server.restart()


async def _postgres_killed(stand: Stand) -> None:
    stand.postgres.kill()
    await asyncio.sleep(2)
    await stand.postgres.start()


async def _backend_killed(stand: Stand) -> None:
    """PostgreSQL then ends all other connections too, and recovers."""
    sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'connect-hub' LIMIT 1"
    (row,) = await stand.postgres.execute(sql)
    os.kill(row["pid"], signal.SIGKILL)
    await stand.postgres.start()


def _proxy(does: Callable[[Stand], None], seconds: float) -> Callable[[Stand], Awaitable[None]]:
    async def bring(stand: Stand) -> None:
        does(stand)
        await asyncio.sleep(seconds)
        stand.proxy.heal()

    return bring


def _slow(stand: Stand) -> None:
    stand.proxy.delay = _SLOW


def _gateway(answer: gateways.Answer) -> Callable[[Stand], Awaitable[None]]:
    async def bring(stand: Stand) -> None:
        stand.peer.answers["sms"] = answer
        await asyncio.sleep(_LASTS)
        del stand.peer.answers["sms"]

    return bring


def _through_gateway(stand: Stand) -> dict[str, str]:
    return {"SMS_URLS": stand.peer.gateway("sms")}


async def _nothing(_: Stand) -> None:
    await asyncio.sleep(_LASTS)


def _clock(offset: str) -> Callable[[Stand], dict[str, str]]:
    said = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return lambda _: said


async def _disk_full(stand: Stand) -> None:
    """Fill it while PostgreSQL writes; where that ends it, start it again."""
    filling = stand.disk / "filling"
    with filling.open("wb") as file:
        try:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        except OSError:
            await asyncio.sleep(_LASTS)
    filling.unlink()
    await stand.postgres.start()


async def _sockets(stand: Stand) -> None:
    """Open very many, and leave them; some have begun to ask."""
    with ExitStack() as stack:
        for number in range(_SOCKETS):
            port = stand.servers[number % len(stand.servers)].port
            opened = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            if number % 2:
                opened.send(b"POST /graphql HTTP/1.1\r\nHost:")
            if number % 100 == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(_LASTS)


FAULTS = {
    "server-killed": Fault(_server_killed, kills=True),
    "server-ended": Fault(_server_ended, kills=True),
    "postgres-killed": Fault(_postgres_killed),
    "backend-killed": Fault(_backend_killed),
    "database-cut": Fault(_proxy(lambda stand: stand.proxy.cut(), _LASTS)),
    "database-reset": Fault(_proxy(lambda stand: stand.proxy.reset(), _LASTS)),
    "database-stalled": Fault(_proxy(lambda stand: stand.proxy.stall(), _LASTS)),
    "database-stalled-long": Fault(_proxy(lambda stand: stand.proxy.stall(), _LONG)),
    "database-slow": Fault(_proxy(_slow, _LONG)),
    "gateway-dead": Fault(_gateway(gateways.reset), _through_gateway),
    "gateway-slow": Fault(_gateway(gateways.hang), _through_gateway),
    "gateway-garbage": Fault(_gateway(gateways.garble), _through_gateway),
    "clock-ahead": Fault(_nothing, of_one=_clock("+1h"), clocks_differ=True, needs=FAKETIME),
    "clock-behind": Fault(_nothing, of_one=_clock("-1h"), clocks_differ=True, needs=FAKETIME),
    "disk-full": Fault(_disk_full),
    "sockets": Fault(_sockets),
}
