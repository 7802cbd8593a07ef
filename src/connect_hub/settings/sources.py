"""Where settings come from: the environment, and the file `.env`."""

import re
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

# Kubernetes sets NAME_PORT for each Service, such as METRICS_PORT=tcp://10.0.0.1:9000 for one that
# is named metrics.
_SERVICE = re.compile(r"(tcp|udp|sctp)://")


class EnvFileError(Exception):
    """The file `.env` cannot be used; the message is a sentence that says what to do."""


class Environment(EnvSettingsSource):
    """The environment, without the variables that Kubernetes sets for Services."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return _without_blanks(
            (name, value)
            for name, value in super()._load_env_vars().items()
            if not _SERVICE.match(value or "")
        )


class EnvFile(DotEnvSettingsSource):
    """The file `.env`, whose values are taken as they are written: `$` is a dollar sign."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        file = self.env_file
        return _without_blanks(read_env_file(Path(file))) if isinstance(file, str | Path) else {}


def _without_blanks(variables: Iterable[tuple[str, str | None]]) -> Mapping[str, str | None]:
    """Leave out what is empty: it stands for the default."""
    return {name: value for name, value in variables if value and value.strip()}


def read_env_file(path: Path) -> list[tuple[str, str | None]]:
    """Read names, in lower case, and values; a file that does not exist has none.

    Raises:
        EnvFileError: it cannot be read, is not UTF-8, or has a line that is not understood.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EnvFileError(
            f"{path} cannot be read ({error.strerror}): make it a file that this user may read, or"
            " remove it."
        ) from None
    except UnicodeDecodeError:
        raise EnvFileError(f"{path} is not text in UTF-8: save it as UTF-8.") from None
    lines = list(parse_stream(StringIO(text)))
    for line in lines:
        if line.error or "\0" in line.original.string:
            raise EnvFileError(
                f"{path}, line {line.original.line}, is not understood: write NAME=value, and"
                " values with spaces, quotes or # in single quotes."
            )
    return [(line.key.lower(), line.value) for line in lines if line.key]
