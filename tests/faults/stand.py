"""All that runs: PostgreSQL, the proxy, three servers on it, and the load."""

import asyncio
import json
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from connect_hub.security.keys import Keys, new_secret
from tests.faults import checker, outbox
from tests.faults.client import Connection, Record
from tests.faults.follower import Follower
from tests.faults.invitations import USES_PER_CLIENT, Invitations
from tests.faults.journal import Journal
from tests.faults.patroni import Cluster, started
from tests.faults.postgres import USER, Postgres, postgresqls
from tests.faults.proxy import Proxy, proxying
from tests.faults.story import Story
from tests.faults.teller import Teller
from tests.support import processes
from tests.support.gateways import Peer, serving_gateways

HOSTS = ("127.0.0.1", "127.0.0.2")  # of the database and its standby
CONNECTIONS = 32
FOLLOWERS = 8
DISK = 600  # megabytes
_HEARD_WITHIN = 2  # seconds until the last event is received
_ENDS_WITHIN = 20  # seconds

_LIMITS = {  # raised: all clients are one machine, and are slow to be refused
    "TRUSTED_PROXIES": "127.0.0.1/32",
    "RESEND_AFTER": "0",
    "GUESSES_PER_CODE": "100",
    "GUESSES_PER_PHONE": "9999/day",
    "UNKNOWN_INVITATIONS": "999/day",
    "SENDS_PER_PHONE": "999/hour",
    "SENDS_PER_PHONE_AND_ADDRESS": "999/hour",
    "SENDS_PER_ADDRESS": "999/hour",
    "ACCESS_TOKEN_LIFETIME": "5 min",
    "INVITATIONS_PER_CLIENT": str(USES_PER_CLIENT),
}


class Server:
    """One `connect-hub serve`, which keeps its port when it is started again."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self._folder, self._settings = folder, settings
        self.port = 0
        self.failed: list[str] = []  # lines of its log about faults of ours
        self._stack = ExitStack()
        self._running: processes.Server | None = None

    async def start(self, **settings: str) -> None:
        await asyncio.to_thread(self._start, settings)

    def _start(self, settings: dict[str, str]) -> None:
        said = {**self._settings, **settings}
        serving = processes.serving(self._folder, port=self.port, **said)
        self._running = self._stack.enter_context(serving)
        self.port = self._running.port

    @property
    def process(self) -> Any:
        assert self._running
        return self._running.process

    @property
    def memory(self) -> float:
        """Return the resident megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    async def restart(self, **settings: str) -> None:
        """Stop it by SIGTERM, and start it with other settings."""
        await self.end()
        await self.start(**settings)

    async def end(self) -> None:
        """Stop it by SIGTERM if it still runs, read the rest of its output, and clean up."""
        if self._running:
            self.process.terminate()
            await asyncio.to_thread(self.process.wait, _ENDS_WITHIN)
            self.collect()
            await asyncio.to_thread(self._stack.close)
            self._running = None

    def collect(self) -> None:
        """Read in its log what went wrong by our fault."""
        if self._running:
            for line in self._running.errors.read_text().splitlines():
                try:
                    told = json.loads(line)
                except ValueError:
                    self.failed.append(f"this is no line of a log: {line}")
                else:
                    if told["level"] == "error":
                        self.failed.append(f"{told['event']}: {told.get('exception', '')[-1000:]}")


class Inbox(Mapping[str, str]):
    """The codes that the gateway received."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def __getitem__(self, phone: str) -> str:
        of_phone = (r.fields for r in reversed(self._peer.requests) if r.fields["to"] == phone)
        found = re.match(r"\d+", next(of_phone)["text"])
        assert found
        return found[0]

    def __iter__(self) -> Iterator[str]:
        return (request.fields["to"] for request in self._peer.requests)

    def __len__(self) -> int:
        return len(self._peer.requests)


class Stand:
    """The servers, the database and the gateway that a fault affects."""

    def __init__(
        self,
        disk: Path,
        make: Callable[[str], Postgres],
        *,
        postgres: Postgres,
        proxies: tuple[Proxy, Proxy],
        peer: Peer,
    ) -> None:
        self.stack = AsyncExitStack()  # ends what is started later
        self.disk, self.make, self.peer = disk, make, peer
        self.postgres = self.other = postgres  # the other is its standby, if there is one
        self.proxy, self.other_proxy = proxies
        self.journal, self.record = Journal(), Record()
        self.cluster: Cluster | None = None  # has taken the place of the other databases
        self._said: Counter[str] = Counter()  # findings
        secret = new_secret()
        self.keys = Keys(secret)
        url = f"postgresql://{USER}@{HOSTS[0]}:{self.proxy.port}/{USER}"
        self.settings = {"DATABASE_URL": url, "SECRET_KEY": secret, **_LIMITS}
        self.servers: list[Server] = []

    @property
    def database(self) -> Postgres | Cluster:
        """The database of the servers."""
        return self.cluster or self.postgres

    async def use_cluster(self) -> Cluster:
        """Let a fresh Patroni cluster take the place of the database, from now on."""
        self.cluster = await started(self.stack)
        self.journal = Journal()
        return self.cluster

    def keep_event(self, id_: str) -> None:
        """Note that the receiver accepted an event."""
        self.journal.received.add(id_)

    @asynccontextmanager
    async def load(self, *, clocks_differ: bool = False) -> AsyncIterator[None]:
        """Run stories over all connections, and followers, until the context ends."""
        ports = [server.port for server in self.servers]
        invitations = await Invitations.create(self.database)

        def made(kind: type[Teller], count: int) -> list[Teller]:
            return [
                kind(
                    Connection(ports, self.record, first=number),
                    self.journal,
                    invitations=invitations,
                    inbox=Inbox(self.peer),
                    clocks_differ=clocks_differ,
                )
                for number in range(count)
            ]

        async with _telling(made(Follower, FOLLOWERS)):
            async with _telling(made(Story, CONNECTIONS)):
                yield
            await asyncio.sleep(_HEARD_WITHIN)

    def rate(self, seconds: float) -> float:
        """Return how many requests a second were answered lately."""
        now = time.monotonic()
        answered = [o for _, o in self.record.between(now - seconds, now) if o == "answered"]
        return len(answered) / seconds

    async def findings(self) -> list[str]:
        """Return all new findings."""
        facts = await checker.read(self.database)
        found = Counter([*self.record.wrong, *checker.check(self.journal, facts, keys=self.keys)])
        for server in self.servers:
            server.collect()
            found |= Counter({*server.failed})  # which reads the same lines again
        new = found - self._said
        self._said |= found
        return sorted(new.elements())


@asynccontextmanager
async def _telling(tellers: list[Teller]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(teller.tell()) for teller in tellers]
    try:
        yield
    finally:
        for teller in tellers:
            teller.stopped = True
        await asyncio.gather(*tasks)


@asynccontextmanager
async def standing(servers: int = 3) -> AsyncIterator[Stand]:
    """Start everything; it ends with the context."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ch-faults-")))
        folder.chmod(0o755)  # noqa: ASYNC240 (nothing else runs yet)
        disk = stack.enter_context(small_disk(folder / "disk"))
        make = stack.enter_context(postgresqls(disk))
        postgres = make("primary")
        postgres.create()
        await postgres.start()
        proxy = await stack.enter_async_context(proxying(postgres.socket, HOSTS[0]))
        beside = proxying(postgres.socket, HOSTS[1], proxy.port)  # DATABASE_URL takes one port
        other = await stack.enter_async_context(beside)
        peer = stack.enter_context(serving_gateways())
        stand = Stand(disk, make, postgres=postgres, proxies=(proxy, other), peer=peer)
        await stack.enter_async_context(stand.stack)
        received = outbox.receiving(stand.keep_event)
        stand.settings["WEBHOOK_URLS"] = await stack.enter_async_context(received)
        for _ in range(servers):
            server = Server(folder, stand.settings)
            stack.push_async_callback(server.end)
            await server.start()
            stand.servers.append(server)
        yield stand


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Make a folder, on a disk of its own where this is root: it can be filled."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}M", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and not subprocess.run(mount, check=False).returncode
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
