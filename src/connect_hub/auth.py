"""Bearer token → the signed-in client."""

from datetime import UTC, datetime

from tortoise.expressions import F

from connect_hub.database import ANY_ID, Rendered
from connect_hub.models import Client
from connect_hub.tokens import AccessTokens, InvalidTokenError

_living = Rendered(
    lambda: Client.filter(id=ANY_ID, deleted_at=None).annotate(
        applied_code=F("inviter__invitation_code")
    )
)


class Authentication:
    """Reads `Bearer …` (RFC 6750), when an operation asks for a viewer and not before.

    Those that sign in do not, since clients attach their token to everything.
    """

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens

    async def __call__(self, authorization: str | None) -> Client | None:
        """Find the client of what a request says of authorization; None where it says nothing.

        Raises:
            InvalidTokenError: it is not accepted.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidTokenError("The Authorization header takes 'Bearer' and a token.")
        if not token.strip():
            raise InvalidTokenError("There is no token after 'Bearer': sign in and send its token.")
        claims = self._tokens.verify(token.strip(), now=datetime.now(UTC))
        client = await _living.one(claims.client_id)
        if client is None:
            raise InvalidTokenError("The client of this token is gone; register anew.")
        return client
