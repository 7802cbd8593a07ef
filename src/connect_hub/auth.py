"""Bearer token → the signed-in client."""

from datetime import UTC, datetime

from starlette.types import Scope

from connect_hub.addresses import ClientAddresses
from connect_hub.domain import sessions
from connect_hub.models import Client
from connect_hub.settings import Settings
from connect_hub.tokens import AccessTokens, InvalidTokenError


class Authentication:
    """Reads `Bearer …` (RFC 6750), when an operation asks for a viewer and not before.

    Those that sign in do not, since clients attach their token to everything.
    """

    def __init__(
        self, tokens: AccessTokens, *, addresses: ClientAddresses, settings: Settings
    ) -> None:
        self._tokens = tokens
        self._addresses = addresses
        self._settings = settings

    async def __call__(self, authorization: str | None, scope: Scope) -> Client | None:
        """Find the client of what a request says of authorization; None where it says nothing.

        Args:
            authorization: the header, or what came in its stead.
            scope: of the request, which is noted as a use of the session.

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
        session_id, generation = claims.session_id, claims.generation
        found = await sessions.find(session_id, generation=generation, client_id=claims.client_id)
        if found is None:
            raise InvalidTokenError("The session of this token has ended; sign in again.")
        if found.is_due:
            address = self._addresses.of(scope)
            await sessions.touch(
                session_id, generation=generation, address=address, settings=self._settings
            )
        # Tortoise looks each name up that is set on a model.
        vars(found.client)["signed_in_until"] = claims.valid_until
        return found.client
