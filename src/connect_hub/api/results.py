"""Types of the schema for results of mutations: each a union of a success and its refusals."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import field

from connect_hub.api import errors
from connect_hub.api.seconds import seconds_down, seconds_up
from connect_hub.api.types import Client
from connect_hub.database import models
from connect_hub.domain.phone_numbers import PhoneNumber
from connect_hub.domain.signin import SentCode
from connect_hub.security.access_tokens import AccessToken


@strawberry.type(description="A code was sent.")
class CodeSent:
    """Its repr does not show the code."""

    __repr__ = object.__repr__

    phone: PhoneNumber = field(description="The phone number that the server understood.")
    sms_code: str | None = field(
        description="The code, if the server simulates SMS, which lets anyone sign in with any"
        " number. Null if an SMS was sent."
    )
    code_length: int = field(
        description="The number of digits: 4, or 8 while the phone number is under attack."
    )
    expires_at: datetime = field(description="When the code stops working.")
    expires_in: int = field(description="The seconds until then, rounded down.")
    resend_at: datetime = field(description="When the next code may be requested.")
    resend_in: int = field(description="The seconds until then, rounded up.")

    @classmethod
    def of(cls, sent: SentCode) -> Self:
        """Build it from the domain's code."""
        return cls(
            phone=PhoneNumber(sent.phone),
            sms_code=sent.code,
            code_length=sent.length,
            expires_at=sent.expires_at,
            expires_in=seconds_down(sent.expires_at - sent.now),
            resend_at=sent.resend_at,
            resend_in=seconds_up(sent.resend_at - sent.now),
        )


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
    def of(cls, session: models.Session, *, access: AccessToken, refresh: str) -> Self:
        """Build it from a session and its tokens."""
        return cls(
            access_token=access.value,
            expires_at=access.expires_at,
            expires_in=seconds_down(access.lifetime),
            refresh_token=refresh,
            client=Client.of(session.client, session_id=session.id),
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


@strawberry.type(description="The profile was changed.")
class ProfileUpdated:
    """Shows the viewer after the change."""

    client: Client = field(description="The viewer, with the new name.")


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
UpdateProfileResult = Annotated[
    ProfileUpdated | errors.InvalidNameError,
    strawberry.union(
        "UpdateProfileResult", description="The profile was changed, or the reason why not."
    ),
]
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
