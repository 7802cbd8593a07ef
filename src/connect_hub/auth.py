"""Bearer token → the signed-in viewer."""

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.requests import HTTPConnection
from tortoise.expressions import F

from connect_hub.database import ANY_ID, Rendered
from connect_hub.models import Client
from connect_hub.tokens import AccessTokens, InvalidTokenError


@dataclass
class Viewer(BaseUser):
    """Who asks: a client, or one whose token was refused and why."""

    client: Client | None = None
    refusal: str | None = None


_living = Rendered(
    lambda: Client.filter(id=ANY_ID, deleted_at=None).annotate(
        applied_code=F("inviter__invitation_code")
    )
)


class BearerBackend(AuthenticationBackend):
    """Reads `Authorization: Bearer …` (RFC 6750); a bad token refuses nothing here.

    Whether a viewer is needed is known only to the operation: those that sign in ignore the header,
    which clients attach to everything.
    """

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """Put a Viewer into the scope, anonymous where there is no such header."""
        header = conn.headers.get("authorization")
        if header is None:
            return AuthCredentials(), Viewer()
        try:
            return AuthCredentials(["authenticated"]), Viewer(await self._client(header))
        except InvalidTokenError as error:
            return AuthCredentials(), Viewer(refusal=str(error))

    async def _client(self, header: str) -> Client:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidTokenError("The Authorization header takes 'Bearer' and a token.")
        if not token.strip():
            raise InvalidTokenError("There is no token after 'Bearer': sign in and send its token.")
        claims = self._tokens.verify(token.strip(), now=datetime.now(UTC))
        client = await _living.one(claims.client_id)
        if client is None:
            raise InvalidTokenError("The client of this token is gone; register anew.")
        return client
