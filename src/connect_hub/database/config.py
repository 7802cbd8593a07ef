"""How processes connect to the database: credentials, pool, timeouts and session settings."""

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from connect_hub.database import embedded
from connect_hub.database.connections.tortoise_client import ENGINE
from connect_hub.database.errors import REFUSED, UNAVAILABLE
from connect_hub.database.hosts import connect
from connect_hub.database.url import parse_url, pool_size
from connect_hub.observability import tracing
from connect_hub.settings import Settings, StartupError

_CONNECT_TIMEOUT = timedelta(seconds=10)
_SESSION_TIMEOUTS = {
    "statement_timeout": timedelta(seconds=10),
    "lock_timeout": timedelta(seconds=5),
    "idle_in_transaction_session_timeout": timedelta(seconds=30),
}
# A database or a role may have defaults of its own, which hold unless the session sets them. A
# default of being read-only is kept: providers use it when a disk is full.
_PLANNING = {
    "jit": "off",
    # Statements are prepared once per connection. Planning them anew for each set of values takes
    # longer than running them, and no plan depends on a value.
    "plan_cache_mode": "force_generic_plan",
}
_REQUIRED_SETTINGS = {
    "default_transaction_isolation": "read committed",
    "idle_session_timeout": "0",
    "standard_conforming_strings": "on",
}
_TCP_KEEPALIVE = {  # tcp(7): a connection breaks after 5 seconds without an answer
    "TCP_KEEPIDLE": 2,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 5000,
}
_MODELS = "connect_hub.database.models"

# `aerich migrate --offline` reads it to write a new migration, for which it needs only the models.
AERICH_CONFIG: dict[str, Any] = {
    "connections": {"default": {"engine": ENGINE, "credentials": {}}},
    "apps": {"models": {"models": [_MODELS, "aerich.models"], "default_connection": "default"}},
    "use_tz": True,
    "timezone": "UTC",
}


@dataclass(frozen=True)
class DatabaseConfig:
    """A database: how to connect to it, and how many connections to keep.

    Passwords are callables, so that the repr does not show them.
    """

    connection: dict[str, Any]  # arguments of asyncpg.connect
    pool_size: int  # connections of one process
    prepare: Callable[[Any], Awaitable[None]]  # called with each new connection of the pool

    @property
    def user(self) -> str:
        """The user who connects."""
        return str(self.connection["user"])

    @property
    def database(self) -> str:
        """The name of the database."""
        return str(self.connection["database"])

    @property
    def aerich(self) -> dict[str, Any]:
        """The configuration of Tortoise with aerich's own models, for migrations."""
        pool = {"maxsize": self.pool_size, "prepare": self.prepare}
        default = {"engine": ENGINE, "credentials": self.connection | pool}
        return AERICH_CONFIG | {"connections": {"default": default}}

    @property
    def tortoise(self) -> dict[str, Any]:
        """The configuration of Tortoise."""
        apps = {"models": {"models": [_MODELS], "default_connection": "default"}}
        return self.aerich | {"apps": apps}

    def without_timeouts(self) -> "DatabaseConfig":
        """Return a configuration for long tasks: no timeouts, and one connection."""
        session = self.connection["server_settings"] | dict.fromkeys(_SESSION_TIMEOUTS, "0")
        return replace(
            self,
            connection=self.connection | {"command_timeout": None, "server_settings": session},
            pool_size=1,
        )

    async def connect(self) -> Any:
        """Open a connection outside of the pool.

        Raises:
            StartupError: the database cannot be reached.
        """
        try:
            return await connect(**self.connection)
        except (*UNAVAILABLE, *REFUSED) as error:
            host, port = self.connection["host"], self.connection["port"]
            hosts = host if isinstance(host, str) else ", ".join(host)
            timeout = self.connection["timeout"]
            reason = " ".join(str(error).split()) or f"no answer within {timeout:g} s"
            raise StartupError(
                f"PostgreSQL at {hosts}, port {port}, cannot be used as {self.user} ({reason}):"
                " check that it runs there and that DATABASE_URL is right."
            ) from error


def serving_config(settings: Settings, *, embedded_user: str = embedded.APP_USER) -> DatabaseConfig:
    """Configure connections for serving. Every wait has a timeout.

    What DATABASE_URL sets overrides our own timeouts and sizes.

    Args:
        settings: name the database.
        embedded_user: connects if the database is the embedded one.

    Raises:
        StartupError: DATABASE_URL is invalid.
    """
    size = None
    if settings.database_url is None:
        connection = embedded.credentials(settings.data_dir, embedded_user)
    else:
        url = settings.database_url.get_secret_value()
        connection, size = parse_url(url), pool_size(url)
    session = _session_settings(connection.get("server_settings", {}))
    timeout = {"timeout": _CONNECT_TIMEOUT.total_seconds()}
    return DatabaseConfig(
        connection=timeout | connection | {"server_settings": session},
        pool_size=size or settings.pool_size,
        prepare=partial(_prepare, traced=bool(settings.otel_exporter_otlp_endpoint)),
    )


def direct_config(settings: Settings) -> DatabaseConfig:
    """Configure connections that bypass a pooler: LISTEN needs a session of its own.

    Raises:
        StartupError: DIRECT_DATABASE_URL or DATABASE_URL is invalid.
    """
    url = settings.direct_database_url or settings.database_url
    return serving_config(settings.model_copy(update={"database_url": url}))


def migration_config(settings: Settings) -> DatabaseConfig:
    """Configure connections for migrations: as the owner of the tables, bypassing a pooler.

    Raises:
        StartupError: MIGRATION_DATABASE_URL, or the setting used in its place, is invalid.
    """
    urls = settings.migration_database_url, settings.direct_database_url, settings.database_url
    url = next(filter(None, urls), None)
    owned = settings.model_copy(update={"database_url": url})
    return serving_config(owned, embedded_user=embedded.USER)


def max_connections(settings: Settings) -> int:
    """Count the connections that one server opens: a pool for each worker, and one for LISTEN.

    With a pooler, only those for LISTEN count: the pooler has connections of its own.
    """
    if settings.direct_database_url:
        return settings.workers
    return settings.workers * (serving_config(settings).pool_size + 1)


def _session_settings(from_url: dict[str, str]) -> dict[str, str]:
    timeouts = {
        name: f"{timeout / timedelta(milliseconds=1):.0f}"
        for name, timeout in _SESSION_TIMEOUTS.items()
    }
    defaults = {"application_name": "connect-hub", "timezone": "UTC", **_PLANNING, **timeouts}
    return {**defaults, **from_url, **_REQUIRED_SETTINGS}


async def _prepare(connection: Any, *, traced: bool) -> None:
    _set_keepalive(connection)
    if traced:
        await tracing.trace_connection(connection)


def _set_keepalive(connection: Any) -> None:
    """Let the operating system break a connection whose peer has disappeared.

    A failover or a firewall can cause this; each statement would wait for its timeout.
    """
    opened = connection._transport.get_extra_info("socket")  # noqa: SLF001 (asyncpg does too)
    if opened.family == socket.AF_UNIX:
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_KEEPALIVE.items():
        if option := getattr(socket, name, None):  # not every system has all of them
            opened.setsockopt(socket.IPPROTO_TCP, option, value)
