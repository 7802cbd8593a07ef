"""The access token of a request, verified in Starlette's AuthenticationMiddleware.

The backend reads `Authorization: Bearer …` (RFC 6750) and puts a user into the scope. An invalid
token is not an error yet, because clients also attach their token to sign-in. The user then carries
the reason, and operations that need a viewer are rejected with it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    BaseUser,
    UnauthenticatedUser,
)
from starlette.requests import HTTPConnection

from connect_hub.security.access_tokens import AccessTokens, Claims, InvalidTokenError
from connect_hub.server.headers import MAX_TOKEN, header

_ANONYMOUS = UnauthenticatedUser()
_NO_SCOPES = AuthCredentials()
_CLIENT_SCOPES = AuthCredentials(["client"])


@dataclass(frozen=True, slots=True)
class TokenUser(BaseUser):
    """The holder of a valid access token, whose session may have ended."""

    claims: Claims

    @property
    def is_authenticated(self) -> bool:
        """True, because the token's signature and times are valid."""
        return True

    @property
    def identity(self) -> str:
        """The id of the client."""
        return str(self.claims.client_id)

    @property
    def display_name(self) -> str:
        """The id of the client; a token has no name or phone."""
        return self.identity


@dataclass(frozen=True, slots=True)
class RejectedUser(UnauthenticatedUser):
    """The sender of an invalid token, with the reason."""

    reason: InvalidTokenError


class TokenBackend(AuthenticationBackend):
    """Verifies access tokens from the Authorization header, or from `connection_init`."""

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """Return the user of a request, for AuthenticationMiddleware."""
        user = self.user_from(header(conn.scope, b"authorization", limit=MAX_TOKEN))
        return (_CLIENT_SCOPES if user.is_authenticated else _NO_SCOPES), user

    def user_from(self, authorization: str | None) -> BaseUser:
        """Return the user of an Authorization header; None means that there is no header."""
        if authorization is None:
            return _ANONYMOUS
        try:
            return TokenUser(
                self._tokens.verify(_bearer_token(authorization), now=datetime.now(UTC))
            )
        except InvalidTokenError as error:
            return RejectedUser(error)


def _bearer_token(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidTokenError("Send the Authorization header as 'Bearer' and a token.")
    if not (token := token.strip(" \t")):  # the white space of HTTP only
        raise InvalidTokenError("The token after 'Bearer' is missing: sign in and send its token.")
    return token
