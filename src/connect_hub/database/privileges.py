"""The application's database role, which the owner of the tables creates and grants privileges.

The application reads and writes rows. The owner migrates and never serves. So an attacker who takes
over a connection of the application can neither change tables nor disable triggers.
"""

import hmac
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import pbkdf2_hmac, sha256
from secrets import token_bytes
from typing import Any

import asyncpg

_ITERATIONS = 4096  # PostgreSQL's default; enough since passwords are random
HISTORY = "aerich"  # the table of applied migrations, which the application only reads

_CREATE = "SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)"
_LATER_TABLES = """
    SELECT format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I'
        ' GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I', current_schema(), $1::text)
"""
_MISSING = f"""
    SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), $1::text)
        WHERE NOT has_database_privilege($1, current_database(), 'CONNECT')
    UNION ALL
    SELECT format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), $1)
        WHERE NOT has_schema_privilege($1, current_schema(), 'USAGE')
    UNION ALL
    SELECT format('GRANT %s ON %I TO %I', string_agg(privilege, ', '), name, $1)
        FROM unnest($2::text[]) AS name,
            unnest(CASE name WHEN '{HISTORY}' THEN '{{SELECT}}'::text[]
                ELSE '{{SELECT,INSERT,UPDATE,DELETE}}' END) AS privilege
        WHERE NOT has_table_privilege($1, quote_ident(name), privilege) GROUP BY name
    UNION ALL
    SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', oid::regprocedure, $1) FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND prokind = 'f' AND NOT prosecdef
            AND pg_has_role(proowner, 'USAGE') AND NOT has_function_privilege($1, oid, 'EXECUTE')
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    UNION ALL
    SELECT format('REVOKE INSERT, UPDATE, DELETE ON {HISTORY} FROM %I', $1)
        WHERE has_table_privilege($1, '{HISTORY}', 'INSERT, UPDATE, DELETE')
"""

_LACKING = f"""
    SELECT current_user || ' may not ' || lower(privilege) || ' rows of ' || name AS found
    FROM unnest($1::text[]) AS name, unnest('{{SELECT,INSERT,UPDATE,DELETE}}'::text[]) AS privilege
    WHERE name <> '{HISTORY}' AND NOT has_table_privilege(quote_ident(name), privilege) LIMIT 1
"""
_EXCESSIVE = """
    SELECT current_user || CASE
        WHEN own.rolsuper THEN ' is a superuser'
        WHEN pg_has_role(relowner, 'MEMBER') THEN ' owns the tables'
        WHEN has_schema_privilege(relnamespace, 'CREATE') THEN ' may create tables and functions'
        WHEN own.rolcreaterole THEN ' may create roles'
        WHEN own.rolreplication THEN ' may replicate the server'
        ELSE (
            SELECT ' is a member of ' || rolname FROM pg_roles AS other
            WHERE pg_has_role(oid, 'MEMBER') AND (rolsuper OR rolname IN (
                'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'
            )) LIMIT 1
        )
    END AS found
    FROM pg_roles AS own, pg_class
    WHERE own.rolname = current_user AND pg_class.oid = 'client'::regclass
"""

Fetch = Callable[..., Awaitable[Sequence[Mapping[str, Any]]]]


async def create_role(owner: Any, name: str, password: str | None) -> None:
    """Create the application's role if it does not exist; leave an existing one unchanged.

    Args:
        owner: a connection of the owner.
        name: of the role.
        password: in ASCII. PostgreSQL and its log get only its SCRAM verifier.
    """
    if await owner.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        return
    statement = await owner.fetchval(_CREATE, name, _verifier(password) if password else None)
    with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        await owner.execute(statement)  # another migration may create it at the same time


async def grant_later_tables(owner: Any, name: str) -> None:
    """Grant the role the tables of later migrations, from the moment they are created.

    Requests to servers that are running may fire triggers that write to a new table before the
    migration has returned.
    """
    await owner.execute(await owner.fetchval(_LATER_TABLES, name))


async def grant(owner: Any, name: str, tables: Sequence[str]) -> None:
    """Grant the role the privileges that it lacks, on rows of these tables and on functions."""
    for (statement,) in await owner.fetch(_MISSING, name, tables):
        await owner.execute(statement)


async def lacking(fetch: Fetch, tables: Sequence[str]) -> str | None:
    """Name a privilege that the connected user needs to serve but lacks; None if there is none."""
    return next((row["found"] for row in await fetch(_LACKING, tables)), None)


async def excessive(fetch: Fetch) -> str | None:
    """Name a privilege of the connected user beyond reading and writing rows; None if none."""
    (row,) = await fetch(_EXCESSIVE)
    found: str | None = row["found"]
    return found


def _verifier(password: str) -> str:
    """Compute what PostgreSQL stores instead of a password (RFC 5803, SCRAM-SHA-256)."""
    salt = token_bytes(16)
    salted = pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    stored = sha256(hmac.digest(salted, b"Client Key", sha256)).digest()
    server = hmac.digest(salted, b"Server Key", sha256)
    salt64, stored64, server64 = (b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt64}${stored64}:{server64}"
