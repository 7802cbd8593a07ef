"""How PostgreSQL finds rows while 100,000 events wait for delivery."""

# ruff: noqa: SLF001 (the statements are private to their modules)

from datetime import timedelta

import asyncpg
import pytest

from connect_hub.domain import cleanup
from connect_hub.webhooks import deliveries, endpoints
from tests.support.plans import plan

_LARGE = "event", "webhook_delivery", "allowance"
_FILL = """
    WITH endpoint AS (
        INSERT INTO webhook_endpoint (id, origin, types, seen_at)
        VALUES ('a', 'http://a', ARRAY['session.ended'], now()) RETURNING id
    ), added AS (
        INSERT INTO event (id, type, client_id, data, created_at, actor)
        SELECT gen_random_uuid(), 'session.ended', gen_random_uuid(), '{}',
               now() - n * interval '1 second', 'client'
        FROM generate_series(1, 100000) AS n RETURNING id, created_at
    ), hits AS (
        INSERT INTO allowance (key, uses, expires_at)
        SELECT uuid_send(id), ARRAY[created_at], created_at + interval '1 day' FROM added
    )
    INSERT INTO webhook_delivery (id, event_id, endpoint, created_at, attempts, due_at)
    SELECT gen_random_uuid(), added.id, endpoint.id, added.created_at, 0, now()
    FROM added, endpoint
"""


@pytest.mark.parametrize("is_analyzed", [True, False])
@pytest.mark.usefixtures("hub")
async def test_statements_of_delivery_and_cleanup_read_no_whole_table(
    untriggered: asyncpg.Connection, *, is_analyzed: bool
) -> None:
    statements = [
        deliveries._RECORD_AND_LEASE,
        deliveries._RECORD_FAILURE,
        endpoints._OBSERVE,
        *(cleanup._statement(table, events_kept=timedelta(days=30)) for table in _LARGE),
    ]
    filling = untriggered.transaction()
    await filling.start()
    await untriggered.execute(_FILL)
    if is_analyzed:
        await untriggered.execute("ANALYZE event, webhook_delivery, allowance")
    plans = {sql: await plan(sql, untriggered.fetch) for sql in statements}
    await filling.rollback()
    for sql, lines in plans.items():
        assert "Index" in lines
        assert not [table for table in _LARGE if f"Seq Scan on {table}" in lines], f"{sql}\n{lines}"
