"""Runs PostgreSQL's programs: as which user, in which environment, with which log."""

import os
import pwd
import re
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from connect_hub.settings import StartupError


def child_options(data_dir: Path, lock: int, at_exit: ExitStack) -> dict[str, Any]:
    """Return the options of `subprocess` for children: clean environment, the lock, never as root.

    Args:
        data_dir: the log is written here; the previous one is kept as `postgres.log.1`.
        lock: file descriptor that the children inherit.
        at_exit: closes the log.
    """
    log = data_dir / "postgres.log"
    if log.exists():
        log.replace(data_dir / "postgres.log.1")
    log.touch(mode=0o600)
    options: dict[str, Any] = {
        "cwd": "/",
        "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
        "pass_fds": (lock,),
        "start_new_session": True,
        "stderr": at_exit.enter_context(log.open("ab")),
    }
    if is_root():
        uid, gid = _unprivileged_user(data_dir / "postgres")
        options |= {"user": uid, "group": gid, "extra_groups": ()}
    return options


def _unprivileged_user(database: Path) -> tuple[int, int]:
    if database.exists() and (status := database.stat()).st_uid:
        return status.st_uid, status.st_gid
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)[2:4]
    raise StartupError(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody:"
        " run connect-hub as an ordinary user or set DATABASE_URL."
    )


def is_root() -> bool:
    """Return whether this process is root; PostgreSQL refuses to run as root."""
    return os.geteuid() == 0


def run(command: list[str | Path], child: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run a program until it ends, and capture its output and errors."""
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
    return subprocess.run(command, check=False, **child | output)  # noqa: S603 (our own command)


def error_line(output: str) -> str:
    """Find the line of an output that explains a failure: the first error, else the last line."""
    lines = output.splitlines()
    errors = [line for line in lines if re.search("FATAL|PANIC|error:", line)]
    return (errors or lines[-1:] or ["no output"])[0]
