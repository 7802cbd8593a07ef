"""DATA_DIR: whose it is, and who may enter."""

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

_POLL = timedelta(milliseconds=20)


class InUseError(StartupError):
    """Another process owns the folder."""


@contextmanager
def claimed(data_dir: Path, patience: timedelta) -> Iterator[int]:
    """Own the folder; give the lock, which all that runs for the owner inherits."""
    lock = os.open(data_dir / "postgres.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + patience.total_seconds()
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise InUseError(
                    f"{data_dir} is in use by another connect-hub; stop it or choose another"
                    " DATA_DIR."
                )
            time.sleep(_POLL.total_seconds())
        yield lock
    finally:
        os.close(lock)  # no LOCK_UN, which would unlock for those who inherited it too


def _locked(lock: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def make_way(data_dir: Path, socket: Path, child: dict[str, Any]) -> None:
    """Remove what a killed PostgreSQL left, which is safe under the lock; let the next one in."""
    for left in (data_dir / "postgres" / "postmaster.pid", *socket.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)
    make_private(socket, child)
    if is_root():
        data_dir.chmod(data_dir.stat().st_mode | 0o011)
    if run(["/bin/sh", "-c", 'cd "$1"', "sh", socket], child).returncode:
        raise StartupError(
            f"PostgreSQL runs as user id {child.get('user')}, which cannot enter {data_dir}: open"
            " the folders above it (chmod o+x) or choose another DATA_DIR."
        )


def make_private(folder: Path, child: dict[str, Any]) -> None:
    """Make a folder that only the child may enter."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    if is_root():
        os.chown(folder, child["user"], child["group"])
