"""Options for uvicorn: our protocols, and no headers or log lines of its own."""

from typing import Any

from connect_hub.server.http_protocol import LimitedHTTPProtocol
from connect_hub.server.websocket_protocol import (
    MAX_MESSAGE,
    PING_INTERVAL,
    PONG_TIMEOUT,
    LimitedWebSocketProtocol,
)

OPTIONS: dict[str, Any] = {
    "http": LimitedHTTPProtocol,
    "ws": LimitedWebSocketProtocol,
    "ws_max_size": MAX_MESSAGE,
    "ws_ping_interval": PING_INTERVAL.total_seconds(),
    "ws_ping_timeout": PONG_TIMEOUT.total_seconds(),
    "ws_per_message_deflate": False,  # it takes more memory than the rest of an idle WebSocket
    "loop": "uvloop",
    "log_config": None,
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
}
