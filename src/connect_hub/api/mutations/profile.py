"""The mutation of a client's profile, and its result."""

from typing import Annotated

import strawberry
from strawberry import field

from connect_hub.api import errors
from connect_hub.api.arguments import ClientName, Info
from connect_hub.api.types import Client
from connect_hub.domain import profile


@strawberry.type(description="The profile was changed.")
class ProfileUpdated:
    """Shows the viewer after the change."""

    client: Client = field(description="The viewer, with the new name.")


UpdateProfileResult = Annotated[
    ProfileUpdated | errors.InvalidNameError,
    strawberry.union(
        "UpdateProfileResult", description="The profile was changed, or the reason why not."
    ),
]


@strawberry.type
class ProfileMutations:
    """Change what the inviter reads."""

    @strawberry.mutation(
        description="Set the name that the viewer's inviter reads; null removes it. Needs a bearer"
        " token."
    )
    async def update_profile(
        self, info: Info, name: ClientName = strawberry.UNSET
    ) -> UpdateProfileResult | None:
        """Change the viewer's name."""
        viewer = await info.context.signed_in()
        client = viewer.client
        if name is not strawberry.UNSET:
            client = await profile.set_name(client, name)
        return ProfileUpdated(client=Client.of(client, session_id=viewer.session_id))
