"""How Tortoise reaches the database: pool, timeouts, session settings."""

import socket
from datetime import timedelta
from functools import partial
from math import inf
from typing import Any

import asyncpg

from connect_hub.database import embedded
from connect_hub.database.errors import REFUSED, UNAVAILABLE
from connect_hub.database.url import credentials, pool_size
from connect_hub.observability import tracing
from connect_hub.settings import Settings, StartupError

_POOL = {
    "minsize": 10,  # nobody waits for one to be opened; what is lost comes back by itself
    "maxsize": 10,
    "max_queries": inf,  # no connection is ended for its age
    "max_inactive_connection_lifetime": 0,  # or because it rests
}
_CONNECT_TIMEOUT = timedelta(seconds=10)
_BOUNDS = {
    "statement_timeout": timedelta(seconds=10),
    "lock_timeout": timedelta(seconds=5),
    "idle_in_transaction_session_timeout": timedelta(seconds=30),
}
# Defaults of a database or role hold in every session that does not set them itself. A default of
# being read-only is left alone: providers fence a full disk off with it.
_NEEDED = {
    "default_transaction_isolation": "read committed",
    "idle_session_timeout": "0",
    "standard_conforming_strings": "on",
}
_SILENCE = {  # tcp(7): 5 seconds of it
    "TCP_KEEPIDLE": 2,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 5000,
}

# For `aerich migrate --offline`, which makes a new migration: it needs the models only.
AERICH_CONFIG: dict[str, Any] = {
    "connections": {"default": {"engine": "tortoise.backends.asyncpg", "credentials": {}}},
    "apps": {
        "models": {
            "models": ["connect_hub.database.models", "aerich.models"],
            "default_connection": "default",
        }
    },
    "use_tz": True,
    "timezone": "UTC",
}


def tortoise_config(
    settings: Settings, *, embedded_user: str = embedded.APP_USER
) -> dict[str, Any]:
    """Configure Tortoise for serving: the database of the settings, bounded in every wait.

    What DATABASE_URL says wins over our own bounds.

    Raises:
        StartupError: DATABASE_URL is wrong.
    """
    if settings.database_url is None:
        said = embedded.credentials(settings.data_dir, embedded_user)
    else:
        url = settings.database_url.get_secret_value()
        said = credentials(url) | pool_size(url)
    said = {
        **_POOL,
        "timeout": _CONNECT_TIMEOUT.total_seconds(),
        "reset": _keep_session,
        "init": partial(_prepare, traced=bool(settings.otel_exporter_otlp_endpoint)),
        **said,
        "server_settings": _session(said),
    }
    apps = {"models": {"models": ["connect_hub.database.models"], "default_connection": "default"}}
    return config_with(said) | {"apps": apps}


def most_connections(settings: Settings) -> int:
    """Tell how many connections one server opens at most: each worker a pool, and to listen.

    Past a pooler it is only those that listen: the pooler has connections of its own.
    """
    if settings.direct_database_url:
        return settings.workers
    pool: int = tortoise_config(settings)["connections"]["default"]["credentials"]["maxsize"]
    return settings.workers * (pool + 1)


def for_one_task(config: dict[str, Any]) -> dict[str, Any]:
    """Take one connection and lift the bounds, for what may take its time."""
    said = config["connections"]["default"]["credentials"]
    session = {**said["server_settings"], **dict.fromkeys(_BOUNDS, "0")}
    pool = {"minsize": 1, "maxsize": 1}
    said = {**said, **pool, "command_timeout": None, "server_settings": session}
    return config | {"connections": config_with(said)["connections"]}


async def connect(said: dict[str, Any]) -> Any:
    """Open a connection of its own, by the credentials of a configuration.

    Raises:
        StartupError: the database cannot be reached.
    """
    known = said.keys() - _POOL.keys() - {"reset", "init"}
    try:
        return await asyncpg.connect(**{name: said[name] for name in known})
    except (*UNAVAILABLE, *REFUSED) as error:
        hosts = [said["host"]] if isinstance(said["host"], str) else said["host"]
        reason = " ".join(str(error).split()) or f"no answer within {said['timeout']:g} s"
        raise StartupError(
            f"PostgreSQL at {', '.join(hosts)}, port {said['port']}, cannot be used as"
            f" {said['user']} ({reason}): check that it runs there and that DATABASE_URL is right."
        ) from error


def direct_config(settings: Settings) -> dict[str, Any]:
    """Configure Tortoise for what needs a session, past a pooler: LISTEN.

    Raises:
        StartupError: DIRECT_DATABASE_URL or DATABASE_URL is wrong.
    """
    url = settings.direct_database_url or settings.database_url
    return tortoise_config(settings.model_copy(update={"database_url": url}))


def migration_config(settings: Settings) -> dict[str, Any]:
    """Configure Tortoise for migrations: as the owner of the tables, past a pooler.

    Raises:
        StartupError: MIGRATION_DATABASE_URL or what stands in for it is wrong.
    """
    urls = settings.migration_database_url, settings.direct_database_url, settings.database_url
    url = next(filter(None, urls), None)
    owned = settings.model_copy(update={"database_url": url})
    return tortoise_config(owned, embedded_user=embedded.USER)


async def _keep_session(_connection: object) -> None:
    """Spare a round trip at each release: no session state is used.

    asyncpg itself rolls a transaction back that was left open, before it calls this.
    """


async def _prepare(connection: Any, *, traced: bool) -> None:
    _notice_silence(connection)
    if traced:
        await tracing.trace_connection(connection)


def _notice_silence(connection: Any) -> None:
    """Let the system break a connection whose other end has gone without a word.

    A failover or a firewall may leave one behind; each statement on it would wait for its timeout.
    """
    opened = connection._transport.get_extra_info("socket")  # noqa: SLF001 (asyncpg does too)
    if opened.family == socket.AF_UNIX:
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SILENCE.items():
        if option := getattr(socket, name, None):  # not every system has them
            opened.setsockopt(socket.IPPROTO_TCP, option, value)


def _session(said: dict[str, Any]) -> dict[str, str]:
    bounds = {name: f"{bound / timedelta(milliseconds=1):.0f}" for name, bound in _BOUNDS.items()}
    ours = {"application_name": "connect-hub", "timezone": "UTC", "jit": "off", **bounds}
    return {**ours, **said.get("server_settings", {}), **_NEEDED}


def config_with(said: dict[str, Any]) -> dict[str, Any]:
    """Configure Tortoise by the credentials of a connection."""
    connection = {"engine": "tortoise.backends.asyncpg", "credentials": said}
    return AERICH_CONFIG | {"connections": {"default": connection}}
