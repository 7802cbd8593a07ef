"""A Patroni cluster of three PostgreSQLs on this machine, whose leader may be killed or frozen.

It needs Debian's `patroni`, `etcd-server` and `postgresql-15`. Each node listens on an address of
its own and on the same port, as DATABASE_URL takes one port for all hosts.
"""

import asyncio
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import asyncpg

from connect_hub.database.errors import UNAVAILABLE

USER = "postgres"
HOSTS = ("127.0.1.1", "127.0.1.2", "127.0.1.3")
BINARIES = Path("/usr/lib/postgresql/15/bin")
PROGRAMS = ("/usr/bin/patroni", "/usr/bin/etcd", f"{BINARIES}/postgres")
# Patroni's smallest ttl. A leader that has not renewed its key for so long is replaced.
TIMES = {"ttl": 20, "loop_wait": 2, "retry_timeout": 5}  # seconds
_READY_WITHIN = 90
_REST_PORT_OFFSET = 1


class Cluster:
    """Three nodes; each commit waits for a standby."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self._leader = HOSTS[0]
        self._etcd = f"127.0.0.1:{port + 2}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._user = {"user": USER, "group": USER, "extra_groups": ()} if _is_root() else {}
        self._log = (folder / "log").open("ab")

    @property
    def url(self) -> str:
        hosts = ",".join(f"{host}:{self.port}" for host in HOSTS)
        return f"postgresql://{USER}@{hosts}/{USER}?target_session_attrs=read-write"

    @property
    def socket(self) -> Path:
        """Return the unix socket of the leader that was last connected to."""
        return self._private(self._leader) / f".s.PGSQL.{self.port}"

    async def start(self) -> None:
        """Start etcd and all nodes, and wait until a standby confirms commits."""
        peer = f"http://127.0.0.1:{self.port + 3}"
        etcd = ["/usr/bin/etcd", "--data-dir", str(self._private("etcd")), "--name", "etcd"]
        etcd += ["--listen-client-urls", f"http://{self._etcd}", "--initial-cluster-state", "new"]
        etcd += ["--advertise-client-urls", f"http://{self._etcd}", "--listen-peer-urls", peer]
        etcd += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"etcd={peer}"]
        self._run("etcd", etcd)
        for host in HOSTS:
            self._start_node(host)
        await self.until_replicated(len(HOSTS) - 1)

    async def kill_leader(self) -> str:
        """Kill the leader's Patroni and PostgreSQL at once, as if its machine had gone."""
        host = await self.find_leader()
        self._signal(host, signal.SIGKILL)
        self._processes.pop(host).wait()
        return host

    async def freeze_leader(self) -> str:
        """Stop all processes of the leader; their connections stay open."""
        host = await self.find_leader()
        self._signal(host, signal.SIGSTOP)
        return host

    def thaw(self, host: str) -> None:
        """Let a frozen node go on: it still believes to be the leader."""
        self._signal(host, signal.SIGCONT)

    def restart_killed(self) -> None:
        """Start killed nodes again, which follow the new leader."""
        for host in HOSTS:
            if host not in self._processes:
                self._start_node(host)

    async def find_leader(self) -> str:
        """Wait for a server that accepts writes, and return its address."""
        async with asyncio.timeout(_READY_WITHIN):
            while True:
                with suppress(*UNAVAILABLE):
                    await (await self.connect()).close()
                    return self._leader
                await asyncio.sleep(0.1)

    async def until_replicated(self, standbys: int) -> None:
        """Wait until so many standbys follow, and one of them confirms commits."""
        states = "SELECT count(*) AS all, count(*) FILTER (WHERE sync_state = 'sync') AS confirming"
        async with asyncio.timeout(_READY_WITHIN):
            while True:
                with suppress(*UNAVAILABLE):
                    (row,) = await self.execute(f"{states} FROM pg_stat_replication")
                    if row["all"] >= standbys and row["confirming"]:
                        return
                await asyncio.sleep(0.2)

    async def connect(self) -> Any:
        """Connect to the leader; a frozen host must not take the time of the others."""
        for host in HOSTS:
            with suppress(*UNAVAILABLE):
                opened = await asyncpg.connect(
                    host=host,
                    port=self.port,
                    user=USER,
                    database=USER,
                    target_session_attrs="read-write",
                    timeout=1,
                    command_timeout=20,
                )
                self._leader = host
                return opened
        raise ConnectionError("no host accepts writes")

    async def execute(self, sql: str, *values: object) -> list[Any]:
        """Run a statement on the leader."""
        connection = await self.connect()
        try:
            return [*await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    def stop(self) -> None:
        """End all processes."""
        for host in HOSTS:
            if host in self._processes:
                self._signal(host, signal.SIGKILL)
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._log.close()

    def _start_node(self, host: str) -> None:
        file = self.folder / f"{host}.json"
        file.write_text(json.dumps(self._node(host)))  # JSON is YAML
        file.chmod(0o644)
        self._run(host, ["/usr/bin/patroni", str(file)])

    def _node(self, host: str) -> dict[str, Any]:
        rest = f"{host}:{self.port + _REST_PORT_OFFSET}"
        trusted = ["host all all 127.0.0.0/8 trust", "host replication all 127.0.0.0/8 trust"]
        shown = {"max_connections": 100, "synchronous_commit": "on"}
        return {
            "scope": "hub",
            "name": f"node-{host.rpartition('.')[2]}",
            "restapi": {"listen": rest, "connect_address": rest},
            "etcd3": {"host": self._etcd},
            "bootstrap": {
                "dcs": {
                    **TIMES,
                    "synchronous_mode": True,
                    "postgresql": {"use_pg_rewind": True, "parameters": shown},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}],
                "pg_hba": ["local all all trust", *trusted],
            },
            "postgresql": {
                "listen": f"{host}:{self.port}",
                "connect_address": f"{host}:{self.port}",
                "data_dir": str(self._private(host) / "data"),
                "bin_dir": str(BINARIES),
                "pgpass": str(self._private(host) / "pgpass"),
                "authentication": {
                    "superuser": {"username": USER, "password": "unused"},
                    "replication": {"username": "replicator", "password": "unused"},
                    "rewind": {"username": USER, "password": "unused"},
                },
                "parameters": {"unix_socket_directories": str(self._private(host))},
            },
        }

    def _private(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        if _is_root():
            shutil.chown(folder, USER, USER)
        return folder

    def _run(self, name: str, command: list[str]) -> None:
        environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC", "ETCD_LOGGER": "zap"}
        options: dict[str, Any] = {"stdin": subprocess.DEVNULL, **self._user}
        self._processes[name] = subprocess.Popen(
            command,
            cwd="/",
            env=environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            **options,
        )

    def _signal(self, host: str, number: signal.Signals) -> None:
        """Signal a node's Patroni, its PostgreSQL and all of that one's processes."""
        pids = [self._processes[host].pid]
        with suppress(OSError, ValueError):
            lines = (self.folder / host / "data" / "postmaster.pid").read_text().splitlines()
            pids += [int(lines[0]), *_children(int(lines[0]))]
        for pid in pids:
            with suppress(OSError):
                os.kill(pid, number)


def lacking() -> str:
    """Name what a cluster needs that is not here."""
    missing = [program for program in PROGRAMS if not Path(program).exists()]
    return f"Debian's patroni, etcd-server and postgresql-15 ({missing[0]})" if missing else ""


async def started(stack: AsyncExitStack) -> Cluster:
    """Start a cluster, which ends with the stack."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ch-patroni-")))
    folder.chmod(0o755)  # noqa: ASYNC240 (nothing else runs yet)
    with socket.create_server((HOSTS[0], 0)) as free:
        port = free.getsockname()[1]
    cluster = Cluster(folder, port)
    stack.callback(cluster.stop)
    await cluster.start()
    return cluster


def _children(parent: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may end meanwhile
            if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(process.name))
    return found


def _is_root() -> bool:
    return os.geteuid() == 0 and bool(pwd.getpwnam(USER))
