"""The data of the bench: clients with few and with very many invited clients, and newcomers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

# From the number $2 on, $3 clients whom $1 invited.
_CLIENTS = """
    INSERT INTO client (id, phone, invitation_code, created_at, inviter_id, invited_at)
    SELECT gen_random_uuid(), '+79' || lpad(n::text, 9, '0'), lpad(upper(to_hex(n)), 6, '0'),
           now() - interval '1 day', $1,
           CASE WHEN $1::uuid IS NOT NULL THEN now() - n * interval '1 millisecond' END
    FROM generate_series($2::int, $2::int + $3::int - 1) AS n
"""
_COUNTS = """
    INSERT INTO invited_count (client_id, count, deleted)
    SELECT inviter_id, count(*), 0 FROM client WHERE inviter_id IS NOT NULL GROUP BY inviter_id
"""
# Each client has a session, whose id is the client's: so tokens are made without a look here.
_SESSIONS = """
    INSERT INTO session (id, client_id, nonce, generation, seen_at,
                         created_at, last_used_at, expires_at, address)
    SELECT id, id, uuid_send(id), 0, now(), now(), now(), now() + interval '30 days', '127.0.0.1'
    FROM client
"""
_SESSIONS_OF = f"{_SESSIONS} WHERE id = ANY ($1::uuid[])"
_SOME = """
    SELECT id FROM session
    WHERE id = client_id AND id NOT IN (SELECT client_id FROM invited_count)
    ORDER BY random() LIMIT $1
"""
# From the number $1 on, $2 clients whom nobody invited.
_NEWCOMERS = """
    INSERT INTO client (id, phone, invitation_code, created_at)
    SELECT gen_random_uuid(), '+77' || lpad(n::text, 9, '0'), 'Z' || lpad(n::text, 5, '0'), now()
    FROM generate_series($1::int, $1::int + $2::int - 1) AS n RETURNING id
"""


def create_database(url: str, name: str) -> None:
    """Make another database beside one."""

    async def create() -> None:
        async with connected(url) as database:
            await database.execute(f"CREATE DATABASE {name}")

    asyncio.run(create())


def log_statements(url: str, *, on: bool) -> None:
    """Let PostgreSQL log every statement, or none."""

    async def set_it() -> None:
        async with connected(url) as database:
            await database.execute(f"ALTER SYSTEM SET log_statement = '{'all' if on else 'none'}'")
            await database.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(0.2)  # until all sessions know

    asyncio.run(set_it())


def fill(url: str, invited: Sequence[int]) -> dict[int, UUID]:
    """Create a client for each number of invited clients; one more client invited these.

    Each has a session.

    The trigger that keeps the counts would take minutes for a million, so they are counted here.
    """
    return asyncio.run(_fill(url, invited))


async def _fill(url: str, invited: Sequence[int]) -> dict[int, UUID]:
    async with connected(url) as database:
        await database.execute("ALTER TABLE client DISABLE TRIGGER USER")
        inviters, number = {}, sum(invited)
        root = await _client(database, None, number)
        for count in invited:
            number += 1
            inviters[count] = await _client(database, root, number)
        number = 0
        for count, inviter in inviters.items():
            await database.execute(_CLIENTS, inviter, number, count)
            number += count
        await database.execute(_COUNTS)
        await database.execute(_SESSIONS)
        await database.execute("ALTER TABLE client ENABLE TRIGGER USER")
        await database.execute("VACUUM (ANALYZE)")
        await database.execute("CHECKPOINT")
    return inviters


async def _client(database: Any, inviter: UUID | None, number: int) -> UUID:
    made: UUID = await database.fetchval(_CLIENTS + " RETURNING id", inviter, number, 1)
    return made


def some_clients(url: str, count: int) -> list[UUID]:
    """Choose clients who invited nobody by chance."""

    async def choose() -> list[UUID]:
        async with connected(url) as database:
            rows = await database.fetch(_SOME, count)
            return [row["id"] for row in rows]

    return asyncio.run(choose())


def newcomers(url: str, number: int, count: int) -> list[UUID]:
    """Create clients whom nobody invited, each with a session."""

    async def make() -> list[UUID]:
        async with connected(url) as database:
            rows = await database.fetch(_NEWCOMERS, number, count)
            ids = [row["id"] for row in rows]
            await database.execute(_SESSIONS_OF, ids)
            return ids

    return asyncio.run(make())


def invitation_codes(url: str, clients: list[UUID]) -> list[str]:
    """Read the codes of clients."""

    async def read() -> list[str]:
        async with connected(url) as database:
            sql = "SELECT invitation_code FROM client WHERE id = ANY ($1::uuid[])"
            return [row["invitation_code"] for row in await database.fetch(sql, clients)]

    return asyncio.run(read())


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """Connect to a database until the context ends."""
    connection = await asyncpg.connect(url, command_timeout=180)
    try:
        yield connection
    finally:
        await connection.close()
