"""A subscriber, who must get each event once and soon."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.faults.client import UnauthenticatedError
from tests.faults.invitations import USES_PER_CLIENT
from tests.faults.journal import Following, Session, Subscription
from tests.faults.teller import Teller, WrongError, claims
from tests.support.sockets import Socket, Sockets

LATEST = """{ me { invitedClients(first: 100) { nodes { id } } } }"""
_ADDRESS = "ws://127.0.0.1/graphql"  # the Host header; the port is the server's
_LOOK_EVERY = 0.5  # seconds, whether it is stopped
_OUTCOMES = {1006: "none", 1012: "none", 1013: "unavailable"}  # of a connection that ends
_REFUSED = {4401, 4403}


class Follower(Teller):
    """Follows docs/live-updates.md: connect, query missed events, subscribe, and connect again.

    A follower whose code is used up has heard of everybody, and begins anew as another person.
    """

    async def _story(self) -> None:
        _, session = await self._begin()
        self._following = Following()
        self._journal.following[claims(session.token)["sub"]] = self._following
        own = self._person.invitation_code or ""
        self._invitations.followed.append(own)
        try:
            while not self._is_done:
                await self._go_on(session)
        finally:
            self._invitations.remove(own)

    @property
    def _is_done(self) -> bool:
        return self.stopped or len(self._following.known) >= USES_PER_CLIENT

    async def _go_on(self, session: Session) -> None:
        try:
            await self._follow(session)
        except AssertionError as error:
            raise WrongError(f"a message that does not belong here: {error}") from None
        except UnauthenticatedError:
            if not self._clocks_differ and claims(session.token)["exp"] > time.time():
                raise
            await self._refresh(session)

    async def _follow(self, session: Session) -> None:
        """Receive events until the connection ends."""
        began, headers = time.monotonic(), {"X-Forwarded-For": self._address}
        try:
            sockets = Sockets(self._connection.port)
            async with sockets.connected(session.token, headers=headers, uri=_ADDRESS) as socket:
                self._connection.record.note(began, "answered")
                subscription = Subscription(datetime.now(UTC))
                me = await self._surely(LATEST, token=session.token)
                self._following.known |= {node["id"] for node in me["invitedClients"]["nodes"]}
                await socket.subscribe()
                await self._listen(socket, subscription)
        except ConnectionClosed as closed:
            await self._ended(closed.rcvd.code if closed.rcvd else 1006)
        except (OSError, EOFError, InvalidHandshake):  # TimeoutError too
            self._connection.record.note(began, "none")
            self._connection.leave()
            await self._wait()

    async def _listen(self, socket: Socket, subscription: Subscription) -> None:
        self._following.subscriptions.append(subscription)
        try:
            while not self._is_done:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY):
                        event = await socket.event()
                    self._hear(event, subscription)
        finally:
            subscription.until = datetime.now(UTC)

    def _hear(self, event: dict[str, str], subscription: Subscription) -> None:
        subscription.heard.append(event["id"])
        self._following.known.add(event["id"])
        late = datetime.now(UTC) - datetime.fromisoformat(event["invitedAt"])
        self._connection.record.told.append((time.monotonic(), late.total_seconds()))

    async def _ended(self, code: int) -> None:
        """Go to the next server, if this was an end that may be."""
        if code in _REFUSED:
            raise UnauthenticatedError
        if code not in _OUTCOMES:
            raise WrongError(f"a subscription ended with {code}")
        self._connection.record.note(time.monotonic(), _OUTCOMES[code])
        self._connection.leave()
        await self._wait()
