"""Bearer token → the signed-in viewer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.requests import HTTPConnection

from connect_hub.domain import sessions
from connect_hub.models import Client
from connect_hub.settings import Settings
from connect_hub.tokens import AccessTokens, InvalidTokenError


@dataclass
class Viewer(BaseUser):
    """Who asks: a client, or one whose token was refused and why."""

    client: Client | None = None
    refusal: str | None = None


class BearerBackend(AuthenticationBackend):
    """Reads `Authorization: Bearer …` (RFC 6750); a bad token refuses nothing here.

    Whether a viewer is needed is known only to the operation: those that sign in ignore the header,
    which clients attach to everything.
    """

    def __init__(
        self, tokens: AccessTokens, *, address: Callable[[HTTPConnection], str], settings: Settings
    ) -> None:
        self._tokens = tokens
        self._address = address
        self._settings = settings

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """Put a Viewer into the scope, anonymous where there is no such header."""
        header = conn.headers.get("authorization")
        if header is None:
            return AuthCredentials(), Viewer()
        try:
            return AuthCredentials(["authenticated"]), Viewer(await self._client(header, conn))
        except InvalidTokenError as error:
            return AuthCredentials(), Viewer(refusal=str(error))

    async def _client(self, header: str, conn: HTTPConnection) -> Client:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidTokenError("The Authorization header takes 'Bearer' and a token.")
        if not token.strip():
            raise InvalidTokenError("There is no token after 'Bearer': sign in and send its token.")
        claims = self._tokens.verify(token.strip(), now=datetime.now(UTC))
        session_id, generation = claims.session_id, claims.generation
        found = await sessions.find(session_id, generation=generation, client_id=claims.client_id)
        if found is None:
            raise InvalidTokenError("The session of this token has ended; sign in again.")
        if found.is_due:
            address = self._address(conn)
            await sessions.touch(
                session_id, generation=generation, address=address, settings=self._settings
            )
        return found.client
