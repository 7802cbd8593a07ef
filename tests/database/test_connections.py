"""Statements: scopes, transactions, deadlines and the pool of connections."""

import asyncio
import gc
from contextlib import AsyncExitStack
from contextvars import Context
from datetime import timedelta

import pytest
from tortoise.context import TortoiseContext

from connect_hub.api.transport import http
from connect_hub.database.config import serving_config
from connect_hub.database.connections import (
    ConnectionScope,
    SharedConnectionScope,
    deadline,
    fetch,
    transaction,
)
from connect_hub.database.errors import UNAVAILABLE
from connect_hub.settings import Settings
from tests.support.hub import Hub, counted_statements

pytestmark = pytest.mark.usefixtures("hub")

POOL = 10  # connections
PID = "SELECT pg_backend_pid() AS pid"
BUSY = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
    AND backend_type = 'client backend'
"""


async def test_statements_of_a_scope_run_on_one_connection() -> None:
    async with ConnectionScope():
        assert len({(await fetch(PID))[0]["pid"] for _ in range(5)}) == 1


async def test_task_that_outlives_its_scope_uses_other_connections() -> None:
    ended = asyncio.Event()

    async def later() -> None:
        await ended.wait()
        for _ in range(30):  # three times as many as the pool has
            await asyncio.wait_for(fetch(PID), 5)

    async with ConnectionScope():
        await fetch(PID)
        task = asyncio.create_task(later())
    ended.set()
    await task


async def test_statement_past_its_deadline_is_cancelled() -> None:
    for _ in range(12):  # more than the pool has
        with pytest.raises(TimeoutError), deadline(timedelta(seconds=0.01)):
            async with ConnectionScope():
                await fetch("SELECT pg_sleep(30)")
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr] # there is one
    await _until_all_are_idle()
    with pytest.raises(TimeoutError), deadline(timedelta(seconds=-1)):
        await fetch(PID)


async def test_cancelled_task_cancels_its_statement() -> None:
    async def work() -> None:
        async with transaction():
            await fetch("SELECT pg_sleep(30)")

    task = asyncio.create_task(work())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until_all_are_idle()


async def test_query_without_a_plan_reads_the_viewer_once(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await hub.person()
    with counted_statements(monkeypatch) as sent:
        answer = await hub.data(
            "{ a: me { id } b: me { id } c: me @include(if: true) { id } }", token=person.token
        )
    assert {one["id"] for one in answer.values()} == {person.id}
    assert len(sent) == 1


async def test_query_past_its_deadline_is_unavailable(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python warns of what is left undone, which fails the test."""
    person = await hub.person()
    monkeypatch.setattr(http, "deadline", lambda _: deadline(timedelta(seconds=0.1)))
    async with transaction():
        await fetch("LOCK TABLE client")
        work = asyncio.create_task(hub.post("{ me { id } }", token=person.token), context=Context())
        response = await work
    gc.collect()
    assert response.status_code == 503


async def test_statement_of_a_closed_scope_keeps_no_connection() -> None:
    """As by graphql-core, which does not wait for what it began before a sibling failed."""
    left: list[asyncio.Task[object]] = []

    async def ask() -> None:
        async with SharedConnectionScope():
            left.append(asyncio.create_task(fetch(PID)))
            await asyncio.sleep(0)  # it begins, and waits for a connection

    async with AsyncExitStack() as busy:
        for _ in range(POOL):
            await busy.enter_async_context(ConnectionScope())
            await fetch(PID)
        with deadline(timedelta(seconds=0.1)):
            asked = await asyncio.gather(*(ask() for _ in range(POOL)), return_exceptions=True)
    for outcome in [*asked, *await asyncio.gather(*left, return_exceptions=True)]:
        assert isinstance(outcome, TimeoutError)
    async with asyncio.timeout(5):
        await fetch(PID)


@pytest.mark.parametrize("first", ["late", "cancelled"])
async def test_task_that_is_late_and_cancelled_is_cancelled(first: str) -> None:
    one = ConnectionScope()

    async def work() -> None:
        async with one:
            await fetch("SELECT pg_sleep(30)")

    task = asyncio.create_task(work())
    await asyncio.sleep(0.1)
    for end in (one.expire, task.cancel) if first == "late" else (task.cancel, one.expire):
        end()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_tasks_that_share_a_connection_take_turns() -> None:
    async with SharedConnectionScope():
        pids = await asyncio.gather(*(fetch(PID) for _ in range(5)))
        late = asyncio.create_task(fetch("SELECT pg_sleep(0.2)"))
        await asyncio.sleep(0.05)
    assert len({rows[0]["pid"] for rows in pids}) == 1
    await late


async def test_waiters_get_connections_in_the_order_of_arrival(
    settings: Settings,
) -> None:
    config = serving_config(settings).without_timeouts()  # with one connection
    answered: list[int] = []

    async def come(number: int) -> None:
        await fetch("SELECT 1")
        answered.append(number)

    async with TortoiseContext() as context:
        await context.init(config.tortoise)
        await fetch("SELECT 1")  # the pool is open
        coming = []
        for number in range(400):  # some of them just when the connection is given back
            coming.append(asyncio.create_task(come(number)))
            await asyncio.sleep(0)
        await asyncio.gather(*coming)
    assert answered == list(range(400))


async def test_pool_opens_no_more_connections_than_its_size(settings: Settings) -> None:
    config = serving_config(settings.model_copy(update={"pool_size": 3}))
    async with TortoiseContext() as context:
        await context.init(config.tortoise)
        rows = await asyncio.gather(*(fetch(PID) for _ in range(30)))
        assert len({row["pid"] for (row,) in rows}) == 3


async def test_lost_connection_is_not_handed_over() -> None:
    async def lose() -> None:
        await fetch("SELECT pg_terminate_backend(pg_backend_pid())")

    losing = [lose() for _ in range(POOL)]
    waiting = [fetch("SELECT 1 AS one") for _ in range(POOL)]
    lost, answers = await asyncio.gather(
        asyncio.gather(*losing, return_exceptions=True), asyncio.gather(*waiting)
    )
    assert all(isinstance(error, UNAVAILABLE) for error in lost)
    assert [rows[0]["one"] for rows in answers] == [1] * POOL


async def test_waiter_cancelled_at_its_turn_loses_no_connection() -> None:
    waiting: list[asyncio.Task[object]] = []

    async def hold(all_do: asyncio.Barrier) -> None:
        async with ConnectionScope():
            await fetch("SELECT 1")
            await all_do.wait()
        for each in waiting:  # one of whom has its turn now
            each.cancel()

    for _ in range(POOL):
        all_do = asyncio.Barrier(POOL + 1)
        holding = [asyncio.create_task(hold(all_do)) for _ in range(POOL)]
        async with asyncio.timeout(5):
            while all_do.n_waiting < POOL:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
        waiting = [asyncio.create_task(fetch("SELECT 1")) for _ in range(POOL)]
        await asyncio.sleep(0)
        await all_do.wait()
        await asyncio.gather(*holding)
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert any(isinstance(answer, asyncio.CancelledError) for answer in answers)


@pytest.mark.parametrize("by", ["others", "time"])
async def test_scope_that_ends_during_a_statement_loses_no_connection(by: str) -> None:
    others: list[asyncio.Task[object]] = []

    async def leave() -> None:
        with deadline(timedelta(seconds=0.3 if by == "time" else 9)):
            async with SharedConnectionScope():
                others.append(asyncio.create_task(fetch("SELECT pg_sleep(30)")))
                await asyncio.sleep(0.1)

    async with asyncio.timeout(60):
        for _ in range(POOL + 1):
            leaving = asyncio.create_task(leave())
            if by == "others":
                await asyncio.sleep(0.2)
                leaving.cancel()
            with pytest.raises(TimeoutError if by == "time" else asyncio.CancelledError):
                await leaving
    await asyncio.gather(*others, return_exceptions=True)
    await _until_all_are_idle()


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_failed_transaction_leaves_nothing(hub: Hub, error: type[BaseException]) -> None:
    person = await hub.person()

    async def work() -> None:
        async with transaction():
            await fetch("DELETE FROM client")
            raise error

    with pytest.raises(error):
        await work()
    assert [str(row["id"]) for row in await fetch("SELECT id FROM client")] == [person.id]
    await _until_all_are_idle()


async def _until_all_are_idle() -> None:
    for _ in range(200):
        if (await fetch(BUSY))[0]["count"] == 0:
            return
        await asyncio.sleep(0.05)
    pytest.fail("a statement or a transaction goes on")
