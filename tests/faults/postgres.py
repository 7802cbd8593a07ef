"""A PostgreSQL of the run's own, which may be killed, filled up, copied and promoted."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from connect_hub.database.embedded.binaries import find_binaries, find_package
from connect_hub.database.embedded.folder import make_private
from connect_hub.database.embedded.processes import child_options, run

USER = "postgres"
_SILENT = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
_READY_WITHIN = 30  # seconds
_SETTINGS = {"listen_addresses": "", "max_wal_size": "128MB"}  # the disk is small
_INITDB = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")


class Postgres:
    """One server in a folder; it listens on a unix socket only."""

    def __init__(self, folder: Path, binaries: Path, child: dict[str, Any]) -> None:
        self.folder, self._binaries, self._child = folder, binaries, child
        self.data, self.sockets = folder / "data", folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.sockets / ".s.PGSQL.5432"

    def create(self) -> None:
        """Make an empty one."""
        self._make_folders()
        self._run("initdb", "-D", self.data, f"--username={USER}", "--auth=trust", *_INITDB)

    def copy_of(self, primary: "Postgres") -> None:
        """Make a standby that every commit of the primary waits for, once both run."""
        self._make_folders()
        where = ("-h", primary.sockets, "-U", USER, "-R", "-C", "-S", "standby")
        self._run("pg_basebackup", "-D", self.data, "--checkpoint=fast", *where)

    async def start(self) -> None:
        """Start, and wait until it takes connections; what a killed one left may be in the way."""
        async with asyncio.timeout(_READY_WITHIN):
            while True:
                if self._process is None or self._process.poll() is not None:
                    self._process = self._started()
                try:
                    await (await self.connect()).close()
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.1)
                else:
                    return

    def kill(self) -> None:
        """Kill it at once; its children end with it."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it well."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def destroy(self) -> None:
        """Remove what a killed one left."""
        shutil.rmtree(self.folder)

    async def promote(self) -> None:
        """Let a standby become the primary, and wait until it is."""
        await self.execute("SELECT pg_promote()")

    async def connect(self) -> Any:
        return await asyncpg.connect(
            host=str(self.sockets), user=USER, database=USER, timeout=5, command_timeout=20
        )

    async def execute(self, sql: str, *values: object) -> list[Any]:
        """Run a statement, not through the proxy."""
        connection = await self.connect()
        try:
            return [*await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    def _started(self) -> "subprocess.Popen[bytes]":
        said = {**_SETTINGS, "unix_socket_directories": str(self.sockets)}
        command: list[str | Path] = [self._binaries / "postgres", "-D", self.data]
        command += [f"--{name}={value}" for name, value in said.items()]
        options: dict[str, Any] = {**_SILENT, **self._child}
        return subprocess.Popen(command, **options)

    def _make_folders(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        make_private(self.sockets, self._child)
        make_private(self.data, self._child)

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = run([self._binaries / program, *arguments], self._child)
        if done.returncode:
            raise RuntimeError(done.stdout)


@contextmanager
def postgresqls(folder: Path) -> Iterator[Any]:
    """Return a function that starts servers in subfolders; they end with the context."""
    with ExitStack() as stack:
        nothing = os.open(os.devnull, os.O_RDONLY)
        stack.callback(os.close, nothing)
        child = child_options(folder, nothing, stack)
        binaries, _ = find_binaries(find_package(), folder, child)

        def make(name: str) -> Postgres:
            made = Postgres(folder / name, binaries, child)
            stack.callback(shutil.rmtree, made.folder, ignore_errors=True)
            stack.callback(made.stop)
            return made

        yield make
