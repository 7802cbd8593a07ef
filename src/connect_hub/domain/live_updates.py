"""Live updates: who applied a client's code and which sessions ended, sent to this process.

A notification only says which inviter or session changed. The data is read from the database, from
the last event sent onwards. So no event is sent twice, and a lost notification loses no event.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from connect_hub import background
from connect_hub.database import notifications
from connect_hub.database.config import DatabaseConfig
from connect_hub.domain import invitations, sessions
from connect_hub.domain.invitations import Invited
from connect_hub.observability import metrics

MAX_QUEUED = 100  # events in one stream
_RETRY_DELAY = timedelta(seconds=0.5)

log = structlog.get_logger()


class SlowConsumerError(Exception):
    """A stream has more events than its queue holds."""


class InvitedStream:
    """The clients who apply one client's code after a given time, as an async iterator."""

    def __init__(self, after: datetime) -> None:
        self.after = after  # the time of the latest event that was put
        self._queue: asyncio.Queue[Invited] = asyncio.Queue(MAX_QUEUED)
        self._overflowed = False

    def put(self, invited: Invited) -> None:
        """Queue an event, unless it is not later than the latest one."""
        if invited.invited_at <= self.after:
            return
        self.after = invited.invited_at
        if self._queue.full():
            self._overflowed = True
        else:
            self._queue.put_nowait(invited)

    def __aiter__(self) -> "InvitedStream":
        return self

    async def __anext__(self) -> Invited:
        if self._overflowed:
            raise SlowConsumerError
        invited = await self._queue.get()
        delay = datetime.now(UTC) - invited.invited_at
        metrics.EVENT_SECONDS.observe(max(delay.total_seconds(), 0))
        return invited


class LiveUpdates:
    """The open streams and sessions of this process, and the tasks that update them."""

    def __init__(self, config: DatabaseConfig) -> None:
        self._config = config  # of a direct connection, for LISTEN
        self._streams: dict[UUID, set[InvitedStream]] = {}  # by inviter
        self._end_callbacks: dict[UUID, set[Callable[[], None]]] = {}  # by session
        self._changed: set[UUID] = set()  # inviters with new events
        self._check_sessions = False  # notifications of ended sessions may be lost
        self._wake = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen and send updates inside the block."""
        channels = {"client_invited": self._on_invited, "session_ended": self._on_session_ended}
        listening = notifications.listen(self._config, channels, connected=self._check_all)
        async with background.running(listening, self._stream()):
            yield

    @contextmanager
    def invited_stream(self, client_id: UUID, *, after: datetime) -> Iterator[InvitedStream]:
        """Open the stream of the clients who apply a client's code after a given time."""
        stream = InvitedStream(after)
        streams = self._streams.setdefault(client_id, set())
        streams.add(stream)
        self._mark_changed(client_id)
        metrics.SUBSCRIBERS.inc()
        try:
            yield stream
        finally:
            metrics.SUBSCRIBERS.dec()
            streams.discard(stream)
            if not streams:
                del self._streams[client_id]

    @contextmanager
    def on_session_end(self, session_id: UUID, callback: Callable[[], None]) -> Iterator[None]:
        """Call `callback` if the session ends inside the block."""
        callbacks = self._end_callbacks.setdefault(session_id, set())
        callbacks.add(callback)
        try:
            yield
        finally:
            callbacks.discard(callback)
            if not callbacks:
                del self._end_callbacks[session_id]

    def _on_invited(self, inviter_id: str) -> None:
        self._mark_changed(UUID(inviter_id))

    def _on_session_ended(self, session_id: str) -> None:
        self._end_session(UUID(session_id))

    def _end_session(self, session_id: UUID) -> None:
        for callback in list(self._end_callbacks.get(session_id, ())):
            callback()

    def _mark_changed(self, inviter_id: UUID) -> None:
        if inviter_id in self._streams:
            self._changed.add(inviter_id)
            self._wake.set()

    def _check_all(self) -> None:
        """Check all streams and sessions: notifications may have been lost."""
        self._changed.update(self._streams)
        self._check_sessions = True
        self._wake.set()

    async def _stream(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._catch_up()
            except Exception as error:  # noqa: BLE001 (after any error, the next try may succeed)
                log.warning("live updates wait", reason=type(error).__name__)
                await asyncio.sleep(_RETRY_DELAY.total_seconds())
                self._wake.set()

    async def _catch_up(self) -> None:
        """Close what belongs to ended sessions, and only then send new events."""
        if self._check_sessions:
            await self._end_missed_sessions()
        after = {
            inviter_id: min(stream.after for stream in self._streams[inviter_id])
            for inviter_id in self._changed
            if inviter_id in self._streams
        }
        self._changed.clear()
        try:
            found = await invitations.invited_since(after, limit=MAX_QUEUED + 1)
        except BaseException:
            self._changed.update(after)
            raise
        for inviter_id, invited in found:
            for stream in self._streams.get(inviter_id, ()):
                stream.put(invited)
        counts = Counter(inviter_id for inviter_id, _ in found)
        for inviter_id, count in counts.items():
            if count > MAX_QUEUED:  # the limit was reached, so there may be more
                self._mark_changed(inviter_id)

    async def _end_missed_sessions(self) -> None:
        known, self._check_sessions = list(self._end_callbacks), False
        try:
            active = await sessions.active(known)
        except BaseException:
            self._check_sessions = True
            raise
        for session_id in set(known) - active:
            self._end_session(session_id)
