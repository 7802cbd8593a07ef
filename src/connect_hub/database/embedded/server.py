"""The running PostgreSQL, and the guard process that ends it when its owner has ended."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import IO, Any, cast

from connect_hub.database.embedded.processes import error_line
from connect_hub.settings import StartupError

_POLL_INTERVAL = timedelta(milliseconds=20)

_SERVER = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "200",
    "client_connection_check_interval": "1s",  # cancels the statements of killed clients
    "log_checkpoints": "off",
    "log_min_messages": "log",  # errors of clients quote phone numbers, so they are not logged
}

# The guard prints PostgreSQL's pid, then waits until the owner writes a line or has ended. It
# ignores PIPE since the owner may end before it reads the pid. It repeats INT since PostgreSQL
# ignores INT while it starts. Only PostgreSQL keeps the standard output open: its end of file means
# that all of PostgreSQL's processes have ended.
_GUARD = """
trap '' HUP INT PIPE TERM
"$@" </dev/null & postgres=$!
echo $postgres
exec >/dev/null
read -r _
while kill -INT $postgres 2>/dev/null; do sleep 0.1; done
"""


@contextmanager
def serving(data_dir: Path, socket: Path, binaries: Path, child: dict[str, Any]) -> Iterator[None]:
    """Run PostgreSQL within the context; it accepts connections at once."""
    folder = str(socket).replace('"', '""')
    settings = {**_SERVER, "unix_socket_directories": f'"{folder}"'}
    server: list[str | Path] = [binaries / "postgres", "-D", data_dir / "postgres"]
    server += [f"--{name}={value}" for name, value in settings.items()]
    with subprocess.Popen(  # noqa: S603 (the program found by find_binaries)
        ["/bin/sh", "-c", _GUARD, "sh", *server],
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0, **child},
    ) as guard:
        stop, life = cast("IO[bytes]", guard.stdin), cast("IO[bytes]", guard.stdout)
        watch = Thread(target=_watch, args=(guard, stop, life, int(life.readline())), daemon=True)
        watch.start()
        try:
            _wait_until_ready(data_dir, watch)
            yield
        finally:
            with suppress(BrokenPipeError):
                stop.write(b"\n")
            watch.join()


def _watch(guard: subprocess.Popen[bytes], stop: IO[bytes], life: IO[bytes], postgres: int) -> None:
    """End the guard when PostgreSQL has ended, and PostgreSQL when the guard has."""
    ends = select.poll()
    ends.register(stop, 0)  # reports an error once the guard no longer reads it
    ends.register(life, 0)  # reports a hang-up once PostgreSQL has ended
    while life.fileno() not in dict(ends.poll()):
        with suppress(ProcessLookupError):
            os.kill(postgres, signal.SIGINT)
        time.sleep(_POLL_INTERVAL.total_seconds())
    guard.kill()
    guard.wait()


def _wait_until_ready(data_dir: Path, watch: Thread) -> None:
    while watch.is_alive():
        with suppress(FileNotFoundError):
            text = (data_dir / "postgres" / "postmaster.pid").read_text()
            if [line.strip() for line in text.splitlines()][7:8] == ["ready"]:
                return
        time.sleep(_POLL_INTERVAL.total_seconds())
    log = data_dir / "postgres.log"
    reason = error_line(log.read_text(errors="replace"))
    raise StartupError(
        f"PostgreSQL did not start ({reason}): fix what {log} shows, and start again."
    )
