"""What a database must be like: checked at each start, and by `connect-hub doctor`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from connect_hub.database.config import direct_config, max_connections
from connect_hub.settings import Settings, StartupError

OLDEST = 15  # major version of PostgreSQL; older ones get no fixes any more
TESTED = 18

Row = Mapping[str, Any]
Fetch = Callable[[str], Awaitable[list[Any]]]  # runs a statement


class Finding(NamedTuple):
    """What was checked, the result, and the reason."""

    check: str
    state: Literal["ok", "warning", "FAILED"]
    told: str


# Superusers are not bound by the limits of roles and databases.
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
    """Check what the server finds in the database, as the user it serves as.

    Raises:
        StartupError: the database cannot be reached, or is not as it must be.
    """
    connection = await direct_config(settings).connect()
    try:
        findings = await examine(connection.fetch, connections=max_connections(settings))
    finally:
        await connection.close()
    require(findings)


async def examine(fetch: Fetch, *, connections: int = 0) -> list[Finding]:
    """Check the database that a statement reaches.

    Args:
        fetch: runs a statement in it.
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


def require(findings: Iterable[Finding]) -> None:
    """Stop the start on the first check that failed.

    Raises:
        StartupError: what was found, and what to do.
    """
    for finding in findings:
        if finding.state == "FAILED":
            raise StartupError(f"The database cannot be used: {finding.told}.")


async def writes(fetch: Fetch) -> Finding:
    """Check whether the database takes writes, which may change at any time."""
    (row,) = await fetch("SELECT current_setting('transaction_read_only')::bool AS closed")
    if row["closed"]:
        return Finding("writes", "FAILED", "it takes no writes: name the primary in DATABASE_URL")
    return Finding("writes", "ok", "it takes them")


def _version(major: int) -> Finding:
    if major < OLDEST:
        return Finding("database", "FAILED", f"PostgreSQL {major}; {OLDEST} or newer is needed")
    if major != TESTED:
        return Finding("database", "warning", f"PostgreSQL {major}; our tests run on {TESTED}")
    return Finding("database", "ok", f"PostgreSQL {major}")


def _encoding(encoding: str) -> Finding:
    if encoding != "UTF8":
        told = f"its encoding is {encoding}: create it with ENCODING 'UTF8' TEMPLATE template0"
        return Finding("encoding", "FAILED", told)
    return Finding("encoding", "ok", encoding)


def _schema(facts: Row) -> Finding:
    if facts["schema"] is None:
        told = (
            f"search_path ({facts['search_path']}) names no schema that {facts['user']} may use:"
            f" create it, or ALTER ROLE {facts['user']} SET search_path = public"
        )
        return Finding("schema", "FAILED", told)
    return Finding("schema", "ok", facts["schema"])


def _session(facts: Row) -> Finding:
    """Check what a session cannot set by itself, or a pooler may not have passed on."""
    needed = {
        "default_transaction_isolation": (facts["isolation"], "read committed"),
        "session_replication_role": (facts["replication_role"], "origin"),
    }
    for name, (found, right) in needed.items():
        if found != right:
            told = f"{name} is {found}: ALTER ROLE {facts['user']} SET {name} = '{right}'"
            return Finding("session", "FAILED", told)
    if facts["synchronous_commit"] == "off":
        told = "synchronous_commit is off: a crash of PostgreSQL loses what was answered just then"
        return Finding("session", "warning", told)
    return Finding("session", "ok", "as it must be")


def _connections(facts: Row, needed: int) -> Finding:
    limit = facts["connections"]
    told = f"a server opens {needed}, and {facts['user']} may open {limit}"
    if needed > limit:
        return Finding(
            "connections",
            "FAILED",
            f"{told}: raise max_connections or the CONNECTION LIMIT, lower WORKERS, or add"
            " connection_limit to DATABASE_URL (10 for each worker if it is left out)",
        )
    fit = f", so {limit // needed} such servers fit" if needed else ""
    return Finding("connections", "ok", told + fit)
