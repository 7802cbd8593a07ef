"""`python -m connect_hub.cli.health`: exits with 0 if the server is alive.

The image's HEALTHCHECK runs it often, so it imports only the settings.
"""

import sys
from http.client import HTTPConnection, HTTPException

from connect_hub.settings import Settings, StartupError, load

_TIMEOUT = 4  # seconds
_LOOPBACK_FOR = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (only compared)


def is_alive(settings: Settings) -> bool:
    """Return whether /healthz responds at HOST and PORT; 0.0.0.0 and :: mean loopback."""
    connection = HTTPConnection(
        _LOOPBACK_FOR.get(settings.host, settings.host), settings.port, timeout=_TIMEOUT
    )
    connection.request("GET", "/healthz")
    return connection.getresponse().status == 200  # noqa: PLR2004 (OK)


if __name__ == "__main__":
    try:
        sys.exit(not is_alive(load()))
    except (OSError, HTTPException, StartupError) as error:
        sys.exit(str(error))
