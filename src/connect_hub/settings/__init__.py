"""Settings, read from the environment or a file `.env`.

A wrong or missing setting stops the start with one line that names it.
"""

from pathlib import Path

from pydantic import ValidationError

from connect_hub.settings.audiences import Audience
from connect_hub.settings.durations import Rate
from connect_hub.settings.errors import StartupError
from connect_hub.settings.model import LONG_CODE, SIMULATED, InvitedPhones, Settings
from connect_hub.settings.phones import DOCUMENTED_NUMBERS, TestPhone
from connect_hub.settings.sources import read_env_file, renamed_settings
from connect_hub.settings.webhooks import EVENT_TYPES, Endpoint, canonical_url

__all__ = [
    "DOCUMENTED_NUMBERS",
    "EVENT_TYPES",
    "LONG_CODE",
    "SIMULATED",
    "Audience",
    "Endpoint",
    "InvitedPhones",
    "Rate",
    "Settings",
    "StartupError",
    "TestPhone",
    "canonical_url",
    "load",
    "load_to_serve",
    "renamed_settings",
]


def load_to_serve() -> Settings:
    """Read the settings of a server, which must limit how many SMS it sends.

    Raises:
        StartupError: one line about the first setting that is wrong or missing.
    """
    settings = load()
    if settings.has_gateway and settings.sends_total is None:
        raise StartupError(
            "SENDS_TOTAL must be set if SMS_URLS names a gateway, since each SMS costs money:"
            " a rate such as 2000/day, or none for no limit."
        )
    return settings


def load() -> Settings:
    """Read the settings.

    Raises:
        StartupError: one line about the first setting that is wrong or missing.
    """
    read_env_file(Path(".env"))  # pydantic-settings reads it too, but without helpful errors
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else ""
        message = first["msg"].removeprefix("Value error, ")
        raise StartupError(f"{name}: {message}." if name else f"{message}.") from None
