"""DATA_DIR: its lock and its permissions."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from connect_hub.database.embedded.processes import is_root, run
from connect_hub.settings import StartupError

_POLL_INTERVAL = timedelta(milliseconds=20)


class InUseError(StartupError):
    """Another process owns the folder."""


@contextmanager
def lock_data_dir(data_dir: Path, timeout: timedelta) -> Iterator[int]:
    """Own the folder within the context, and yield the lock's file descriptor.

    Children inherit the descriptor, so that the lock lasts until the last of them has ended.

    Raises:
        InUseError: another process still owns the folder after the timeout.
    """
    lock = os.open(data_dir / "postgres.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + timeout.total_seconds()
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                raise InUseError(
                    f"{data_dir} is in use by another connect-hub; stop it or choose another"
                    " DATA_DIR."
                )
            time.sleep(_POLL_INTERVAL.total_seconds())
        yield lock
    finally:
        os.close(lock)  # LOCK_UN would also unlock it for the children


def _try_lock(lock: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def clear_stale_files(data_dir: Path, socket: Path, child: dict[str, Any]) -> None:
    """Remove the files of a killed PostgreSQL, and let its user enter the folders.

    The caller holds the lock, so no PostgreSQL uses these files.

    Raises:
        StartupError: the user of PostgreSQL cannot enter the folder.
    """
    for stale in (data_dir / "postgres" / "postmaster.pid", *socket.glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)
    make_private(socket, child)
    if is_root():
        data_dir.chmod(data_dir.stat().st_mode | 0o011)
    if run(["/bin/sh", "-c", 'cd "$1"', "sh", socket], child).returncode:
        raise StartupError(
            f"PostgreSQL runs as user id {child.get('user')}, which cannot enter {data_dir}: open"
            " the folders above it (chmod o+x) or choose another DATA_DIR."
        )


def make_private(folder: Path, child: dict[str, Any]) -> None:
    """Create a folder that only the user of the child may enter."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    if is_root():
        os.chown(folder, child["user"], child["group"])
