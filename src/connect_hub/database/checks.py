"""Requirements of the database, checked at each start and by `connect-hub doctor`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from connect_hub.database import behaviour
from connect_hub.database.config import direct_config, max_connections, serving_config
from connect_hub.database.errors import REFUSED, UNAVAILABLE
from connect_hub.database.findings import Finding, require
from connect_hub.settings import Settings, StartupError

MIN_VERSION = 15  # of PostgreSQL; older major versions get no more fixes
TESTED_VERSION = 18

Row = Mapping[str, Any]
Fetch = Callable[[str], Awaitable[list[Any]]]  # runs a statement


# The limits of roles and databases do not apply to superusers.
_FACTS = """
    SELECT current_setting('server_version_num')::int / 10000 AS major,
           pg_encoding_to_char(encoding) AS encoding,
           session_user AS user,
           current_schema() AS schema,
           current_setting('search_path') AS search_path,
           current_setting('default_transaction_isolation') AS isolation,
           current_setting('session_replication_role') AS replication_role,
           current_setting('synchronous_commit') AS synchronous_commit,
           least(
               current_setting('max_connections')::int
                   - current_setting('superuser_reserved_connections')::int
                   - coalesce(current_setting('reserved_connections', true), '0')::int,
               CASE WHEN NOT rolsuper AND datconnlimit >= 0 THEN datconnlimit END,
               CASE WHEN NOT rolsuper AND rolconnlimit >= 0 THEN rolconnlimit END
           ) AS connections
    FROM pg_database, pg_roles WHERE datname = current_database() AND rolname = session_user
"""


async def check(settings: Settings) -> None:
    """Check the database as the user of a serving process.

    Raises:
        StartupError: the database cannot be reached, or does not meet the requirements.
    """
    session = await direct_config(settings).connect()
    try:
        require([await behaviour.examine(session, serving_config(settings))])
        require(await examine(session.fetch, connections=max_connections(settings)))
        require([await behaviour.examine_triggers(session)])
    except (*UNAVAILABLE, *REFUSED) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StartupError(
            f"The database cannot be checked ({reason}): fix that, and start again."
        ) from error
    finally:
        await session.close()


async def examine(fetch: Fetch, *, connections: int = 0) -> list[Finding]:
    """Check the requirements that need no migrated database.

    Args:
        fetch: runs a statement in the database.
        connections: how many the user is going to open.
    """
    (facts,) = await fetch(_FACTS)
    return [
        _version(facts["major"]),
        _encoding(facts["encoding"]),
        _schema(facts),
        _session(facts),
        _connections(facts, connections),
    ]


async def writes(fetch: Fetch) -> Finding:
    """Check that the database accepts writes now; a failover may change that at any time."""
    (row,) = await fetch("SELECT current_setting('transaction_read_only')::bool AS is_read_only")
    if row["is_read_only"]:
        return Finding("writes", "FAILED", "it is read-only: name the primary in DATABASE_URL")
    return Finding("writes", "ok", "accepted")


def _version(major: int) -> Finding:
    if major < MIN_VERSION:
        return Finding(
            "database",
            "FAILED",
            f"PostgreSQL {major} is too old: upgrade it to {MIN_VERSION} or newer",
        )
    if major != TESTED_VERSION:
        return Finding(
            "database", "warning", f"PostgreSQL {major}; our tests run on {TESTED_VERSION}"
        )
    return Finding("database", "ok", f"PostgreSQL {major}")


def _encoding(encoding: str) -> Finding:
    if encoding != "UTF8":
        details = f"its encoding is {encoding}: create it with ENCODING 'UTF8' TEMPLATE template0"
        return Finding("encoding", "FAILED", details)
    return Finding("encoding", "ok", encoding)


def _schema(facts: Row) -> Finding:
    if facts["schema"] is None:
        details = (
            f"search_path ({facts['search_path']}) names no schema that {facts['user']} may use:"
            f" create it, or ALTER ROLE {facts['user']} SET search_path = public"
        )
        return Finding("schema", "FAILED", details)
    return Finding("schema", "ok", facts["schema"])


def _session(facts: Row) -> Finding:
    """Check settings that a session cannot set itself, or that a pooler may not pass on."""
    required = {
        "default_transaction_isolation": (facts["isolation"], "read committed"),
        "session_replication_role": (facts["replication_role"], "origin"),
    }
    for name, (found, value) in required.items():
        if found != value:
            details = f"{name} is {found}: ALTER ROLE {facts['user']} SET {name} = '{value}'"
            return Finding("session", "FAILED", details)
    if facts["synchronous_commit"] == "off":
        details = (
            "synchronous_commit is off, so a crash of PostgreSQL loses the latest changes:"
            f" ALTER ROLE {facts['user']} SET synchronous_commit = 'on'"
        )
        return Finding("session", "warning", details)
    return Finding("session", "ok", "as required")


def _connections(facts: Row, needed: int) -> Finding:
    limit = facts["connections"]
    details = f"a server opens {needed}, and {facts['user']} may open {limit}"
    if needed > limit:
        return Finding(
            "connections",
            "FAILED",
            f"{details}: raise max_connections or the CONNECTION LIMIT, or lower WORKERS or"
            " POOL_SIZE (connection_limit, if DATABASE_URL has it)",
        )
    capacity = f", so {limit // needed} such servers fit" if needed else ""
    return Finding("connections", "ok", details + capacity)
