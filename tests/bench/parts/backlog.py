"""Webhooks: the memory of a server with 100,000 undelivered or expired events."""

import asyncio
import time

from tests.bench import data
from tests.bench.bench import Bench
from tests.bench.measure import Server
from tests.bench.parts.recording import Result
from tests.bench.receiving import create_database, receiving, serving

_EVENTS = 100_000
_INTERVAL = 0.2  # seconds between two looks at the memory
_TIMEOUT = 300  # seconds for all events
_SETTLED = 2  # seconds after the start
_FEW = 1_000  # events that a server has sent before its memory is compared

_ADD = """
    WITH added AS (
        INSERT INTO event (id, type, client_id, data, created_at,
                           actor, request_id, address, device)
        SELECT gen_random_uuid(), 'session.started', gen_random_uuid(),
               jsonb_build_object('session', gen_random_uuid()), now() - $2::int * interval '1 day',
               'client', md5(n::text), '203.0.113.7', 'Mozilla/5.0 (X11; Linux x86_64)'
        FROM generate_series(1, $1::int) AS n RETURNING id, created_at
    )
    INSERT INTO webhook_delivery (id, event_id, endpoint, created_at, attempts, due_at)
    SELECT gen_random_uuid(), added.id, endpoint.id, added.created_at, 0,
           CASE $2 WHEN 0 THEN now() END
    FROM added, webhook_endpoint AS endpoint
"""
_COUNT = "SELECT count(*) FROM {table}"


def backlog(bench: Bench, result: Result) -> None:
    """Compare the memory with that of a server that has sent 1,000 events."""
    create_database(bench, "backlog")
    url = bench.url_of("backlog")
    with receiving() as receiver:
        receiver.keeps = False
        with serving(bench, "backlog", webhook_urls=receiver.url) as server:
            _run(url, _ADD, _FEW, 0)
            before, _ = _peak(server, url, "webhook_delivery")
        _run(url, _ADD, _EVENTS, 0)
        with serving(bench, "backlog", webhook_urls=receiver.url) as server:
            _sleep_and_record(result, server, before)
            peak, seconds = _peak(server, url, "webhook_delivery")
            result["backlog_delivery_growth_mb"] = round(peak - before, 1)
            result["backlog_delivery_s"] = round(seconds)
            settled = server.memory
            _run(url, _ADD, _EVENTS, 365)
            peak, _ = _peak(server, url, "event", left=_EVENTS + _FEW)
            result["backlog_cleanup_growth_mb"] = round(peak - settled, 1)


def _sleep_and_record(result: Result, server: Server, before: float) -> None:
    time.sleep(_SETTLED)
    result["backlog_memory_mb"] = round(before, 1)
    result["backlog_start_growth_mb"] = round(server.memory - before, 1)


def _peak(server: Server, url: str, table: str, *, left: int = 0) -> tuple[float, float]:
    """Return the most memory until a table has so few rows, and the seconds that this takes."""
    began, peak = time.monotonic(), server.memory
    while _run(url, _COUNT.format(table=table)) > left:
        peak = max(peak, server.memory)
        if time.monotonic() - began > _TIMEOUT:
            raise TimeoutError(table)
        time.sleep(_INTERVAL)
    return max(peak, server.memory), time.monotonic() - began


def _run(url: str, sql: str, *values: int) -> int:
    async def run() -> int:
        async with data.connected(url) as database:
            return await database.fetchval(sql, *values) or 0

    return asyncio.run(run())
