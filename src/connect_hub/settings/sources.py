"""Where settings come from: the environment and the file `.env`."""

import os
import re
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from connect_hub.settings.errors import StartupError

# Kubernetes sets NAME_PORT for each Service: METRICS_PORT=tcp://10.0.0.1:9000 for the Service
# `metrics`.
_SERVICE = re.compile(r"(tcp|udp|sctp)://")

# Old names of settings. Their values still count, so that an upgrade does not change them.
RENAMED = {
    "stop_delay": "shutdown_delay",
    "stop_within": "shutdown_timeout",
    "unknown_invitations_per_client": "unknown_invitations",
}


class Environment(EnvSettingsSource):
    """The environment without the variables that Kubernetes sets for Services."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return _settings(
            (name, value)
            for name, value in super()._load_env_vars().items()
            if not _SERVICE.match(value or "")
        )


class EnvFile(DotEnvSettingsSource):
    """The file `.env`, whose values are used as written: `$` is a dollar sign."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        file = self.env_file
        return _settings(read_env_file(Path(file))) if isinstance(file, str | Path) else {}


def _settings(variables: Iterable[tuple[str, str | None]]) -> Mapping[str, str | None]:
    """Leave out blank values, which stand for the default, and give old names their new name."""
    found = {name: value for name, value in variables if value and value.strip()}
    return {new: found[old] for old, new in RENAMED.items() if old in found} | found


def renamed_settings() -> list[str]:
    """Return one line with the new name of each setting that is set by its old name.

    Raises:
        StartupError: `.env` cannot be read.
    """
    variables = [*os.environ.items(), *read_env_file(Path(".env"))]
    names = _settings((name.lower(), value) for name, value in variables)
    return [
        f"{old.upper()} is now called {new.upper()}: rename it."
        for old, new in RENAMED.items()
        if old in names
    ]


def read_env_file(path: Path) -> list[tuple[str, str | None]]:
    """Read the names, in lower case, and the values; a missing file counts as empty.

    Raises:
        StartupError: the file cannot be read, is not UTF-8, or has a line that cannot be parsed.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StartupError(
            f"{path} cannot be read ({error.strerror}): make it a file that this user may read, or"
            " remove it."
        ) from None
    except UnicodeDecodeError:
        raise StartupError(f"{path} is not text in UTF-8: save it as UTF-8.") from None
    lines = list(parse_stream(StringIO(text)))
    for line in lines:
        if line.error or "\0" in line.original.string:
            raise StartupError(
                f"{path}, line {line.original.line}, cannot be parsed: write NAME=value, and"
                " values with spaces, quotes or # in single quotes."
            )
    return [(line.key.lower(), line.value) for line in lines if line.key]
