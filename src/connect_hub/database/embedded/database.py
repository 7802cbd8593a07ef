"""The database itself: made once, and only run by the major version that made it."""

import os
import pwd
import shutil
from pathlib import Path
from typing import Any

from connect_hub.database.embedded.folder import make_private
from connect_hub.database.embedded.processes import last_words, run
from connect_hub.settings import StartupError

_INITDB = (
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"),
    *("--auth=trust", "--no-instructions"),
)


def create_database(data_dir: Path, binaries: Path, user: str, child: dict[str, Any]) -> None:
    """Make the database; one that was interrupted is made anew."""
    _check_name()
    new = data_dir / "postgres.new"
    if new.exists():
        shutil.rmtree(new)
    make_private(new, child)
    made = run([binaries / "initdb", "-D", new, f"--username={user}", *_INITDB], child)
    if made.returncode:
        raise StartupError(
            f"PostgreSQL cannot create a database in {data_dir} ({last_words(made.stdout)}): put"
            " that right, or choose another DATA_DIR."
        )
    new.rename(data_dir / "postgres")
    parent = os.open(data_dir, os.O_RDONLY)
    os.fsync(parent)  # a name lost with the power would be taken for an interrupted initdb
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
    """Refuse a database that another major version made."""
    found = (data_dir / "postgres" / "PG_VERSION").read_text().strip()
    if found != major:
        raise StartupError(
            f"DATA_DIR {data_dir} is of PostgreSQL {found}, and PostgreSQL {major} is installed:"
            " install the older connect-hub and move the data with pg_dump, or choose another"
            " DATA_DIR."
        )
