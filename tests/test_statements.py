"""Statements: on one connection, in one transaction, and not for longer than they may take."""

import asyncio
from datetime import timedelta

import pytest

from connect_hub.statements import OneConnection, SharedConnection, Within, fetch, transaction
from tests.hub import Hub, counted_statements

pytestmark = pytest.mark.usefixtures("hub")

PID = "SELECT pg_backend_pid() AS pid"
BUSY = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
    AND backend_type = 'client backend'
"""


async def test_what_is_fetched_within_runs_on_one_connection() -> None:
    async with OneConnection():
        assert len({(await fetch(PID))[0]["pid"] for _ in range(5)}) == 1


async def test_a_task_that_outlives_one_connection_takes_others() -> None:
    ended = asyncio.Event()

    async def later() -> None:
        await ended.wait()
        for _ in range(30):  # three times as many as the pool has
            await asyncio.wait_for(fetch(PID), 5)

    async with OneConnection():
        await fetch(PID)
        task = asyncio.create_task(later())
    ended.set()
    await task


async def test_what_takes_too_long_ends_and_leaves_nothing_behind() -> None:
    for _ in range(12):  # more than the pool has
        with pytest.raises(TimeoutError), Within(timedelta(seconds=0.01)):
            async with OneConnection():
                await fetch("SELECT pg_sleep(30)")
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr] # there is one
    await _until_nobody_is_busy()
    with pytest.raises(TimeoutError), Within(timedelta(seconds=-1)):
        await fetch(PID)


async def test_who_is_cancelled_by_others_is_cancelled() -> None:
    async def work() -> None:
        async with transaction():
            await fetch("SELECT pg_sleep(30)")

    task = asyncio.create_task(work())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until_nobody_is_busy()


async def test_a_query_without_a_plan_asks_once_who_is_there(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await hub.person()
    with counted_statements(monkeypatch) as sent:
        answer = await hub.data(
            "{ a: me { id } b: me { id } c: me @include(if: true) { id } }", token=person.token
        )
    assert {one["id"] for one in answer.values()} == {person.id}
    assert len(sent) == 1


@pytest.mark.parametrize("first", ["late", "cancelled"])
async def test_who_is_late_and_cancelled_by_others_is_cancelled(first: str) -> None:
    one = OneConnection()

    async def work() -> None:
        async with one:
            await fetch("SELECT pg_sleep(30)")

    task = asyncio.create_task(work())
    await asyncio.sleep(0.1)
    for end in (one.give_up, task.cancel) if first == "late" else (task.cancel, one.give_up):
        end()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_statements_of_tasks_that_share_a_connection_take_turns() -> None:
    async with SharedConnection():
        pids = await asyncio.gather(*(fetch(PID) for _ in range(5)))
        late = asyncio.create_task(fetch("SELECT pg_sleep(0.2)"))
        await asyncio.sleep(0.05)
    assert len({rows[0]["pid"] for rows in pids}) == 1
    await late


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_a_transaction_that_fails_leaves_nothing(
    hub: Hub, error: type[BaseException]
) -> None:
    person = await hub.person()

    async def work() -> None:
        async with transaction():
            await fetch("DELETE FROM client")
            raise error

    with pytest.raises(error):
        await work()
    assert [str(row["id"]) for row in await fetch("SELECT id FROM client")] == [person.id]
    await _until_nobody_is_busy()


async def _until_nobody_is_busy() -> None:
    for _ in range(200):
        if (await fetch(BUSY))[0]["count"] == 0:
            return
        await asyncio.sleep(0.05)
    pytest.fail("a statement or a transaction goes on")
