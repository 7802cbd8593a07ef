"""The deliveries of an endpoint that are due: leased by one server, sent, recorded.

A lease moves `due_at` into the future. So another server takes the delivery once the lease of a
dead server has expired. Its new `due_at` names the lease: a server that was too slow records
nothing over the result of another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import uniform
from uuid import UUID

import orjson
import structlog

from connect_hub.database.connections import Row, fetch
from connect_hub.settings import Endpoint

LEASE = timedelta(seconds=30)  # longer than an attempt takes
_VERSION = "1"  # of the payload, as in docs/webhooks.schema.json
_DISABLE_AFTER = timedelta(days=5)  # of failures without a success
_JITTER = 1.2  # a delay grows by up to this factor
RETRY_DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that is to be sent to one endpoint."""

    id: UUID
    leased_until: datetime
    attempts: int  # that failed
    event_id: UUID
    event_type: str
    body: bytes
    trace: str | None  # `traceparent` of the request that made the change


# One statement for both, since a busy endpoint needs it often. The row of the endpoint is updated
# once a minute unless the endpoint failed before, so that many servers do not wait for its lock.
# PostgreSQL expects few ids in an array, and so looks them up in the index. It would expect a tenth
# of the table from `LIMIT $2` in a join, and read the whole table.
_RECORD_AND_LEASE = """
    WITH accepted AS (DELETE FROM webhook_delivery WHERE id = ANY ($4::uuid[])),
    succeeded AS (
        UPDATE webhook_endpoint
        SET delivered_at = now(), failing_since = NULL, failure = NULL, paused_until = NULL
        WHERE id = $1 AND cardinality($4::uuid[]) > 0
        AND (failing_since IS NOT NULL OR paused_until IS NOT NULL
            OR coalesce(delivered_at < now() - interval '1 minute', true))
    )
    UPDATE webhook_delivery AS delivery SET due_at = now() + $3::interval
    FROM event WHERE event.id = delivery.event_id AND delivery.id = ANY (ARRAY(
        SELECT id FROM webhook_delivery WHERE endpoint = $1 AND due_at <= now()
        AND (SELECT disabled_at IS NULL AND coalesce(paused_until <= now(), true)
             FROM webhook_endpoint WHERE id = $1)
        ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
    RETURNING delivery.id, due_at, attempts, event_id,
              type, client_id, data::text, event.created_at, actor, trace
"""


async def record_and_lease(
    endpoint: Endpoint, *, accepted: Sequence[UUID] = (), limit: int
) -> list[Delivery]:
    """Delete deliveries that the endpoint accepted, and lease those that are due, oldest first.

    Args:
        endpoint: gets the events.
        accepted: ids of deliveries.
        limit: how many are leased at most.
    """
    rows = await fetch(_RECORD_AND_LEASE, endpoint.id, limit, LEASE, list(accepted))
    return [_delivery(row) for row in rows]


def _delivery(row: Row) -> Delivery:
    data = {"client": str(row["client_id"]), "actor": row["actor"], **orjson.loads(row["data"])}
    return Delivery(
        id=row["id"],
        leased_until=row["due_at"],
        attempts=row["attempts"],
        event_id=row["event_id"],
        event_type=row["type"],
        body=payload(row["type"], timestamp=row["created_at"], data=data),
        trace=row["trace"],
    )


def payload(event_type: str, *, timestamp: datetime, data: object) -> bytes:
    """Return the body of a webhook."""
    content = {"type": event_type, "version": _VERSION, "timestamp": timestamp, "data": data}
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


_RECORD_FAILURE = """
    WITH scheduled AS (
        UPDATE webhook_delivery SET attempts = attempts + $3, due_at = now() + $4::interval
        WHERE id = $1 AND due_at = $2
    )
    UPDATE webhook_endpoint SET
        failing_since = coalesce(failing_since, now()),
        failure = $6,
        paused_until = greatest(paused_until, now() + $7::interval),
        disabled_at = CASE WHEN $3 = 0 OR failing_since < now() - $8::interval THEN now() END
    WHERE id = $5 AND disabled_at IS NULL
    RETURNING disabled_at IS NOT NULL AS is_disabled
"""


async def record_failure(
    delivery: Delivery, endpoint: Endpoint, failure: str, *, retry_after: timedelta | None
) -> bool:
    """Schedule the next attempt; return whether there is one.

    Args:
        delivery: the attempt that failed.
        endpoint: which did not accept it. It is disabled after 5 days of failures.
        failure: why, in a few words.
        retry_after: how long the endpoint asked to get no requests.
    """
    delay = None
    if delivery.attempts < len(RETRY_DELAYS):
        jitter = uniform(1, _JITTER)  # noqa: S311 (no secret)
        delay = max(RETRY_DELAYS[delivery.attempts] * jitter, retry_after or timedelta())
    await _record(delivery, endpoint, failure, counted=1, delay=delay, pause=retry_after)
    return delay is not None


async def record_gone(delivery: Delivery, endpoint: Endpoint, failure: str) -> None:
    """Disable an endpoint that wants no more events; this one waits with the others."""
    await _record(delivery, endpoint, failure, counted=0, delay=timedelta(), pause=None)


async def _record(  # noqa: PLR0913 (the parameters of a statement)
    delivery: Delivery,
    endpoint: Endpoint,
    failure: str,
    *,
    counted: int,
    delay: timedelta | None,
    pause: timedelta | None,
) -> None:
    own = delivery.id, delivery.leased_until, counted, delay
    rows = await fetch(_RECORD_FAILURE, *own, endpoint.id, failure, pause, _DISABLE_AFTER)
    if any(row["is_disabled"] for row in rows):
        log.error("webhook endpoint disabled", endpoint=endpoint.origin, reason=failure)


_RETRY = """
    UPDATE webhook_delivery SET attempts = 0, due_at = now() WHERE due_at IS NULL RETURNING 1
"""


async def retry_failed() -> int:
    """Make all failed deliveries due again, and return how many."""
    return len(await fetch(_RETRY))
