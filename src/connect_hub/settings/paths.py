"""Settings that are paths, and the default of DATA_DIR."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from platformdirs import user_data_path
from pydantic import BeforeValidator


def default_data_dir() -> Path:
    """Return the user's data folder; root and users without a home share one in /var/lib."""
    if os.geteuid() != 0:
        with suppress(RuntimeError):  # this user has no home
            return user_data_path("connect-hub")
    return Path("/var/lib/connect-hub")


def _parse_path(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        path = Path(value.strip()).expanduser()
    except RuntimeError:
        raise ValueError(
            f"takes a path, and the home folder of {value.partition('/')[0]} is not known: write"
            " it in full"
        ) from None
    if not value.strip():
        raise ValueError("takes a path, not blanks")
    return path


FilePath = Annotated[Path, BeforeValidator(_parse_path)]
