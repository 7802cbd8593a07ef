"""Sends due events to one endpoint; runs in each server, beside the requests."""

import asyncio
from datetime import timedelta
from random import uniform
from uuid import UUID

import structlog

from connect_hub.observability import metrics, tracing
from connect_hub.security.keys import Keys
from connect_hub.settings import Endpoint
from connect_hub.webhooks import deliveries
from connect_hub.webhooks.deliveries import Delivery
from connect_hub.webhooks.requests import ATTEMPT_TIMEOUT, NotAnsweredError, SignedRequests

CONCURRENCY = 32  # attempts that a process has open at one endpoint
_POLL_INTERVAL = timedelta(seconds=0.1)
_BATCH_INTERVAL = timedelta(seconds=0.01)  # in which others end too
_ERROR_INTERVAL = timedelta(seconds=2)  # after an error of the database
_GONE = 410  # HTTP: the receiver wants no more requests

log = structlog.get_logger()


class Worker:
    """Sends the events of one endpoint. A slow endpoint delays no other, and no request."""

    def __init__(self, endpoint: Endpoint, keys: Keys) -> None:
        self._endpoint = endpoint
        self._requests = SignedRequests(endpoint.url, keys=keys, concurrency=CONCURRENCY)
        self._open: set[asyncio.Task[None]] = set()
        self._accepted: list[UUID] = []  # deliveries whose success is not recorded yet

    async def run(self) -> None:
        """Send events until cancelled. Another server then sends those that were not answered."""
        is_failing = False
        try:
            while True:
                try:
                    await self._start_attempts()
                    is_failing = False
                except Exception as error:  # noqa: BLE001 (the database may recover from any error)
                    if not is_failing:
                        log.warning("webhooks wait for the database", reason=type(error).__name__)
                    is_failing = True
                    await asyncio.sleep(_ERROR_INTERVAL.total_seconds())
        finally:
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
            await self._requests.close()
            if self._accepted:
                await deliveries.record_and_lease(self._endpoint, accepted=self._accepted, limit=0)

    async def _start_attempts(self) -> None:
        """Start attempts for the deliveries that are due, then wait until there may be more."""
        free, accepted = CONCURRENCY - len(self._open), self._accepted[:]
        leased = await deliveries.record_and_lease(self._endpoint, accepted=accepted, limit=free)
        del self._accepted[: len(accepted)]
        for delivery in leased:
            task = asyncio.create_task(self._attempt(delivery))
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        if len(leased) == free:
            await asyncio.wait(self._open, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(_BATCH_INTERVAL.total_seconds())
        else:
            # A random interval keeps servers from polling at the same time.
            wait = _POLL_INTERVAL * uniform(0.5, 1.5)  # noqa: S311 (no secret)
            await asyncio.sleep(wait.total_seconds())

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            with tracing.trace_webhook(
                self._endpoint.origin, event_type=delivery.event_type, cause=delivery.trace
            ) as span:
                result = await self._send(delivery)
                if span:
                    span.set_attribute("webhook.result", result)
            metrics.WEBHOOK_ATTEMPTS.labels(self._endpoint.origin, result).inc()
        except Exception as error:  # noqa: BLE001 (the lease expires, and the event is sent again)
            log.warning(
                "webhook result not recorded",
                event_id=str(delivery.event_id),
                reason=type(error).__name__,
            )

    async def _send(self, delivery: Delivery) -> str:
        """Send an event and note the result, which is returned as metrics name it."""
        try:
            answer = await self._requests.post(
                delivery.body, message_id=str(delivery.event_id), timeout=ATTEMPT_TIMEOUT
            )
        except NotAnsweredError as error:
            return await self._record_failure(delivery, str(error), retry_after=None)
        if answer.is_success:
            self._accepted.append(delivery.id)
            return "delivered"
        failure = f"HTTP {answer.status}"
        if answer.status == _GONE:
            await deliveries.record_gone(delivery, self._endpoint, failure)
            return "gone"
        return await self._record_failure(delivery, failure, retry_after=answer.retry_after)

    async def _record_failure(
        self, delivery: Delivery, failure: str, *, retry_after: timedelta | None
    ) -> str:
        endpoint, event_id = self._endpoint, str(delivery.event_id)
        if await deliveries.record_failure(delivery, endpoint, failure, retry_after=retry_after):
            return "retried"
        log.error("webhook failed", endpoint=endpoint.origin, event_id=event_id, reason=failure)
        return "failed"
