"""The files of the database: created once, and only used by the major version that made them."""

import os
import pwd
import shutil
from pathlib import Path
from typing import Any

from connect_hub.database.embedded.folder import make_private
from connect_hub.database.embedded.processes import error_line, run
from connect_hub.settings import StartupError

_INITDB = (
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"),
    *("--auth=trust", "--no-instructions"),
)


def create_database(data_dir: Path, binaries: Path, user: str, child: dict[str, Any]) -> None:
    """Create the database; start again if an earlier attempt was interrupted."""
    _check_name()
    new = data_dir / "postgres.new"
    if new.exists():
        shutil.rmtree(new)
    make_private(new, child)
    made = run([binaries / "initdb", "-D", new, f"--username={user}", *_INITDB], child)
    if made.returncode:
        raise StartupError(
            f"PostgreSQL cannot create a database in {data_dir} ({error_line(made.stdout)}):"
            " fix that, or choose another DATA_DIR."
        )
    new.rename(data_dir / "postgres")
    parent = os.open(data_dir, os.O_RDONLY)
    os.fsync(parent)  # else a power cut could undo the rename, and the database would be removed
    os.close(parent)


def _check_name() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise StartupError(
            f"initdb refuses user id {os.geteuid()}, which has no name here: add it to /etc/passwd,"
            " run connect-hub as another user, or set DATABASE_URL."
        ) from None


def check_major(data_dir: Path, major: str) -> None:
    """Reject a database that another major version created.

    Raises:
        StartupError: another major version created it.
    """
    found = (data_dir / "postgres" / "PG_VERSION").read_text().strip()
    if found != major:
        raise StartupError(
            f"DATA_DIR {data_dir} was created by PostgreSQL {found}, and PostgreSQL {major} is"
            " installed: install the older connect-hub and move the data with pg_dump, or choose"
            " another DATA_DIR."
        )
