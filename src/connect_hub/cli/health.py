"""`python -m connect_hub.cli.health`: exits with 0 if the server of these settings is alive.

The image's HEALTHCHECK runs it, so it imports no more than the settings.
"""

import sys
from http.client import HTTPConnection, HTTPException

from connect_hub.settings import Settings, StartupError, load

_TIMEOUT = 4  # seconds
_LOOPBACK_FOR = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (where HOST says so)


def is_alive(settings: Settings) -> bool:
    """Ask for /healthz at HOST and PORT; an address that means any is asked on this machine."""
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
