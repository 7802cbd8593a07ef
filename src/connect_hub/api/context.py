"""What a resolver may use."""

from asyncio import Lock
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from starlette.authentication import BaseUser
from starlette.types import Scope

from connect_hub.api.errors import UnauthenticatedError
from connect_hub.domain import sessions
from connect_hub.domain.live_updates import LiveUpdates
from connect_hub.domain.sessions import Viewer
from connect_hub.security.keys import Keys
from connect_hub.security.tokens import AccessTokens, InvalidTokenError, RefreshTokens
from connect_hub.server.authentication import RejectedUser, TokenUser
from connect_hub.server.client_address import ClientAddresses
from connect_hub.server.headers import header
from connect_hub.server.request_log import RequestLog, request_log
from connect_hub.settings import Settings
from connect_hub.sms import SmsSender, texts

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(kw_only=True, slots=True)
class Context:
    """One a request; built in `app.py`."""

    settings: Settings
    sender: SmsSender
    keys: Keys
    tokens: AccessTokens
    refresh_tokens: RefreshTokens
    live: LiveUpdates
    addresses: ClientAddresses
    scope: Scope  # of the HTTP request or WebSocket
    user: BaseUser  # by the token in the header or in `connection_init`
    since: datetime = _NEVER  # what a subscription tells is later
    notice: str | None = None  # what the answer tells whoever reads it
    _turn: Lock = field(default_factory=Lock, init=False)
    _known: bool = field(default=False, init=False)
    _viewer: Viewer | None = field(default=None, init=False)

    @property
    def log(self) -> RequestLog:
        """What the log tells about this request."""
        return request_log(self.scope)

    @property
    def address(self) -> str:
        """The address of the client's network: what limits per address count by."""
        return self.addresses.of(self.scope)

    @property
    def device(self) -> str:
        """The client, as its User-Agent names it."""
        return header(self.scope, b"user-agent") or ""

    @property
    def language(self) -> str:
        """The language of messages to the person who asks."""
        return texts.negotiate_language(header(self.scope, b"accept-language") or "")

    def session_of(self, client_id: UUID) -> UUID | None:
        """Name the session by whose token a client asks, where it is this client's token."""
        if isinstance(self.user, TokenUser) and self.user.claims.client_id == client_id:
            return self.user.claims.session_id
        return None

    async def authenticate(self) -> Viewer | None:
        """Read the session and the client of the token that came, and note the session's use.

        Returns:
            None where no token came.

        Raises:
            InvalidTokenError: the token is not accepted, or its session has ended.
        """
        if isinstance(self.user, RejectedUser):
            raise self.user.reason
        if not isinstance(self.user, TokenUser):
            return None
        viewer = await sessions.find(self.user.claims)
        if viewer is None:
            raise InvalidTokenError("The session of this token has ended; sign in again.")
        self.log.client = str(viewer.client.id)
        if viewer.is_touch_due:
            await sessions.touch(viewer, address=self.address, settings=self.settings)
        return viewer

    async def viewer(self) -> Viewer | None:
        """Tell who asks: the signed-in client, or None for an anonymous request.

        Raises:
            UnauthenticatedError: a token came and is not accepted.
        """
        async with self._turn:  # one field asks, for all
            if not self._known:
                try:
                    self._viewer = await self.authenticate()
                except InvalidTokenError as error:
                    raise UnauthenticatedError(str(error)) from None
                self._known = True
        return self._viewer

    async def signed_in(self) -> Viewer:
        """Tell which client asks.

        Raises:
            UnauthenticatedError: nobody is signed in.
        """
        if not (viewer := await self.viewer()):
            raise UnauthenticatedError("Sign in first: send 'Authorization: Bearer <accessToken>'.")
        return viewer
