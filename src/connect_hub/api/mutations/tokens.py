"""The tokens of a session, and the mutations that exchange tokens for others."""

from datetime import UTC, datetime
from typing import Annotated, Self

import strawberry
from strawberry import field

from connect_hub.api import errors
from connect_hub.api.arguments import AudienceName, Info, RefreshToken
from connect_hub.api.graphql_errors import BadUserInputError
from connect_hub.api.seconds import seconds_down
from connect_hub.api.services import Services
from connect_hub.api.types import Client
from connect_hub.database import models
from connect_hub.database.connections import ConnectionScope
from connect_hub.domain import session_refresh
from connect_hub.security.access_tokens import AccessToken


@strawberry.type(description="The tokens of a new or refreshed session.")
class SignedIn:
    """Its repr does not show the tokens."""

    __repr__ = object.__repr__

    access_token: str = field(description="For the header `Authorization: Bearer …`.")
    expires_at: datetime = field(description="When the access token expires.")
    expires_in: int = field(description="The seconds until then, rounded down.")
    refresh_token: str = field(
        description="For `refreshSession`, which replaces it. Keep it secret."
    )
    client: Client = field(description="The signed-in client.")

    @classmethod
    def of(cls, session: models.Session, services: Services) -> Self:
        """Build it from a session, with new tokens."""
        client, generation = session.client, session.generation
        access = services.tokens.issue(
            client.id, session_id=session.id, generation=generation, now=datetime.now(UTC)
        )
        refresh = services.refresh_tokens.issue(
            session.id, client_id=client.id, generation=generation, nonce=session.nonce
        )
        return cls(
            access_token=access.value,
            expires_at=access.expires_at,
            expires_in=seconds_down(access.lifetime),
            refresh_token=refresh,
            client=Client.of(client, session_id=session.id),
        )


@strawberry.type(description="An access token for another service.")
class AccessTokenIssued:
    """Its repr does not show the token."""

    __repr__ = object.__repr__

    access_token: str = field(description="For the other service. This server does not accept it.")
    expires_at: datetime = field(description="When the token expires.")
    expires_in: int = field(description="The seconds until then, rounded down.")

    @classmethod
    def of(cls, token: AccessToken) -> Self:
        """Build it from a token."""
        return cls(
            access_token=token.value,
            expires_at=token.expires_at,
            expires_in=seconds_down(token.lifetime),
        )


RefreshSessionResult = Annotated[
    SignedIn | errors.InvalidRefreshTokenError,
    strawberry.union(
        "RefreshSessionResult", description="A new pair of tokens, or the reason why not."
    ),
]
AccessTokenResult = Annotated[
    AccessTokenIssued,
    strawberry.union("AccessTokenResult", description="An access token for another service."),
]


@strawberry.type
class TokenMutations:
    """Refresh a session; issue tokens for other services."""

    @strawberry.mutation(description="Exchange a refresh token for a new pair of tokens.")
    async def refresh_session(
        self, info: Info, refresh_token: RefreshToken
    ) -> RefreshSessionResult | None:
        """Refresh a session and rotate its refresh token."""
        services = info.context.services
        async with ConnectionScope():
            session = await session_refresh.refresh(
                refresh_token,
                address=info.context.address,
                tokens=services.refresh_tokens,
                settings=services.settings,
            )
        return SignedIn.of(session, services)

    @strawberry.mutation(
        description="Issue an access token for another service, which the setting AUDIENCES names."
        " This server does not accept it. Needs a bearer token."
    )
    async def access_token(self, info: Info, audience: AudienceName) -> AccessTokenResult | None:
        """Issue a token for another service."""
        services = info.context.services
        viewer = await info.context.signed_in()
        other = next((each for each in services.settings.audiences if each.name == audience), None)
        if other is None:
            raise BadUserInputError("`audience` must be the name of a service in AUDIENCES.")
        token = services.tokens.issue(
            viewer.client.id,
            session_id=viewer.session_id,
            generation=viewer.generation,
            now=datetime.now(UTC),
            audience=other,
        )
        return AccessTokenIssued.of(token)
