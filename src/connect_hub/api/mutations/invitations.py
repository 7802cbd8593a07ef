"""Mutations of invitation codes, and their results."""

from typing import Annotated

import strawberry
from strawberry import field

from connect_hub.api import errors
from connect_hub.api.arguments import Info, InvitationCode
from connect_hub.api.types import Client
from connect_hub.database.connections import ConnectionScope
from connect_hub.domain import invitations, renewal


@strawberry.type(description="The invitation code was applied.")
class InviteApplied:
    """Shows the viewer after the change."""

    client: Client = field(description="The viewer, with the applied code.")


@strawberry.type(
    description="The viewer has a new invitation code. The former one does not work any more."
)
class InvitationCodeRenewed:
    """Shows the viewer after the change."""

    client: Client = field(description="The viewer, with the new code.")


ApplyInviteResult = Annotated[
    InviteApplied
    | errors.InvitationCodeNotFoundError
    | errors.InvitationUsedUpError
    | errors.InvitationAlreadyAppliedError
    | errors.OwnInvitationCodeError
    | errors.InvitationRingError
    | errors.TooManyRequestsError,
    strawberry.union(
        "ApplyInviteResult", description="The code was applied, or the reason why not."
    ),
]
RenewInvitationCodeResult = Annotated[
    InvitationCodeRenewed | errors.TooManyRequestsError,
    strawberry.union(
        "RenewInvitationCodeResult", description="The viewer has a new code, or the reason why not."
    ),
]


@strawberry.type
class InvitationMutations:
    """Apply another client's code; renew one's own."""

    @strawberry.mutation(
        description="Apply another client's invitation code. A client can do this once, and"
        " cannot undo it. Needs a bearer token."
    )
    async def apply_invite(
        self, info: Info, invitation_code: InvitationCode
    ) -> ApplyInviteResult | None:
        """Make the owner of the code the viewer's inviter."""
        services = info.context.services
        async with ConnectionScope():
            viewer = await info.context.signed_in()
            client = await invitations.apply_invite(
                viewer.client, invitation_code, keys=services.keys, settings=services.settings
            )
        return InviteApplied(client=Client.of(client, session_id=viewer.session_id))

    @strawberry.mutation(
        description="Give the viewer a new invitation code. The former one stops working at once;"
        " those who applied it stay invited. Needs a bearer token."
    )
    async def renew_invitation_code(self, info: Info) -> RenewInvitationCodeResult | None:
        """Replace the viewer's invitation code."""
        viewer = await info.context.signed_in()
        client = await renewal.renew_invitation_code(viewer.client, keys=info.context.services.keys)
        return InvitationCodeRenewed(client=Client.of(client, session_id=viewer.session_id))
