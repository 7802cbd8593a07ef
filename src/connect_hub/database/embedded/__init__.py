"""The embedded PostgreSQL, for when there is no DATABASE_URL: it lives and dies with its owner.

In DATA_DIR, `postgres.lock` is held by the owner and inherited by all that runs for it; `postgres`
is the database, named `postgres.new` until initdb is through; clients connect in `socket`, and who
may enter that folder needs no password.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from connect_hub.database.embedded.binaries import find_binaries, find_package
from connect_hub.database.embedded.database import check_major, create_database
from connect_hub.database.embedded.folder import InUseError, claimed, make_way
from connect_hub.database.embedded.processes import child_options
from connect_hub.database.embedded.server import serving
from connect_hub.settings import StartupError

__all__ = ["APP_USER", "DATABASE", "USER", "credentials", "joined", "running", "socket_folder"]

USER = "postgres"  # its superuser, who owns the tables
APP_USER = "connect_hub"  # as whom the server connects; migrations create it
DATABASE = "postgres"

_LONGEST_SOCKET = 100  # bytes; systems allow 103 or more
_PATIENCE = timedelta(seconds=5)


def socket_folder(data_dir: Path) -> Path:
    """Where the unix socket of this folder's PostgreSQL is, the `host` of its clients."""
    return data_dir.absolute() / "socket"


def credentials(data_dir: Path, user: str) -> dict[str, Any]:
    """Say how asyncpg connects to the PostgreSQL of this folder.

    Whatever it is not told it reads from the shell's PG* variables or from ~/.pgpass, which are
    about other servers.
    """
    return {
        "host": str(socket_folder(data_dir)),
        "port": 5432,
        "user": user,
        "password": str,  # called, it gives none
        "database": DATABASE,
        "ssl": False,
        "direct_tls": False,
        "target_session_attrs": "any",
        "gsslib": "gssapi",
    }


@contextmanager
def running(data_dir: Path, *, patience: timedelta = _PATIENCE) -> Iterator[None]:
    """Run the PostgreSQL of this folder, ready for connections, for as long as the context lasts.

    It stops when this process ends, in whatever way, and not before: Ctrl-C does not reach it.
    Children may be spawned but not forked: a fork would keep it running.

    Args:
        data_dir: the folder; it is made if it is not there.
        patience: how long to wait for a predecessor that is shutting down.

    Raises:
        InUseError: the folder has another owner, or a PostgreSQL that has not ended yet.
        StartupError: anything else that keeps it from starting.
    """
    data_dir = data_dir.absolute()
    package = find_package()
    _check_length(data_dir)
    with ExitStack() as at_exit:
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = at_exit.enter_context(claimed(data_dir, patience))
            child = child_options(data_dir, lock, at_exit)
            make_way(data_dir, socket_folder(data_dir), child)
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
def joined(data_dir: Path) -> Iterator[None]:
    """Run the PostgreSQL of this folder, or use the one that a server runs on it.

    Raises:
        StartupError: it cannot be started.
    """
    with ExitStack() as at_exit:
        with suppress(InUseError):
            at_exit.enter_context(running(data_dir, patience=timedelta()))
        yield


def _check_length(data_dir: Path) -> None:
    excess = len(os.fsencode(socket_folder(data_dir) / ".s.PGSQL.5432")) - _LONGEST_SOCKET
    if excess > 0:
        raise StartupError(
            f"DATA_DIR {data_dir} is too long for a unix socket: choose a path of at most"
            f" {len(os.fsencode(data_dir)) - excess} bytes."
        )
