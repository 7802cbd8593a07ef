"""How processes of PostgreSQL are run: as whom, and where they write."""

import os
import pwd
import re
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from connect_hub.settings import StartupError


def child_options(data_dir: Path, lock: int, at_exit: ExitStack) -> dict[str, Any]:
    """Say how children run: with a clean environment, the lock, and never as root."""
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
    if is_root():  # as whom PostgreSQL refuses to run
        uid, gid = _unprivileged(data_dir / "postgres")
        options |= {"user": uid, "group": gid, "extra_groups": ()}
    return options


def _unprivileged(database: Path) -> tuple[int, int]:
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
    """Tell whether this is root, as whom PostgreSQL refuses to run."""
    return os.geteuid() == 0


def run(command: list[str | Path], child: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and keep all it says."""
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
    return subprocess.run(command, check=False, **child | output)  # noqa: S603 (of our own)


def last_words(said: str) -> str:
    """Find the line of a log that says why."""
    lines = said.splitlines()
    fatal = [line for line in lines if re.search("FATAL|PANIC|error:", line)]
    return (fatal or lines[-1:] or ["nothing"])[0]  # what follows the first is its consequence
