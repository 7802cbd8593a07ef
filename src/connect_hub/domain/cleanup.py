"""Deletes expired rows, in small batches."""

import asyncio
from datetime import timedelta
from random import uniform

import structlog

from connect_hub.database.connections import fetch
from connect_hub.domain import codes
from connect_hub.domain.sms_pumping import PERIOD
from connect_hub.observability import metrics

INTERVAL = timedelta(minutes=1)
_BACKLOG_INTERVAL = timedelta(seconds=0.1)  # after a full batch: faster than an attack adds rows
BATCH_SIZE = 1000  # rows of a table

log = structlog.get_logger()

# SKIP LOCKED leaves rows that a request uses or that another server deletes at the same time.
# The statements have no parameters: PostgreSQL would expect a third of the rows to be older than
# `now() - $1`, and would read the whole table instead of the index.
_SWEEP = """
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {table} WHERE {expired} ORDER BY {column}
        LIMIT {batch_size} FOR UPDATE SKIP LOCKED
    )) RETURNING {returned}
"""
# A bound code that expires gives back the guesses that it did not need.
_RETURNED = {"sign_in_code": "guess_limit, guess_hits[guesses + 1 :] AS unused"}
# Each table with the column of its index, and the condition of the rows that are deleted.
_EXPIRED = {
    "sign_in_code": ("expires_at", "expires_at < now() AND resend_at < now()"),
    "session": ("expires_at", "expires_at < now()"),
    "allowance": ("expires_at", "expires_at < now()"),
    "number_block": (
        "since",
        f"""
            since < now() - interval '{PERIOD.total_seconds()} s'
            AND greatest(since, alarmed_at) < now() - CASE alarms WHEN 0
                THEN interval '{PERIOD.total_seconds()} s' ELSE interval '30 days' END
        """,
    ),
    # Deliveries first, so that those of deleted events are counted.
    "webhook_delivery": ("created_at", "created_at < {kept_since}"),
    "event": (
        "created_at",
        """
            created_at < {kept_since}
            AND coalesce((SELECT min(created_at) FROM webhook_delivery) >= {kept_since}, true)
        """,
    ),
    "webhook_endpoint": ("seen_at", "seen_at < {kept_since}"),
}


async def sweep_once(*, events_kept: timedelta) -> bool:
    """Delete a batch of each table; return whether any batch was full, so that more may remain.

    Args:
        events_kept: the age of the events that are deleted.
    """
    full = False
    for table in _EXPIRED:
        deleted = await fetch(_statement(table, events_kept=events_kept))
        if table in _RETURNED:
            await codes.refund_unused(deleted)
        if deleted and table == "webhook_delivery":
            metrics.WEBHOOKS_DROPPED.inc(len(deleted))
            log.error("undelivered events dropped", deliveries=len(deleted))
        metrics.SWEPT.labels(table).inc(len(deleted))
        full |= len(deleted) == BATCH_SIZE
    return full


def _statement(table: str, *, events_kept: timedelta) -> str:
    column, expired = _EXPIRED[table]
    kept_since = f"now() - interval '{events_kept.total_seconds()} s'"
    return _SWEEP.format(
        table=table,
        column=column,
        expired=expired.format(kept_since=kept_since),
        batch_size=BATCH_SIZE,
        returned=_RETURNED.get(table, "1"),
    )


async def sweep(*, events_kept: timedelta) -> None:
    """Delete expired rows about every minute; runs until cancelled."""
    has_backlog = False
    while True:
        # A random interval keeps servers from sweeping at the same time.
        wait = _BACKLOG_INTERVAL if has_backlog else INTERVAL * uniform(0.5, 1.5)  # noqa: S311 (no secret)
        await asyncio.sleep(wait.total_seconds())
        try:
            has_backlog = await sweep_once(events_kept=events_kept)
        except Exception as error:  # noqa: BLE001 (after any error, the next sweep may succeed)
            metrics.SWEEPS_FAILED.inc()
            log.warning("sweep failed", reason=repr(error))
