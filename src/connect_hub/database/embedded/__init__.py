"""The embedded PostgreSQL, used without DATABASE_URL. It ends with the process that started it.

DATA_DIR contains:

- `postgres.lock`: locked by the process that owns the folder, and by its children, which inherit it
- `postgres`: the database, named `postgres.new` until initdb has finished
- `socket`: the folder of the unix socket; whoever may enter it needs no password
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from connect_hub.database.embedded.binaries import find_binaries, find_package
from connect_hub.database.embedded.database import check_major, create_database
from connect_hub.database.embedded.folder import InUseError, clear_stale_files, lock_data_dir
from connect_hub.database.embedded.processes import child_options
from connect_hub.database.embedded.server import serving
from connect_hub.settings import StartupError

__all__ = [
    "APP_USER",
    "DATABASE",
    "USER",
    "credentials",
    "running",
    "socket_folder",
    "start_or_join",
]

USER = "postgres"  # the superuser, who owns the tables
APP_USER = "connect_hub"  # the user that the server connects as; migrations create it
DATABASE = "postgres"

_MAX_SOCKET_PATH = 100  # bytes; operating systems allow 103 or more
_LOCK_TIMEOUT = timedelta(seconds=5)


def socket_folder(data_dir: Path) -> Path:
    """Return the folder of the unix socket, which clients use as their `host`."""
    return data_dir.absolute() / "socket"


def credentials(data_dir: Path, user: str) -> dict[str, Any]:
    """Return the arguments by which asyncpg connects to the PostgreSQL of this folder.

    All of them are set, since asyncpg would read the others from PG* variables and ~/.pgpass, which
    describe other servers.
    """
    return {
        "host": str(socket_folder(data_dir)),
        "port": 5432,
        "user": user,
        "password": str,  # a callable, as asyncpg allows; it returns an empty password
        "database": DATABASE,
        "ssl": False,
        "direct_tls": False,
        "target_session_attrs": "any",
        "gsslib": "gssapi",
    }


@contextmanager
def running(data_dir: Path, *, lock_timeout: timedelta = _LOCK_TIMEOUT) -> Iterator[None]:
    """Run the PostgreSQL of this folder within the context; it accepts connections at once.

    It stops when this process ends, even by SIGKILL, and not earlier: Ctrl-C does not reach it.
    This process may spawn children but not fork: a fork inherits the lock and keeps PostgreSQL
    running.

    Args:
        data_dir: the folder; created if it does not exist.
        lock_timeout: how long to wait for another owner that is shutting down.

    Raises:
        InUseError: another process owns the folder, or its PostgreSQL has not ended yet.
        StartupError: PostgreSQL cannot be started; the message says what to do.
    """
    data_dir = data_dir.absolute()
    package = find_package()
    _check_length(data_dir)
    with ExitStack() as at_exit:
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = at_exit.enter_context(lock_data_dir(data_dir, lock_timeout))
            child = child_options(data_dir, lock, at_exit)
            clear_stale_files(data_dir, socket_folder(data_dir), child)
            binaries, major = find_binaries(package, data_dir, child)
            if not (data_dir / "postgres").exists():
                create_database(data_dir, binaries, USER, child)
            check_major(data_dir, major)
            at_exit.enter_context(serving(data_dir, socket_folder(data_dir), binaries, child))
        except OSError as error:
            raise StartupError(
                f"DATA_DIR {data_dir} cannot be used ({error.strerror}: {error.filename}):"
                " choose a folder that connect-hub may write to, or set DATABASE_URL."
            ) from error
        yield


@contextmanager
def start_or_join(data_dir: Path) -> Iterator[None]:
    """Run the PostgreSQL of this folder, or use the one that a server already runs there.

    Raises:
        StartupError: PostgreSQL cannot be started.
    """
    with ExitStack() as at_exit:
        with suppress(InUseError):
            at_exit.enter_context(running(data_dir, lock_timeout=timedelta()))
        yield


def _check_length(data_dir: Path) -> None:
    excess = len(os.fsencode(socket_folder(data_dir) / ".s.PGSQL.5432")) - _MAX_SOCKET_PATH
    if excess > 0:
        raise StartupError(
            f"DATA_DIR {data_dir} is too long for a unix socket: choose a path of at most"
            f" {len(os.fsencode(data_dir)) - excess} bytes."
        )
