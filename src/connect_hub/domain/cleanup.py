"""Deletes expired rows, in small batches."""

import asyncio
from datetime import timedelta
from random import uniform

import structlog

from connect_hub.database.connections import fetch
from connect_hub.domain.sms_pumping import PERIOD
from connect_hub.observability import metrics

INTERVAL = timedelta(minutes=1)
_BACKLOG_INTERVAL = timedelta(seconds=0.1)  # after a full batch: faster than an attack adds rows
BATCH_SIZE = 1000  # rows of a table

log = structlog.get_logger()

# SKIP LOCKED leaves rows that a request uses or that another replica deletes at the same time.
_SWEEP = """
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {table} WHERE {expired} LIMIT $1 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
"""
_EXPIRED = {
    "sign_in_code": "expires_at < now() AND resend_at < now()",
    "session": "expires_at < now()",
    "allowance": "expires_at < now()",
    "number_block": f"""
        greatest(since, alarmed_at) < now() - CASE alarms WHEN 0
            THEN interval '{PERIOD.total_seconds()} s' ELSE interval '30 days' END
    """,
}


async def sweep_once() -> bool:
    """Delete a batch of each table; return whether any batch was full, so that more may remain."""
    full = False
    for table, expired in _EXPIRED.items():
        deleted = await fetch(_SWEEP.format(table=table, expired=expired), BATCH_SIZE)
        metrics.SWEPT.labels(table).inc(len(deleted))
        full |= len(deleted) == BATCH_SIZE
    return full


async def sweep() -> None:
    """Delete expired rows about every minute; runs until cancelled."""
    has_backlog = False
    while True:
        # A random interval keeps replicas from sweeping at the same time.
        wait = _BACKLOG_INTERVAL if has_backlog else INTERVAL * uniform(0.5, 1.5)  # noqa: S311 (no secret)
        await asyncio.sleep(wait.total_seconds())
        try:
            has_backlog = await sweep_once()
        except Exception as error:  # noqa: BLE001 (after any error, the next sweep may succeed)
            metrics.SWEEPS_FAILED.inc()
            log.warning("sweep failed", reason=repr(error))
