"""How uvicorn serves: with our protocols, and without what it would add."""

from typing import Any

from connect_hub.server.http_protocol import BoundedProtocol
from connect_hub.server.websocket_protocol import (
    MAX_MESSAGE,
    PING_EVERY,
    PONG_WITHIN,
    BoundedSocket,
)

OPTIONS: dict[str, Any] = {
    "http": BoundedProtocol,
    "ws": BoundedSocket,
    "ws_max_size": MAX_MESSAGE,
    "ws_ping_interval": PING_EVERY.total_seconds(),
    "ws_ping_timeout": PONG_WITHIN.total_seconds(),
    "ws_per_message_deflate": False,  # it takes more memory than all else of an idle socket
    "loop": "uvloop",
    "log_config": None,
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
}
