"""The context of one GraphQL request: the shared services and the client that sent it."""

from asyncio import Lock
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from starlette.authentication import BaseUser
from starlette.types import Scope

from connect_hub.api.graphql_errors import UnauthenticatedError
from connect_hub.api.services import Services
from connect_hub.domain.events import Actor, Origin, printable_device
from connect_hub.domain.viewer import Viewer, find_viewer, touch_session
from connect_hub.security.access_tokens import InvalidTokenError
from connect_hub.server.authentication import RejectedUser, TokenUser
from connect_hub.server.headers import header
from connect_hub.server.request_log import RequestLog, request_log
from connect_hub.sms import texts

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(kw_only=True, slots=True)
class Context:
    """What resolvers get as `info.context`; a WebSocket has one for each subscription."""

    services: Services
    scope: Scope  # of the HTTP request or WebSocket
    user: BaseUser  # from the token in the Authorization header or in connection_init
    since: datetime = _NEVER  # a subscription sends only later events
    notice: str | None = None  # a warning for the response's extensions
    _lock: Lock = field(default_factory=Lock, init=False)
    _is_viewer_read: bool = field(default=False, init=False)
    _viewer: Viewer | None = field(default=None, init=False)

    @property
    def log(self) -> RequestLog:
        """The log entry of this request."""
        return request_log(self.scope)

    @property
    def address(self) -> str:
        """The client's network, by which limits per address count."""
        return self.services.addresses.of(self.scope)

    @property
    def device(self) -> str:
        """The User-Agent header."""
        return header(self.scope, b"user-agent") or ""

    @property
    def language(self) -> str:
        """The language of SMS to this client, chosen by Accept-Language."""
        return texts.negotiate_language(header(self.scope, b"accept-language") or "")

    def origin(self) -> Origin:
        """Return the origin of the changes that this request makes."""
        return Origin(
            Actor.CLIENT,
            request_id=self.log.request_id,
            address=self.address,
            device=printable_device(self.device),
        )

    def session_of(self, client_id: UUID) -> UUID | None:
        """Return the session of the token that was sent, if the token belongs to this client."""
        if isinstance(self.user, TokenUser) and self.user.claims.client_id == client_id:
            return self.user.claims.session_id
        return None

    async def authenticate(self, *, page_limit: int = 0) -> Viewer | None:
        """Read the session and the client of the token, and record that the session is in use.

        Args:
            page_limit: how many invited clients to read in the same statement; 0 reads none.

        Returns:
            None if no token was sent.

        Raises:
            InvalidTokenError: the token is invalid, or its session has ended.
        """
        if isinstance(self.user, RejectedUser):
            raise self.user.reason
        if not isinstance(self.user, TokenUser):
            return None
        viewer = await find_viewer(self.user.claims, page_limit=page_limit)
        if viewer is None:
            raise InvalidTokenError("The session of this token has ended; sign in again.")
        self.log.client = str(viewer.client.id)
        if viewer.is_touch_due:
            await touch_session(viewer, address=self.address, settings=self.services.settings)
        return viewer

    async def viewer(self, *, page_limit: int = 0) -> Viewer | None:
        """Return the signed-in client, or None for an anonymous request.

        Args:
            page_limit: how many invited clients to read too, if this call is the first one.

        Raises:
            UnauthenticatedError: a token was sent and is invalid.
        """
        async with self._lock:  # fields that are resolved at once share one query
            if not self._is_viewer_read:
                try:
                    self._viewer = await self.authenticate(page_limit=page_limit)
                except InvalidTokenError as error:
                    raise UnauthenticatedError(str(error)) from None
                self._is_viewer_read = True
        return self._viewer

    async def viewer_if_valid(self) -> Viewer | None:
        """Return the signed-in client, or None: clients also attach a former token to sign-in."""
        try:
            return await self.viewer()
        except UnauthenticatedError:
            return None

    async def signed_in(self) -> Viewer:
        """Return the signed-in client.

        Raises:
            UnauthenticatedError: no token was sent, or it is invalid.
        """
        if not (viewer := await self.viewer()):
            raise UnauthenticatedError("Sign in first: send 'Authorization: Bearer <accessToken>'.")
        return viewer
