"""Why rings are refused under one lock: the same race closes a ring where two rows are locked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

import asyncpg
import pytest
from starlette.applications import Starlette

TABLES = """
    CREATE SCHEMA race;
    CREATE TABLE race.client (LIKE public.client INCLUDING ALL);
    CREATE TABLE race.invited_count (LIKE public.invited_count INCLUDING ALL);
"""
WALK = "SELECT pg_get_functiondef('public.client_root'::regproc)"  # which the trigger calls
TRIGGER = """
    CREATE TRIGGER race BEFORE UPDATE OF inviter_id ON race.client
    FOR EACH ROW EXECUTE FUNCTION {}()
"""
# What looks right: both clients are locked, always in the same order, and only then looked at.
TWO_ROWS = """
    CREATE FUNCTION race.two_rows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM FROM client WHERE id IN (NEW.id, NEW.inviter_id) ORDER BY id FOR UPDATE;
        IF EXISTS (
            WITH RECURSIVE ancestor (id) AS (
                SELECT NEW.inviter_id
                UNION
                SELECT client.inviter_id FROM client JOIN ancestor USING (id)
            )
            SELECT FROM ancestor WHERE ancestor.id = NEW.id
        ) THEN
            RAISE EXCEPTION 'the inviter was invited by this client'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'client_no_ring';
        END IF;
        NEW.invited_at := clock_timestamp();
        RETURN NEW;
    END $$
"""
APPLY = "UPDATE client SET inviter_id = $2 WHERE id = $1"
WAITS = "SELECT 1 FROM pg_locks WHERE pid = $1 AND NOT granted"

ANN, BEN, CID, DAN = (UUID(int=number) for number in range(1, 5))


@pytest.fixture
async def connections(app: Starlette, postgres: str) -> AsyncIterator[list[asyncpg.Connection]]:
    """Connect three times to a schema whose clients have no trigger yet."""
    del app  # which has migrated the database
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(3):
            connection = await asyncpg.connect(
                postgres, server_settings={"search_path": "race, public"}
            )
            stack.push_async_callback(connection.close)
            opened.append(connection)
        await opened[0].execute(TABLES)
        walk = await opened[0].fetchval(WALK)
        await opened[0].execute(walk.replace("public.client_root", "race.client_root"))
        stack.push_async_callback(opened[0].execute, "DROP SCHEMA race CASCADE")
        for number, client in enumerate([ANN, BEN, CID, DAN]):
            await opened[0].execute(
                "INSERT INTO client (id, phone, invitation_code, created_at)"
                " VALUES ($1, $2, $3, now())",
                client,
                f"+7999000000{number}",
                f"AAAAA{number}",
            )
        yield opened


async def test_locks_on_both_clients_do_not_prevent_a_ring_of_four(
    connections: list[asyncpg.Connection],
) -> None:
    await connections[0].execute(TWO_ROWS)
    await connections[0].execute(TRIGGER.format("race.two_rows"))
    assert await _closes_a_ring(*connections)


async def test_one_lock_for_all_applications_prevents_the_ring_of_four(
    connections: list[asyncpg.Connection],
) -> None:
    await connections[0].execute(TRIGGER.format("public.client_no_ring"))
    with pytest.raises(asyncpg.CheckViolationError, match="was invited by this client"):
        await _closes_a_ring(*connections)


async def _closes_a_ring(
    watch: asyncpg.Connection, one: asyncpg.Connection, other: asyncpg.Connection
) -> bool:
    """Run two transactions that do not see each other, and together close a ring."""
    await watch.execute(APPLY, BEN, CID)
    await watch.execute(APPLY, DAN, ANN)
    first = one.transaction()
    await first.start()
    await one.execute(APPLY, ANN, BEN)
    second = asyncio.create_task(other.execute(APPLY, CID, DAN))
    while not (second.done() or await watch.fetch(WAITS, other.get_server_pid())):
        pass  # neither has ended yet
    await first.commit()
    await second
    inviters = dict(await watch.fetch("SELECT id, inviter_id FROM client"))
    return [inviters[client] for client in (ANN, BEN, CID, DAN)] == [BEN, CID, DAN, ANN]
