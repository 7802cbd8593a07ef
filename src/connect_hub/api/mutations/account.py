"""Mutations of a client's account, and their results."""

from typing import Annotated

import strawberry
from strawberry import field

from connect_hub.api import errors
from connect_hub.api.arguments import Code, Info, Phone, RequestId, given_request_id
from connect_hub.api.types import Client
from connect_hub.domain import account
from connect_hub.domain.phone_numbers import PhoneNumber


@strawberry.type(
    description="The phone number was changed. All sessions except the current one have ended."
)
class PhoneChanged:
    """Shows the viewer after the change."""

    client: Client = field(description="The viewer, with the new phone number.")


@strawberry.type(description="The account was deleted. All of its sessions have ended.")
class AccountDeleted:
    """Shows the phone of the former client."""

    phone: PhoneNumber = field(
        description="The phone number of the account. It may register again."
    )


ChangePhoneResult = Annotated[
    PhoneChanged
    | errors.InvalidPhoneError
    | errors.InvalidCodeError
    | errors.TooManyRequestsError
    | errors.PhoneAlreadyRegisteredError
    | errors.ReauthenticationRequiredError,
    strawberry.union(
        "ChangePhoneResult", description="The phone number was changed, or the reason why not."
    ),
]
DeleteAccountResult = Annotated[
    AccountDeleted | errors.ReauthenticationRequiredError,
    strawberry.union(
        "DeleteAccountResult", description="The account was deleted, or the reason why not."
    ),
]


@strawberry.type
class AccountMutations:
    """Move an account to another phone number; delete it."""

    @strawberry.mutation(
        description="Change the viewer's phone number. The code was sent to the new number. Needs a"
        " bearer token from a sign-in within the last 10 minutes."
    )
    async def change_phone(
        self, info: Info, phone: Phone, code: Code, request_id: RequestId = strawberry.UNSET
    ) -> ChangePhoneResult | None:
        """Change the viewer's phone."""
        context, services = info.context, info.context.services
        viewer = await context.signed_in()
        client = await account.change_phone(
            viewer,
            phone,
            code,
            request_id=given_request_id(request_id, services),
            address=context.address,
            language=context.language,
            sender=services.sender,
            keys=services.keys,
            settings=services.settings,
        )
        return PhoneChanged(client=Client.of(client, session_id=viewer.session_id))

    @strawberry.mutation(
        description="Delete the viewer's account. Needs a bearer token from a sign-in within the"
        " last 10 minutes."
    )
    async def delete_account(self, info: Info) -> DeleteAccountResult | None:
        """Delete the viewer's account."""
        viewer = await info.context.signed_in()
        await account.delete(viewer)
        return AccountDeleted(phone=PhoneNumber(viewer.client.phone or ""))
