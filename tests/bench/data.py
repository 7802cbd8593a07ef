"""What is in a database of the bench: clients who invited some or very many, and live codes."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from secrets import token_bytes
from typing import Any
from uuid import UUID

import asyncpg

from connect_hub.security.keys import Keys

_BLOCK = "+79000"  # of the first million phones
_CODES_AT_ONCE = 10_000

# From the number $2 on, $3 clients whom $1 invited.
_CLIENTS = """
    INSERT INTO client (id, phone, invitation_code, created_at, inviter_id, invited_at)
    SELECT gen_random_uuid(), '+79' || lpad(n::text, 9, '0'), lpad(upper(to_hex(n)), 6, '0'),
           now() - interval '1 day', $1,
           CASE WHEN $1::uuid IS NOT NULL THEN now() - n * interval '1 millisecond' END
    FROM generate_series($2::int, $2::int + $3::int - 1) AS n
"""
_COUNTS = """
    INSERT INTO invited_count (client_id, count)
    SELECT inviter_id, count(*) FROM client WHERE inviter_id IS NOT NULL GROUP BY inviter_id
"""
# Each client has a session, whose id is the client's: so tokens are made without a look here.
_SESSIONS = """
    INSERT INTO session (id, client_id, nonce, generation, seen_at,
                         created_at, last_used_at, expires_at, address)
    SELECT id, id, uuid_send(id), 0, now(), now(), now(), now() + interval '30 days', '127.0.0.1'
    FROM client
"""
_SOME = """
    SELECT id FROM client WHERE id NOT IN (SELECT client_id FROM invited_count)
    ORDER BY random() LIMIT $1
"""
_CODES = """
    INSERT INTO sign_in_code (phone, key_id, nonce, length, expires_at, resend_at, sends, guesses)
    SELECT phone, $2, nonce, $3, now() + interval '1 hour', now(), 1, 0
    FROM unnest($1::text[], $4::bytea[]) AS code (phone, nonce)
    ON CONFLICT (phone) DO UPDATE SET nonce = excluded.nonce, guesses = 0
"""
_TRAFFIC = """
    INSERT INTO number_block (prefix, since, sent, confirmed, alarms) VALUES ($1, now(), 1, 0, 0)
    ON CONFLICT DO NOTHING
"""


def create_database(url: str, name: str) -> None:
    """Make another database beside one."""

    async def create() -> None:
        async with _connected(url) as database:
            await database.execute(f"CREATE DATABASE {name}")

    asyncio.run(create())


def log_statements(url: str, *, on: bool) -> None:
    """Let PostgreSQL log every statement, or none."""

    async def set_it() -> None:
        async with _connected(url) as database:
            await database.execute(f"ALTER SYSTEM SET log_statement = '{'all' if on else 'none'}'")
            await database.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(0.2)  # until all sessions know

    asyncio.run(set_it())


def fill(url: str, invited: Sequence[int]) -> dict[int, UUID]:
    """Make for each number a client who invited so many; one more invited all of these.

    Each has a session.

    The trigger that keeps the counts would take minutes for a million, so they are counted here.
    """
    return asyncio.run(_fill(url, invited))


async def _fill(url: str, invited: Sequence[int]) -> dict[int, UUID]:
    async with _connected(url) as database:
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
        async with _connected(url) as database:
            rows = await database.fetch(_SOME, count)
            return [row["id"] for row in rows]

    return asyncio.run(choose())


def codes(url: str, keys: Keys, *, clients: int) -> Iterator[tuple[str, str]]:
    """Hand out phones, spread over so many clients, each with its live code, without end.

    Two sets of phones take turns: the last of one are still on their way when the other is made.
    """
    count = min(clients // 2, _CODES_AT_ONCE)
    phones = [f"{_BLOCK}{place * clients // (2 * count):06}" for place in range(2 * count)]
    for chosen in cycle([phones[::2], phones[1::2]]):
        nonces = {phone: token_bytes(16) for phone in chosen}
        asyncio.run(_store(url, keys.code_key_ids[0], nonces))
        for phone, nonce in nonces.items():
            code = keys.code(phone, key_id=keys.code_key_ids[0], nonce=nonce, length=4)
            yield phone, code


async def _store(url: str, key_id: str, nonces: dict[str, bytes]) -> None:
    async with _connected(url) as database:
        await database.execute(_TRAFFIC, _BLOCK)
        await database.execute(_CODES, list(nonces), key_id, 4, list(nonces.values()))
        await database.execute("VACUUM (ANALYZE) sign_in_code")


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url, command_timeout=180)
    try:
        yield connection
    finally:
        await connection.close()
