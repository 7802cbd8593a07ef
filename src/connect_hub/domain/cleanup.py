"""Removal of rows that have expired, a few at a time."""

import asyncio
from datetime import timedelta
from random import uniform

import structlog

from connect_hub.database.connections import fetch
from connect_hub.domain.sms_pumping import PERIOD
from connect_hub.observability import metrics

EVERY = timedelta(minutes=1)
_AGAIN = timedelta(seconds=0.1)  # after a whole batch, so that an attack cannot outrun it
BATCH = 1000  # rows of a table

log = structlog.get_logger()

# Rows that another replica sweeps just now, or that are in use, are passed over.
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


async def once() -> bool:
    """Remove a batch of each table; tell whether any had a whole batch."""
    full = False
    for table, expired in _EXPIRED.items():
        removed = await fetch(_SWEEP.format(table=table, expired=expired), BATCH)
        metrics.SWEPT.labels(table).inc(len(removed))
        full |= len(removed) == BATCH
    return full


async def sweep() -> None:
    """Sweep every minute or so, for ever."""
    more = False
    while True:
        pause = _AGAIN if more else EVERY * uniform(0.5, 1.5)  # noqa: S311 (no secret)
        await asyncio.sleep(pause.total_seconds())
        try:
            more = await once()
        except Exception as error:  # noqa: BLE001 (the next sweep may go well)
            metrics.SWEEPS_FAILED.inc()
            log.warning("sweep failed", reason=repr(error))
