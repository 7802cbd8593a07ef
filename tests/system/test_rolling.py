"""Three servers behind the proxy of docker-compose.yml, restarted one after another under load."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from connect_hub.database import embedded
from connect_hub.security.keys import new_secret
from tests.support.documentation import REPOSITORY
from tests.support.processes import HTTP, ME, Client, Server, eventually, serving

CONNECTIONS = 32
SERVICE_RESTART = 1012
COMPOSE = (REPOSITORY / "docker-compose.yml").read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def proxied(folder: Path, ports: list[int]) -> Iterator[str]:
    """Run Caddy as docker-compose.yml does, on the ports of this machine."""
    found = re.search(r"^    content: \|\n((?: {6}.*\n|\n)+)", COMPOSE, re.MULTILINE)
    assert found
    config = folder / "Caddyfile"
    config.write_text(textwrap.dedent(found[1]).replace("$$", "$"))
    address = f"http://127.0.0.1:{free_port()}"
    upstreams = " ".join(f"127.0.0.1:{port}" for port in ports)
    home = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    with (
        (folder / "caddy.log").open("wb") as log,
        subprocess.Popen(
            ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"],
            env=os.environ | home | {"DOMAIN": address, "UPSTREAMS": upstreams},
            stderr=log,
        ) as caddy,
    ):
        try:
            eventually(lambda: _answers(f"{address}/readyz"))
            yield address
        finally:
            caddy.terminate()


def _answers(url: str) -> bool:
    try:
        return HTTP.get(url).status_code == 200
    except httpx.TransportError:
        return False


class Fleet:
    """Servers on one database, each on a port of its own."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.ports = [free_port() for _ in range(3)]
        self._folder = folder
        self._settings = settings
        self._running: dict[int, tuple[ExitStack, Server]] = {}

    def start(self, port: int) -> Server:
        stack = ExitStack()
        made = serving(self._folder, port=port, **self._settings)
        self._running[port] = stack, stack.enter_context(made)
        return self._running[port][1]

    def restart(self, port: int) -> None:
        """Stop a server by SIGTERM, start another in its place, and wait until it gets requests."""
        stack, server = self._running.pop(port)
        server.process.send_signal(signal.SIGTERM)
        eventually(
            lambda: server.get("/readyz").text == "this server is about to stop: use another\n"
        )
        assert server.get("/healthz").status_code == 200
        assert server.process.wait(timeout=20) == 0
        assert {line["level"] for line in server.logged} == {"info"}
        stack.close()
        heir = self.start(port)
        eventually(lambda: any(line["path"] == "/graphql" for line in heir.lines("request")))

    def stop(self) -> None:
        for stack, _ in self._running.values():
            stack.close()


@pytest.fixture
def fleet(folder: Path) -> Iterator[Fleet]:
    with embedded.running(folder / "rolling"):
        where = quote(str(embedded.socket_folder(folder / "rolling")), safe="")
        fleet = Fleet(
            folder / "rolling",
            {
                "DATABASE_URL": f"postgresql://postgres@/postgres?host={where}",
                "SECRET_KEY": new_secret(),
                "SHUTDOWN_DELAY": "3",
                "TRUSTED_PROXIES": "127.0.0.1/32",
            },
        )
        try:
            yield fleet
        finally:
            fleet.stop()


class Load:
    """Requests on many connections, until it is stopped."""

    def __init__(self, address: str, client: Client) -> None:
        self._address = address
        self._client = client
        self.answered = 0
        self.failed: list[str] = []
        self.ended = False

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=CONNECTIONS)
        async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as http:
            await asyncio.gather(*(self._ask(http) for _ in range(CONNECTIONS)))

    async def _ask(self, http: httpx.AsyncClient) -> None:
        headers = {"Authorization": f"Bearer {self._client.token}"}
        expected = {"data": {"me": {"id": self._client.id, "phone": self._client.phone}}}
        while not self.ended:
            try:
                response = await http.post(
                    f"{self._address}/graphql", json={"query": ME}, headers=headers
                )
                if response.status_code != 200 or response.json() != expected:
                    self.failed.append(f"{response.status_code} {response.text}")
            except httpx.HTTPError as error:
                self.failed.append(repr(error))
            self.answered += 1


def _apply(address: str, ann: Client, ben: Client) -> None:
    def ask(query: str, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return HTTP.post(f"{address}/graphql", json={"query": query}, headers=headers).json()

    code = ask("{ me { invitationCode } }", ann.token)["data"]["me"]["invitationCode"]
    applied = ask(
        f'mutation {{ applyInvite(invitationCode: "{code}") {{ __typename }} }}', ben.token
    )
    assert applied["data"]["applyInvite"] == {"__typename": "InviteApplied"}


class Subscriber:
    """A subscriber that connects again after each close."""

    def __init__(self, address: str, client: Client) -> None:
        self._address = address.replace("http", "ws", 1)
        self._client = client
        self.heard: list[str] = []
        self.closed: list[int | None] = []
        self.listens = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                await self._listen()
            except ConnectionClosed as closed:
                self.closed.append(closed.rcvd.code if closed.rcvd else None)
            except (InvalidHandshake, OSError):
                await asyncio.sleep(0.1)
            self.listens.clear()

    async def _listen(self) -> None:
        where = f"{self._address}/graphql"
        async with connect(where, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket_:
            token = {"Authorization": f"Bearer {self._client.token}"}
            await socket_.send(json.dumps({"type": "connection_init", "payload": token}))
            await socket_.recv()
            query = {"query": "subscription { clientInvited { phone } }"}
            await socket_.send(json.dumps({"id": "1", "type": "subscribe", "payload": query}))
            self.listens.set()
            async for message in socket_:
                told = json.loads(message)
                if told["type"] == "next":
                    self.heard.append(told["payload"]["data"]["clientInvited"]["phone"])


async def test_rolling_restart_under_load_fails_no_request(fleet: Fleet, folder: Path) -> None:
    servers = [fleet.start(port) for port in fleet.ports]
    with proxied(folder, fleet.ports) as address:
        ann, ben = servers[0].register(), servers[0].register()
        load, subscriber = Load(address, ann), Subscriber(address, ann)
        running = asyncio.create_task(load.run())
        subscribing = asyncio.create_task(subscriber.run())
        began = time.monotonic()
        for port in fleet.ports:
            before = load.answered
            await asyncio.to_thread(fleet.restart, port)
            assert load.answered > before + CONNECTIONS
        load.ended = True
        await running
        await asyncio.wait_for(subscriber.listens.wait(), 10)
        await asyncio.to_thread(_apply, address, ann, ben)
        await asyncio.to_thread(eventually, lambda: subscriber.heard == [ben.phone])
        subscribing.cancel()
    assert subscriber.closed  # by the server that it was on
    assert set(subscriber.closed) <= {SERVICE_RESTART}
    assert not load.failed, (load.failed[:5], len(load.failed), load.answered)
    print(f"{load.answered} answered in {time.monotonic() - began:.0f} s")  # noqa: T201 (shown with -s)
