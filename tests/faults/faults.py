"""The faults around a server: each context causes one, and ends it."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from tests.faults import patroni
from tests.faults.postgres import USER
from tests.faults.stand import HOSTS, Stand
from tests.support import gateways

random = Random()  # noqa: S311 (which server, no secret)
_LASTS = 6  # seconds
_LONG = 20
_SLOW = 1.0  # seconds that each piece takes
_SOCKETS = 10_000
_UPGRADE = b"\r\n".join(
    [
        b"GET /graphql HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
        b"Sec-WebSocket-Protocol: graphql-transport-ws",
        b"X-Forwarded-For: ADDRESS",
        b"",
        b"",
    ]
)
_standbys = count(1)
_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@dataclass
class Fault:
    """A fault of a stand, and the settings of its servers for it."""

    bring: Callable[[Stand], Awaitable[None]]
    prepare: Callable[[Stand], Awaitable[dict[str, str]]] | None = None  # and tell settings
    of_one: dict[str, str] = field(default_factory=dict)  # settings of the first server
    clocks_differ: bool = False
    kills: bool = False  # a server, whose connections then break
    lacks: Callable[[Stand], str] = field(default=lambda _: "")  # names a missing requirement
    by_hand: bool = False  # only if it is named: it needs more, and takes long


async def _server_killed(stand: Stand) -> None:
    server = random.choice(stand.servers)
    server.process.kill()
    await server.restart()


async def _server_ended(stand: Stand) -> None:
    await random.choice(stand.servers).restart()


async def _postgres_killed(stand: Stand) -> None:
    stand.postgres.kill()
    await asyncio.sleep(2)
    await stand.postgres.start()


async def _backend_killed(stand: Stand) -> None:
    """Kill a backend; PostgreSQL then ends all other connections too, and recovers."""
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


async def _through_gateway(stand: Stand) -> dict[str, str]:
    return {"SMS_URLS": stand.peer.gateway("sms"), "SENDS_TOTAL": "none"}


async def _nothing(_: Stand) -> None:
    await asyncio.sleep(_LASTS)


def _clock(offset: str) -> Fault:
    """Shift the clock of one server by hours.

    Nothing of the database may depend on it. A bearer token of one server is then refused by the
    others, as design has it: only a sign-in or a refresh there helps.
    """
    faked = {"LD_PRELOAD": str(_FAKETIME), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return Fault(_nothing, of_one=faked, clocks_differ=True, lacks=_without_libfaketime)


def _without_libfaketime(_: Stand) -> str:
    return "" if _FAKETIME.exists() else "Debian's libfaketime"


def _without_patroni(_: Stand) -> str:
    return patroni.lacking()


def _without_small_disk(stand: Stand) -> str:
    return "" if stand.disk.is_mount() else "root, who may mount a small disk"


async def _disk_full(stand: Stand) -> None:
    """Fill it while PostgreSQL writes; where that ends it, start it again."""
    filling = stand.disk / "filling"
    with filling.open("wb", buffering=0) as file:  # a buffer would be written at the end
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            await asyncio.sleep(_LASTS)
    filling.unlink()
    await stand.postgres.start()


async def _standby(stand: Stand) -> dict[str, str]:
    """Have a standby, which each commit waits for, and servers that know of it."""
    stand.other = stand.make(f"standby-{next(_standbys)}")
    stand.other.copy_of(stand.postgres)
    await stand.other.start()
    stand.other_proxy.target = stand.other.socket
    await stand.postgres.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await stand.postgres.execute("SELECT pg_reload_conf()")
    hosts = ",".join(f"{host}:{stand.proxy.port}" for host in HOSTS)
    return {"DATABASE_URL": f"postgresql://{USER}@{hosts}/{USER}?target_session_attrs=read-write"}


async def _promoted(stand: Stand) -> None:
    """Lose the primary, and let the standby take its place."""
    stand.postgres.kill()
    await asyncio.sleep(1)
    await stand.other.promote()
    stand.postgres.destroy()
    stand.postgres = stand.other


async def _cluster(stand: Stand) -> dict[str, str]:
    """Have a Patroni cluster of three, all of whose nodes are well."""
    cluster = stand.cluster or await stand.use_cluster()
    cluster.restart_killed()
    await cluster.until_replicated(2)
    return {"DATABASE_URL": cluster.url}


async def _leader_killed(stand: Stand) -> None:
    """Lose the leader's machine, and wait for the leader that Patroni promotes."""
    assert stand.cluster
    began = time.monotonic()
    await stand.cluster.kill_leader()
    await stand.cluster.find_leader()
    _say(f"a new leader after {time.monotonic() - began:.1f} s")


async def _leader_frozen(stand: Stand) -> None:
    """Freeze the leader, which goes on as if it still were the leader once another is."""
    assert stand.cluster
    began = time.monotonic()
    frozen = await stand.cluster.freeze_leader()
    await stand.cluster.find_leader()
    _say(f"a new leader after {time.monotonic() - began:.1f} s")
    await asyncio.sleep(_LASTS)
    stand.cluster.thaw(frozen)


async def _sockets(stand: Stand) -> None:
    """Open very many connections: silent ones, unfinished requests and WebSockets."""
    begins = (b"", b"POST /graphql HTTP/1.1\r\nHost:", _UPGRADE)
    with ExitStack() as stack:
        for number in range(_SOCKETS):
            port = stand.servers[number % len(stand.servers)].port
            opened = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            opened.send(
                random.choice(begins).replace(b"ADDRESS", b"10.9.%d.%d" % divmod(number, 256))
            )
            if number % 100 == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(_LASTS)


def _say(line: str) -> None:
    print(f"    {line}", flush=True)  # noqa: T201 - of a command


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
    "clock-ahead": _clock("+1h"),
    "clock-behind": _clock("-1h"),
    "disk-full": Fault(_disk_full, lacks=_without_small_disk),
    "promotion": Fault(_promoted, _standby),
    "sockets": Fault(_sockets),
    "patroni-killed": Fault(_leader_killed, _cluster, lacks=_without_patroni, by_hand=True),
    "patroni-frozen": Fault(_leader_frozen, _cluster, lacks=_without_patroni, by_hand=True),
}
