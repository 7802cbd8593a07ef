"""Applies migrations, one process at a time, and checks whether the newest one is applied."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
from tortoise.context import TortoiseContext, require_context
from tortoise.transactions import in_transaction

from connect_hub.database import behaviour, checks, privileges
from connect_hub.database.config import DatabaseConfig
from connect_hub.database.connections import fetch
from connect_hub.database.errors import REFUSED, UNAVAILABLE
from connect_hub.database.findings import require
from connect_hub.settings import StartupError

MIGRATION_LOCK = 7_264_938_120_556_193  # an arbitrary number, the same for all servers
_TRANSACTION_TIMEOUT_SINCE = 17  # major version of PostgreSQL


async def migrate(config: DatabaseConfig, *, served_by: DatabaseConfig | None = None) -> list[str]:
    """Apply the missing migrations and return their names. Several processes may call it at once.

    It uses its own connections, without the timeouts for serving. It ignores migrations of newer
    versions that the database already has. An empty database gets all migrations or none.

    Args:
        config: connects as the owner of the tables.
        served_by: connects as the application. If that is another user, it is created if missing,
            and granted the privileges that it lacks.

    Raises:
        StartupError: the database cannot be reached or does not meet the requirements, or the user
            may not change it.
    """
    config = config.without_timeouts()
    application = served_by or config
    owner = await config.connect()
    try:
        await _lift_transaction_timeout(owner)
        require([await behaviour.examine(owner, config)])
        require(await checks.examine(owner.fetch))
        await owner.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        async with TortoiseContext() as context:
            aerich_config = _without_transaction_timeout(config).aerich
            await context.init(aerich_config)
            if application.user == config.user:
                applied = await _upgrade(aerich_config, owner)
            else:
                await privileges.create_role(owner, application.user, _password(application))
                await privileges.grant_later_tables(owner, application.user)
                applied = await _upgrade(aerich_config, owner)
                await privileges.grant(owner, application.user, table_names())
        require([await behaviour.examine_triggers(owner)])
    except (*UNAVAILABLE, *REFUSED) as error:
        raise StartupError(_explain(error, config)) from error
    finally:
        await owner.close()
    return applied


async def _upgrade(config: dict[str, Any], owner: Any) -> list[str]:
    """Run aerich. An empty database is migrated in one transaction: aerich commits each file."""
    from aerich import Command  # noqa: PLC0415 - serving does not need it

    names = _migration_names()
    applied = await _applied(owner)
    if applied.issuperset(names):
        return []
    require([await checks.writes(owner.fetch)])
    command = Command(config, location=str(_migrations()))
    await command.init()
    if applied:
        return await command.upgrade()
    async with in_transaction() as transaction:
        for name in names:
            await command._upgrade(transaction, name)  # noqa: SLF001 (its own loop commits each file)
        async with transaction.acquire_connection() as connection:
            require([await behaviour.examine_triggers(connection)])
    return names


async def _applied(connection: Any) -> set[str]:
    try:
        rows = await connection.fetch("SELECT version FROM aerich WHERE app = 'models'")
    except (
        asyncpg.UndefinedTableError,
        asyncpg.UndefinedColumnError,
    ):  # empty, or another program's
        return set()
    return {row["version"] for row in rows}


def _explain(error: Exception, config: DatabaseConfig) -> str:
    reason = " ".join(str(error).split())
    match error.__cause__ or error:
        case asyncpg.InsufficientPrivilegeError():
            return (
                f"The user {config.user} may not change the database {config.database}"
                f" ({reason}): run connect-hub migrate with MIGRATION_DATABASE_URL, which takes the"
                " URL of the owner of the tables."
            )
        case (
            asyncpg.DuplicateTableError()
            | asyncpg.DuplicateObjectError()
            | asyncpg.DuplicateFunctionError()
        ):
            return (
                f"The database {config.database} is used by another program ({reason}):"
                " give Connect Hub a database or a schema of its own."
            )
    return (
        f"The database {config.database} cannot be migrated ({reason}): fix that, and start again."
    )


def _password(config: DatabaseConfig) -> str | None:
    """Return the password with which the application connects."""
    given = config.connection.get("password")
    password: str | None = given() if given else os.getenv("PGPASSWORD")
    if password and not password.isascii():
        raise StartupError(
            f"DATABASE_URL has a password that is not ASCII, and there is no user {config.user}:"
            " create it with CREATE ROLE, or choose another password."
        )
    return password or None


_MIGRATED = "SELECT FROM aerich WHERE app = 'models' AND version = $1"
# Locks no row, but PostgreSQL rejects the clause in read-only transactions.
_WRITABLE = "NOT EXISTS (SELECT FROM session WHERE false FOR KEY SHARE)"


async def is_migrated() -> bool:
    """Return whether the newest migration is applied to the database of Tortoise."""
    return await _has_rows(_MIGRATED)


async def is_ready() -> bool:
    """Return whether the database is migrated and accepts writes, with one statement.

    Raises:
        Exception: one of UNAVAILABLE, also if the database is read-only.
    """
    return await _has_rows(f"{_MIGRATED} AND {_WRITABLE}")


async def _has_rows(sql: str) -> bool:
    try:
        return bool(await fetch(sql, _migration_names()[-1]))
    except (
        asyncpg.UndefinedTableError,
        asyncpg.UndefinedColumnError,
    ):  # empty, or another program's
        return False


def table_names() -> list[str]:
    """Return the tables of the models that Tortoise is configured with."""
    apps: Any = require_context().apps
    return [model._meta.db_table for model in apps["models"].values()]  # noqa: SLF001 (Tortoise has no public name for it)


def _without_transaction_timeout(config: DatabaseConfig) -> DatabaseConfig:
    return replace(config, prepare=_lift_transaction_timeout)


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
