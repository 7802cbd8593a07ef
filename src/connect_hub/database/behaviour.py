"""Whether the database behaves as PostgreSQL where the rules rely on it, whatever it is called.

Some servers only speak PostgreSQL's protocol, and pools may share one connection among sessions.
Both accept our statements, but with locks that hold nothing or triggers that never run. Rings of
invitations would then close silently. The checks need no more privileges than serving does, and
leave nothing behind.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from secrets import randbits, token_hex
from typing import Any
from uuid import uuid4

import asyncpg

from connect_hub.database.config import DatabaseConfig
from connect_hub.database.errors import REFUSED, UNAVAILABLE
from connect_hub.database.findings import Finding

_TIMEOUT = timedelta(seconds=10)
_NOTIFICATION_TIMEOUT = timedelta(seconds=3)  # PostgreSQL takes a millisecond
_CLOSE_TIMEOUT = timedelta(seconds=2)
# PgBouncer reports a refusal, and closes the connection.
_REFUSED_BY_POOLERS = (asyncpg.ProtocolViolationError, asyncpg.ConnectionDoesNotExistError)
_CHANNEL = "connect_hub_check"
_PAST_POOL = "name PostgreSQL itself in DIRECT_DATABASE_URL, and in MIGRATION_DATABASE_URL if set"


async def examine(session: Any, serving: DatabaseConfig) -> Finding:
    """Check sessions, advisory locks, snapshots and notifications.

    A read-only database is checked as far as it allows.

    Args:
        session: a connection that bypasses poolers, as LISTEN and migrations do.
        serving: connects as requests do, maybe through a pooler in transaction mode.

    Raises:
        StartupError: no second connection can be opened.
        Exception: one of UNAVAILABLE.
    """
    other = await serving.connect()
    try:
        async with asyncio.timeout(_TIMEOUT.total_seconds()):
            problem = await _problem(session, other)
    except TimeoutError:
        problem = (
            f"no answer to two sessions within {_TIMEOUT.total_seconds():g} s:"
            " a pool in front of PostgreSQL must allow more than one"
        )
    except _REFUSED_BY_POOLERS as error:
        problem = _explain(error)
    except UNAVAILABLE:
        raise
    except REFUSED as error:
        problem = _explain(error)
    finally:
        with suppress(TimeoutError):
            await other.close(timeout=_CLOSE_TIMEOUT.total_seconds())
    if problem:
        return Finding("behaviour", "FAILED", problem)
    return Finding("behaviour", "ok", "sessions, locks, snapshots and LISTEN work as required")


async def examine_triggers(connection: Any) -> Finding:
    """Check that triggers run: they count an invitation, and reject one that closes a ring.

    A database that accepts no writes now cannot be checked, which is worth a warning.

    Args:
        connection: to a migrated database, maybe within a transaction.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        run = await _run_triggers(connection)
    except UNAVAILABLE as error:
        return Finding("triggers", "warning", f"not checked: {' '.join(str(error).split())}")
    finally:
        await transaction.rollback()
    if not run:
        details = (
            "triggers on the table client do not run, so rings of invitations could close: use"
            " PostgreSQL itself, and undo DISABLE TRIGGER by ALTER TABLE client ENABLE TRIGGER USER"
        )
        return Finding("triggers", "FAILED", details)
    return Finding("triggers", "ok", "they count invitations and reject rings")


async def _problem(session: Any, other: Any) -> str | None:
    if await _shares_connections(session, other):
        return (
            "a pool in transaction or statement mode shares connections among sessions, so locks"
            f" and LISTEN hold nothing: {_PAST_POOL}"
        )
    if not await _excludes(session, other):
        return (
            "two sessions hold the same advisory lock at once, so rings of invitations could close:"
            " use PostgreSQL itself, and the same database in every DATABASE_URL"
        )
    if await session.fetchval("SELECT current_setting('transaction_read_only')::bool"):
        return None
    if not await _sees_commits(session, other):
        return (
            "a transaction does not see what was committed since it began, so rings of invitations"
            " could close: use PostgreSQL itself, which supports READ COMMITTED"
        )
    if not await _hears(session, other):
        return f"LISTEN hears no notification, so live updates would never arrive: {_PAST_POOL}"
    return None


def _explain(error: Exception) -> str:
    reason = " ".join(str(error).split()).rstrip(".")
    return (
        f"it refuses what PostgreSQL does ({reason}): use PostgreSQL itself, behind a pool only in"
        " transaction or session mode"
    )


async def _shares_connections(session: Any, other: Any) -> bool:
    own = {await _backend(session) for _ in range(3)}
    return len(own) > 1 or await _backend(other) in own


async def _backend(connection: Any) -> int:
    backend: int = await connection.fetchval("SELECT pg_backend_pid()")
    return backend


async def _excludes(session: Any, other: Any) -> bool:
    """Return whether a lock excludes the other session until its end, and no longer."""
    key = randbits(62)  # unlike those of checks at the same time
    await session.execute("SELECT pg_advisory_lock($1)", key)
    excludes = not await _try_lock(other, key)
    released = await session.fetchval("SELECT pg_advisory_unlock($1)", key)
    if not (excludes and released):
        return False
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock($1)", key)
        excludes = not await _try_lock(session, key)
    return excludes and await _try_lock(session, key)


async def _try_lock(connection: Any, key: int) -> bool:
    acquired: bool = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", key)
    return acquired


async def _sees_commits(session: Any, other: Any) -> bool:
    """Return whether each statement of a transaction has a snapshot of its own."""
    async with session.transaction():
        await session.fetchval("SELECT pg_current_snapshot()::text")
        committed = await other.fetchval("SELECT pg_current_xact_id()::text")
        visible = "SELECT pg_visible_in_snapshot($1::text::xid8, pg_current_snapshot())"
        sees: bool = await session.fetchval(visible, committed)
        return sees


async def _hears(session: Any, other: Any) -> bool:
    sent, heard = token_hex(8), asyncio.Event()

    def receive(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
        if payload == sent:  # not that of another check
            heard.set()

    await session.add_listener(_CHANNEL, receive)
    await other.execute("SELECT pg_notify($1, $2)", _CHANNEL, sent)
    with suppress(TimeoutError):
        await asyncio.wait_for(heard.wait(), _NOTIFICATION_TIMEOUT.total_seconds())
    await session.remove_listener(_CHANNEL, receive)
    return heard.is_set()


# No phone begins with +999, and no generated code has such characters.
_TWO_CLIENTS = """
    INSERT INTO client (id, phone, invitation_code, created_at)
    VALUES ($1, '+999000000000001', '01OIL1', now()), ($2, '+999000000000002', '01OIL2', now())
"""
_INVITE = "UPDATE client SET inviter_id = $1, invited_at = now() WHERE id = $2"


async def _run_triggers(connection: Any) -> bool:
    one, other = uuid4(), uuid4()
    await connection.execute(_TWO_CLIENTS, one, other)
    await connection.execute(_INVITE, one, other)
    count = "SELECT count FROM invited_count WHERE client_id = $1"
    if await connection.fetchval(count, one) != 1:
        return False
    try:
        await connection.execute(_INVITE, other, one)
    except asyncpg.CheckViolationError as error:
        is_rejected: bool = error.constraint_name == "client_no_ring"
        return is_rejected
    return False
