"""What happens to clients, told as it happens to those who wait for it, in any process.

A notification says no more than where to look. What is told is read from the database, beginning
after what was told last: so nothing is told twice, and nothing is lost with a notification.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from connect_hub import background
from connect_hub.database import notifications
from connect_hub.domain import invitations, sessions
from connect_hub.domain.invitations import Invited
from connect_hub.observability import metrics

MOST_WAITING = 100  # events that one reader has not taken
_RETRY_AFTER = timedelta(seconds=0.5)

log = structlog.get_logger()


class TooSlowError(Exception):
    """More has happened than waits for a reader."""


class Arrivals:
    """Those who apply one client's code, after a moment."""

    def __init__(self, after: datetime) -> None:
        self.after = after
        self._waiting: asyncio.Queue[Invited] = asyncio.Queue(MOST_WAITING)
        self._overflows = False

    def put(self, invited: Invited) -> None:
        """Tell the reader of one, unless it knows already."""
        if invited.invited_at <= self.after:
            return
        self.after = invited.invited_at
        if self._waiting.full():
            self._overflows = True
        else:
            self._waiting.put_nowait(invited)

    def __aiter__(self) -> "Arrivals":
        return self

    async def __anext__(self) -> Invited:
        if self._overflows:
            raise TooSlowError
        invited = await self._waiting.get()
        delay = datetime.now(UTC) - invited.invited_at
        metrics.EVENT_SECONDS.observe(max(delay.total_seconds(), 0))
        return invited


class Live:
    """All who wait in this process."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._arrivals: dict[UUID, set[Arrivals]] = {}  # by inviter
        self._ends: dict[UUID, set[Callable[[], None]]] = {}  # by session
        self._changed: set[UUID] = set()  # inviters to look at
        self._missed_ends = False
        self._wake = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hear and tell, as long as this lasts."""
        channels = {"client_invited": self._invited, "session_ended": self._ended}
        hearing = notifications.hear(self._config, channels, connected=self._look_at_all)
        async with background.running(hearing, self._tell()):
            yield

    @contextmanager
    def arrivals(self, client_id: UUID, *, after: datetime) -> Iterator[Arrivals]:
        """Tell who applies a client's code from a moment on, as long as this lasts."""
        arrivals = Arrivals(after)
        told = self._arrivals.setdefault(client_id, set())
        told.add(arrivals)
        self._look_at(client_id)
        metrics.SUBSCRIBERS.inc()
        try:
            yield arrivals
        finally:
            metrics.SUBSCRIBERS.dec()
            told.discard(arrivals)
            if not told:
                del self._arrivals[client_id]

    @contextmanager
    def ending(self, session_id: UUID, end: Callable[[], None]) -> Iterator[None]:
        """Call `end` when a session ends, as long as this lasts."""
        ends = self._ends.setdefault(session_id, set())
        ends.add(end)
        try:
            yield
        finally:
            ends.discard(end)
            if not ends:
                del self._ends[session_id]

    def _invited(self, inviter_id: str) -> None:
        self._look_at(UUID(inviter_id))

    def _ended(self, session_id: str) -> None:
        self._end(UUID(session_id))

    def _end(self, session_id: UUID) -> None:
        for end in list(self._ends.get(session_id, ())):
            end()

    def _look_at(self, inviter_id: UUID) -> None:
        if inviter_id in self._arrivals:
            self._changed.add(inviter_id)
            self._wake.set()

    def _look_at_all(self) -> None:
        self._changed.update(self._arrivals)
        self._missed_ends = True
        self._wake.set()

    async def _tell(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._catch_up()
            except Exception as error:  # noqa: BLE001 (whatever it is, the next try may go well)
                log.warning("live updates wait", reason=type(error).__name__)
                await asyncio.sleep(_RETRY_AFTER.total_seconds())
                self._wake.set()

    async def _catch_up(self) -> None:
        """End what has ended, and only then tell what is new."""
        if self._missed_ends:
            await self._end_missed()
        looked_at = {
            inviter_id: min(arrivals.after for arrivals in self._arrivals[inviter_id])
            for inviter_id in self._changed
            if inviter_id in self._arrivals
        }
        self._changed.clear()
        try:
            found = await invitations.since(looked_at, most=MOST_WAITING + 1)
        except BaseException:
            self._changed.update(looked_at)
            raise
        for inviter_id, invited in found:
            for arrivals in self._arrivals.get(inviter_id, ()):
                arrivals.put(invited)
        counts = Counter(inviter_id for inviter_id, _ in found)
        for inviter_id in (id_ for id_, count in counts.items() if count > MOST_WAITING):
            self._look_at(inviter_id)  # there may be more

    async def _end_missed(self) -> None:
        known, self._missed_ends = list(self._ends), False
        try:
            living = await sessions.living(known)
        except BaseException:
            self._missed_ends = True
            raise
        for session_id in set(known) - living:
            self._end(session_id)
