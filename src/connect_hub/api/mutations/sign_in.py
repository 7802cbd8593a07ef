"""Mutations that sign people in by the code of an SMS, and their results."""

from contextlib import nullcontext
from datetime import datetime
from typing import Annotated, Self

import strawberry
from strawberry import field

from connect_hub.api import errors
from connect_hub.api.arguments import (
    Bind,
    Code,
    Info,
    OptionalInvitationCode,
    Phone,
    RequestId,
    ResendRequestId,
    given,
    given_request_id,
)
from connect_hub.api.context import Context
from connect_hub.api.mutations.tokens import SignedIn
from connect_hub.api.seconds import seconds_down, seconds_up
from connect_hub.database.connections import ConnectionScope
from connect_hub.database.models import Client
from connect_hub.domain import code_sending, sessions, signin
from connect_hub.domain.code_sending import SentCode
from connect_hub.domain.phone_numbers import PhoneNumber
from connect_hub.sms.exposure import SIMULATION_NOTICE


@strawberry.type(description="A code was sent.")
class CodeSent:
    """Its repr does not show the code."""

    __repr__ = object.__repr__

    phone: PhoneNumber = field(description="The phone number that the server understood.")
    sms_code: str | None = field(
        description="The code, if the server simulates SMS, which lets anyone sign in with any"
        " number. Null if an SMS was sent."
    )
    request_id: strawberry.ID | None = field(
        description="The id of this request, which `login`, `register` and `changePhone` take"
        " together with the code: keep it secret. Null if the code is not bound to this request."
    )
    code_length: int = field(
        description="The number of digits: 4, or 8 while the phone number is under attack."
    )
    expires_at: datetime = field(description="When the code stops working.")
    expires_in: int = field(description="The seconds until then, rounded down.")
    resend_at: datetime = field(description="When the code may be sent again.")
    resend_in: int = field(description="The seconds until then, rounded up.")

    @classmethod
    def of(cls, sent: SentCode) -> Self:
        """Build it from the domain's code."""
        return cls(
            phone=PhoneNumber(sent.phone),
            sms_code=sent.code,
            request_id=None if sent.request_id is None else strawberry.ID(sent.request_id),
            code_length=sent.length,
            expires_at=sent.expires_at,
            expires_in=seconds_down(sent.expires_at - sent.now),
            resend_at=sent.resend_at,
            resend_in=seconds_up(sent.resend_at - sent.now),
        )


RequestCodeResult = Annotated[
    CodeSent
    | errors.InvalidPhoneError
    | errors.CountryNotServedError
    | errors.TooManyRequestsError
    | errors.SmsNotSentError,
    strawberry.union("RequestCodeResult", description="A code was sent, or the reason why not."),
]
RegisterResult = Annotated[
    SignedIn
    | errors.InvalidPhoneError
    | errors.InvalidCodeError
    | errors.TooManyRequestsError
    | errors.PhoneAlreadyRegisteredError
    | errors.InvitationCodeNotFoundError
    | errors.InvitationUsedUpError
    | errors.InvitationRequiredError
    | errors.RegistrationClosedError
    | errors.RegistrationRefusedError,
    strawberry.union(
        "RegisterResult", description="The new client is signed in, or the reason why not."
    ),
]
LoginResult = Annotated[
    SignedIn
    | errors.InvalidPhoneError
    | errors.InvalidCodeError
    | errors.TooManyRequestsError
    | errors.ClientNotFoundError,
    strawberry.union("LoginResult", description="The client is signed in, or the reason why not."),
]


@strawberry.type
class SignInMutations:
    """Send a code; exchange it for a session."""

    @strawberry.mutation(
        description="Send a sign-in code to a phone number, whether or not it is registered. A"
        " server that does not register everybody sends nothing to strangers without a live"
        " `invitationCode` or the bearer token of a client, and answers the same."
    )
    async def request_code(
        self,
        info: Info,
        phone: Phone,
        invitation_code: OptionalInvitationCode = strawberry.UNSET,
        bind: Bind = False,
        request_id: ResendRequestId = strawberry.UNSET,
    ) -> RequestCodeResult | None:
        """Send a code by SMS."""
        context, services = info.context, info.context.services
        if services.sender.simulated:
            context.notice = SIMULATION_NOTICE
        sent = await code_sending.request_code(
            phone,
            bind=bind or services.settings.request_id == "required",
            request_id=given(request_id),
            address=context.address,
            language=context.language,
            invitation_code=given(invitation_code),
            find_viewer=context.viewer_if_valid,
            sender=services.sender,
            keys=services.keys,
            settings=services.settings,
        )
        return CodeSent.of(sent)

    @strawberry.mutation(
        description="Create a client for a confirmed phone number and sign in. With"
        " `invitationCode`, apply it too, or do neither: then the SMS code still works."
    )
    async def register(
        self,
        info: Info,
        phone: Phone,
        code: Code,
        invitation_code: OptionalInvitationCode = strawberry.UNSET,
        request_id: RequestId = strawberry.UNSET,
    ) -> RegisterResult | None:
        """Create a client and a session."""
        context, services = info.context, info.context.services
        # The hook takes seconds, in which the request must not hold a connection.
        async with nullcontext() if services.registration_hook else ConnectionScope():
            client = await signin.register(
                phone,
                code,
                request_id=given_request_id(request_id, services),
                invitation_code=given(invitation_code),
                hook=services.registration_hook,
                device=context.device,
                address=context.address,
                keys=services.keys,
                settings=services.settings,
            )
            return await _start_session(client, context)

    @strawberry.mutation(description="Sign in with a confirmed phone number.")
    async def login(
        self, info: Info, phone: Phone, code: Code, request_id: RequestId = strawberry.UNSET
    ) -> LoginResult | None:
        """Create a session."""
        context, services = info.context, info.context.services
        async with ConnectionScope():
            client = await signin.login(
                phone,
                code,
                request_id=given_request_id(request_id, services),
                address=context.address,
                keys=services.keys,
                settings=services.settings,
            )
            return await _start_session(client, context)


async def _start_session(client: Client, context: Context) -> SignedIn:
    session = await sessions.start(
        client,
        replaces=context.session_of(client.id),
        device=context.device,
        address=context.address,
        settings=context.services.settings,
    )
    return SignedIn.of(session, context.services)
