"""Mutations that end sessions, and their results."""

from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import field

from connect_hub.api import errors
from connect_hub.api.arguments import Info, SessionId, given
from connect_hub.domain import sessions


@strawberry.type(description="The session has ended. Its tokens no longer work.")
class SessionEnded:
    """Names the session that ended."""

    session_id: strawberry.ID = field(description="The session's id.")
    id: strawberry.ID = field(
        description="The session's id.",
        deprecation_reason="Relay confuses it with the Session of the same id: use `sessionId`.",
    )

    @classmethod
    def of(cls, session_id: UUID | None) -> Self:
        """Build it from a session's id."""
        shown = strawberry.ID(str(session_id))
        return cls(session_id=shown, id=shown)


@strawberry.type(description="All sessions except the current one have ended.")
class OtherSessionsEnded:
    """Shows how many ended."""

    count: int = field(description="How many sessions ended.")


EndSessionResult = Annotated[
    SessionEnded | errors.SessionNotFoundError,
    strawberry.union(
        "EndSessionResult",
        description="The session has ended, or the reason why not. Sessions of other clients count"
        " as not found.",
    ),
]
EndOtherSessionsResult = Annotated[
    OtherSessionsEnded | errors.ReauthenticationRequiredError,
    strawberry.union(
        "EndOtherSessionsResult", description="How many sessions ended, or the reason why not."
    ),
]


@strawberry.type
class SessionMutations:
    """End one session, or all others."""

    @strawberry.mutation(
        description="End one of the viewer's sessions. Without `id`, end the current one."
        " Needs a bearer token."
    )
    async def end_session(
        self, info: Info, session_id: SessionId = strawberry.UNSET
    ) -> EndSessionResult | None:
        """End a session."""
        ended = await sessions.end(await info.context.signed_in(), given(session_id))
        return SessionEnded.of(ended)

    @strawberry.mutation(
        description="End all of the viewer's sessions except the current one. Needs a bearer"
        " token from a sign-in within the last 10 minutes."
    )
    async def end_other_sessions(self, info: Info) -> EndOtherSessionsResult | None:
        """End the other sessions."""
        viewer = await info.context.signed_in()
        return OtherSessionsEnded(count=await sessions.end_others(viewer))
