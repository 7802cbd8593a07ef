"""The database: how Tortoise reaches it, when it does not answer, and its migrations."""

import os
import socket
from datetime import timedelta
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import Any

import asyncpg
from tortoise.context import TortoiseContext, require_context
from tortoise.exceptions import BaseORMException
from tortoise.transactions import in_transaction

from connect_hub.database import checks, embedded, privileges
from connect_hub.database.connections import fetch
from connect_hub.database.url import credentials, pool_size
from connect_hub.observability import tracing
from connect_hub.settings import Settings, StartupError

# The database does not answer, or not now: nobody's fault who asked, and worth another try.
UNAVAILABLE: tuple[type[Exception], ...] = (
    OSError,  # refused, lost, reset, no such host, TLS; TimeoutError, Tortoise's DBConnectionError
    asyncpg.InterfaceError,  # the connection or the pool is closed
    asyncpg.InternalClientError,  # the connection was lost, and asyncpg notices it just now
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting, a statement cancelled or timed out
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.PostgresSystemError,  # the disk fails
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a server that is fenced off
    asyncpg.ProgramLimitExceededError,  # no transaction ids are left
    asyncpg.SerializationError,  # a standby needed what a statement read
    asyncpg.DeadlockDetectedError,
    asyncpg.StatementCompletionUnknownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,  # we are not let in
    asyncpg.InsufficientPrivilegeError,  # rights were revoked, as providers do at a quota
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # the database takes no connections
)

# It answers that it does not do what it was asked, or its address cannot even be written.
REFUSED: tuple[type[Exception], ...] = (asyncpg.PostgresError, BaseORMException, UnicodeError)

_TRANSACTION_TIMEOUT_SINCE = 17  # major version of PostgreSQL
MIGRATION_LOCK = 7_264_938_120_556_193  # any number, the same for all replicas

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
    return _config(said) | {"apps": apps}


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
    return config | {"connections": _config(said)["connections"]}


async def migrate(config: dict[str, Any], *, served_by: dict[str, Any] | None = None) -> list[str]:
    """Apply the migrations that are missing and name them; any number may call it at once.

    It uses connections of its own, without the bounds set for serving. Migrations of a newer
    version that the database already has are left alone. An empty database gets all or none.

    Args:
        config: connects as the owner of the tables.
        served_by: connects as the application. If that is another user, it is created where it
            does not exist, and granted what it needs.

    Raises:
        StartupError: the database cannot be reached, or is not as it must be, or the user may not
            change it.
    """
    said = for_one_task(config)["connections"]["default"]["credentials"]
    application = (served_by or config)["connections"]["default"]["credentials"]
    config = _config(said | {"init": _lift_transaction_timeout})
    owner = await connect(said)
    try:
        checks.require(await checks.examine(owner.fetch))
        await owner.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        async with TortoiseContext() as context:
            await context.init(config)
            if application["user"] == said["user"]:
                return await _upgrade(config, owner)
            await privileges.create_role(owner, application["user"], _password(application))
            await privileges.grant_later_tables(owner, application["user"])
            applied = await _upgrade(config, owner)
            await privileges.grant(owner, application["user"], tables())
    except (*UNAVAILABLE, *REFUSED) as error:
        raise StartupError(_why_not(error, said)) from error
    finally:
        await owner.close()
    return applied


async def _upgrade(config: dict[str, Any], owner: Any) -> list[str]:
    """Let aerich upgrade; an empty database in one transaction, since aerich commits each file."""
    from aerich import Command  # noqa: PLC0415 - serving does without it

    names = _migration_names()
    applied = await _applied(owner)
    if applied.issuperset(names):
        return []
    checks.require([await checks.writes(owner.fetch)])
    command = Command(config, location=str(_migrations()))
    await command.init()
    if applied:
        return await command.upgrade()
    async with in_transaction() as transaction:
        for name in names:
            await command._upgrade(transaction, name)  # noqa: SLF001 (its own loop would commit)
    return names


async def _applied(connection: Any) -> set[str]:
    try:
        rows = await connection.fetch("SELECT version FROM aerich WHERE app = 'models'")
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):  # not ours, or none
        return set()
    return {row["version"] for row in rows}


def _why_not(error: Exception, said: dict[str, Any]) -> str:
    reason = " ".join(str(error).split())
    match error.__cause__ or error:
        case asyncpg.InsufficientPrivilegeError():
            return (
                f"The user {said['user']} may not change the database {said['database']}"
                f" ({reason}): run connect-hub migrate with MIGRATION_DATABASE_URL, which takes the"
                " URL of the owner of the tables."
            )
        case (
            asyncpg.DuplicateTableError()
            | asyncpg.DuplicateObjectError()
            | asyncpg.DuplicateFunctionError()
        ):
            return (
                f"The database {said['database']} is used by something else ({reason}):"
                " give Connect Hub a database or a schema of its own."
            )
    return (
        f"The database {said['database']} cannot be migrated ({reason}): put that right, and start"
        " again."
    )


def _password(said: dict[str, Any]) -> str | None:
    """Find the password that a connection would use."""
    password: str | None = said["password"]() if "password" in said else os.getenv("PGPASSWORD")
    if password and not password.isascii():
        raise StartupError(
            f"DATABASE_URL has a password that is not ASCII, and there is no user {said['user']}:"
            " create it by CREATE ROLE, or choose another password."
        )
    return password or None


async def check(settings: Settings) -> None:
    """Check what the server finds in the database, as the user it serves as.

    Raises:
        StartupError: the database cannot be reached, or is not as it must be.
    """
    connection = await connect(direct_config(settings)["connections"]["default"]["credentials"])
    try:
        findings = await checks.examine(connection.fetch, connections=most_connections(settings))
    finally:
        await connection.close()
    checks.require(findings)


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


_MIGRATED = "SELECT FROM aerich WHERE app = 'models' AND version = $1"
# It locks no row, but PostgreSQL refuses it where rows could not be changed.
_WRITABLE = "NOT EXISTS (SELECT FROM session WHERE false FOR KEY SHARE)"


async def is_migrated() -> bool:
    """Tell whether the database that Tortoise is connected to has our newest migration."""
    return await _has_rows(_MIGRATED)


async def is_ready() -> bool:
    """Tell whether it is migrated, in the same statement that would fail where it takes no writes.

    Raises:
        Exception: one of UNAVAILABLE.
    """
    return await _has_rows(f"{_MIGRATED} AND {_WRITABLE}")


async def _has_rows(sql: str) -> bool:
    try:
        return bool(await fetch(sql, _migration_names()[-1]))
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):  # not ours, or none
        return False


def tables() -> list[str]:
    """Name the tables of the models that Tortoise was configured with."""
    apps: Any = require_context().apps
    return [model._meta.db_table for model in apps["models"].values()]  # noqa: SLF001 (Tortoise has no name for it)


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


def _config(said: dict[str, Any]) -> dict[str, Any]:
    connection = {"engine": "tortoise.backends.asyncpg", "credentials": said}
    return AERICH_CONFIG | {"connections": {"default": connection}}


async def _lift_transaction_timeout(connection: Any) -> None:
    if connection.get_server_version().major >= _TRANSACTION_TIMEOUT_SINCE:
        await connection.execute("SET transaction_timeout = 0")


@cache
def _migration_names() -> list[str]:
    names = (file.name for file in _migrations().glob("models/[0-9]*_*.py"))
    return sorted(names, key=lambda name: int(name.partition("_")[0]))


def _migrations() -> Path:
    package = Path(__file__).parents[1]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"
