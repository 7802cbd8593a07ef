"""What mutations answer: what they did, and the unions of that and of their refusals."""

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


@strawberry.type(description="A code is on its way.")
class CodeSent:
    """Built from a sent code; no repr shows it."""

    __repr__ = object.__repr__

    phone: PhoneNumber = field(description="The number as the server understood it.")
    sms_code: str | None = field(
        description="The code itself while SMS are simulated, which lets anyone sign in with any"
        " number; null when a real SMS was sent."
    )
    code_length: int = field(
        description="How many digits to ask for: 4, and 8 while the number is under attack."
    )
    expires_at: datetime = field(description="When the code stops working.")
    expires_in: int = field(description="The same in seconds from now, rounded down.")
    resend_at: datetime = field(description="When the code may be asked for again.")
    resend_in: int = field(description="The same in seconds from now, rounded up.")

    @classmethod
    def of(cls, sent: SentCode) -> Self:
        """Show a sent code."""
        return cls(
            phone=PhoneNumber(sent.phone),
            sms_code=sent.code,
            code_length=sent.length,
            expires_at=sent.expires_at,
            expires_in=seconds_down(sent.expires_at - sent.now),
            resend_at=sent.resend_at,
            resend_in=seconds_up(sent.resend_at - sent.now),
        )


@strawberry.type(description="Proof of a signed-in client.")
class SignedIn:
    """Built from a session and its tokens; no repr shows it."""

    __repr__ = object.__repr__

    access_token: str = field(description="For the header `Authorization: Bearer …`.")
    expires_at: datetime = field(description="When the access token expires.")
    expires_in: int = field(description="The same in seconds from now, rounded down.")
    refresh_token: str = field(description="Keep it secret; each use replaces it.")
    client: Client = field(description="The client signed in.")

    @classmethod
    def of(cls, session: models.Session, *, access: AccessToken, refresh: str) -> Self:
        """Show a signed-in client its tokens."""
        return cls(
            access_token=access.value,
            expires_at=access.expires_at,
            expires_in=seconds_down(access.lifetime),
            refresh_token=refresh,
            client=Client.of(session.client, session_id=session.id),
        )


@strawberry.type(description="An access token for another service.")
class AccessTokenIssued:
    """Built from a token; no repr shows it."""

    __repr__ = object.__repr__

    access_token: str = field(description="For the other service; it is not accepted here.")
    expires_at: datetime = field(description="When the token expires.")
    expires_in: int = field(description="The same in seconds from now, rounded down.")

    @classmethod
    def of(cls, token: AccessToken) -> Self:
        """Show a token to its client."""
        return cls(
            access_token=token.value,
            expires_at=token.expires_at,
            expires_in=seconds_down(token.lifetime),
        )


@strawberry.type(description="The invitation code is applied.")
class InviteApplied:
    """Built from the viewer."""

    client: Client = field(description="The viewer, with the code applied.")


@strawberry.type(description="The session is ended: its tokens are dead from now on.")
class SessionEnded:
    """Built from its id."""

    session_id: strawberry.ID = field(description="The session's id.")
    id: strawberry.ID = field(
        description="The session's id.",
        deprecation_reason="It is the id of a Session too, which Relay takes for one object:"
        " use `sessionId`.",
    )

    @classmethod
    def of(cls, session_id: UUID | None) -> Self:
        """Name the session that was ended."""
        shown = strawberry.ID(str(session_id))
        return cls(session_id=shown, id=shown)


@strawberry.type(description="All sessions but this one are ended.")
class OtherSessionsEnded:
    """Built from their number."""

    count: int = field(description="How many there were.")


@strawberry.type(description="The account has moved to the phone; other sessions are ended.")
class PhoneChanged:
    """Built from the viewer."""

    client: Client = field(description="The viewer, with the new phone.")


@strawberry.type(description="The account is deleted, and with it all sessions.")
class AccountDeleted:
    """Built from the viewer."""

    phone: PhoneNumber = field(description="The phone it had, which may register anew.")


RequestCodeResult = Annotated[
    CodeSent
    | errors.InvalidPhoneError
    | errors.CountryNotServedError
    | errors.TooManyRequestsError
    | errors.SmsNotSentError,
    strawberry.union("RequestCodeResult", description="A code is on its way, or why not."),
]
RegisterResult = Annotated[
    SignedIn
    | errors.InvalidPhoneError
    | errors.InvalidCodeError
    | errors.TooManyRequestsError
    | errors.PhoneAlreadyRegisteredError,
    strawberry.union("RegisterResult", description="A new client, signed in, or why not."),
]
LoginResult = Annotated[
    SignedIn
    | errors.InvalidPhoneError
    | errors.InvalidCodeError
    | errors.TooManyRequestsError
    | errors.ClientNotFoundError,
    strawberry.union("LoginResult", description="A client, signed in, or why not."),
]
ApplyInviteResult = Annotated[
    InviteApplied
    | errors.InvitationCodeNotFoundError
    | errors.InvitationAlreadyAppliedError
    | errors.OwnInvitationCodeError
    | errors.InvitationRingError
    | errors.TooManyRequestsError,
    strawberry.union("ApplyInviteResult", description="The code is applied, or why not."),
]
RefreshSessionResult = Annotated[
    SignedIn | errors.InvalidRefreshTokenError,
    strawberry.union("RefreshSessionResult", description="A new pair of tokens, or why not."),
]
AccessTokenResult = Annotated[
    AccessTokenIssued,
    strawberry.union("AccessTokenResult", description="An access token for another service."),
]
EndSessionResult = Annotated[
    SessionEnded | errors.SessionNotFoundError,
    strawberry.union(
        "EndSessionResult",
        description="The session is ended, or why not. Another client's id is as unknown as none.",
    ),
]
EndOtherSessionsResult = Annotated[
    OtherSessionsEnded | errors.ReauthenticationRequiredError,
    strawberry.union(
        "EndOtherSessionsResult", description="How many sessions are ended, or why not."
    ),
]
ChangePhoneResult = Annotated[
    PhoneChanged
    | errors.InvalidPhoneError
    | errors.InvalidCodeError
    | errors.TooManyRequestsError
    | errors.PhoneAlreadyRegisteredError
    | errors.ReauthenticationRequiredError,
    strawberry.union("ChangePhoneResult", description="The account has moved, or why not."),
]
DeleteAccountResult = Annotated[
    AccountDeleted | errors.ReauthenticationRequiredError,
    strawberry.union("DeleteAccountResult", description="The account is deleted, or why not."),
]
