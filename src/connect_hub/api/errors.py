"""Types of the schema for refusals: the members of the result unions besides success."""

from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, Self

import strawberry

from connect_hub.api.request_limits import LiveCode
from connect_hub.api.seconds import seconds_up
from connect_hub.domain import refusals


@strawberry.interface(
    description="A refusal that a person can act on."
    " All members of a result union except the success implement it."
)
class UserError:
    """The fields of all refusals."""

    message: str = strawberry.field(
        description="A sentence in English for developers: show your own text to people."
    )

    @classmethod
    def of(cls, refusal: refusals.Refusal) -> Self:
        """Build it from the domain's refusal, whose fields have the same names."""
        data: dict[str, Any] = {}
        if is_dataclass(refusal):
            data = {item.name: getattr(refusal, item.name) for item in fields(refusal)}
        return cls(message=str(refusal), **data)


@strawberry.type(description="The phone number is invalid, or cannot receive SMS.")
class InvalidPhoneError(UserError):
    """Shows `refusals.InvalidPhone`."""


@strawberry.type(description="The server does not send codes to phones of this country.")
class CountryNotServedError(UserError):
    """Shows `refusals.CountryNotServed`."""


@strawberry.type(description="A limit is exceeded: try again later.")
class TooManyRequestsError(UserError):
    """Shows `refusals.TooManyRequests`."""

    retry_at: datetime = strawberry.field(description="When the next attempt is allowed.")
    retry_in: int = strawberry.field(description="The seconds until then, rounded up.")
    limit: refusals.Limit = strawberry.field(description="The limit that is exceeded.")
    live_code: LiveCode | None = strawberry.field(
        description="The code that was sent before and still works, if the limit is RESEND_WAIT."
        " Otherwise null."
    )

    @classmethod
    def of(cls, refusal: refusals.Refusal) -> Self:
        """Build it; the seconds are counted by the clock that made the times."""
        if not isinstance(refusal, refusals.TooManyRequests):
            raise TypeError
        code = refusal.code
        return cls(
            message=str(refusal),
            retry_at=refusal.retry_at,
            retry_in=seconds_up(refusal.retry_at - refusal.now),
            limit=refusal.limit,
            live_code=code and LiveCode.of(code, now=refusal.now),
        )


@strawberry.type(description="No SMS gateway accepted the message.")
class SmsNotSentError(UserError):
    """Shows `refusals.SmsNotSent`."""


@strawberry.type(description="The code is wrong, expired or used.")
class InvalidCodeError(UserError):
    """Shows `refusals.InvalidCode`."""

    attempts_left: int = strawberry.field(
        description="How many more guesses this code allows; 0 means: request a new code."
    )


@strawberry.type(
    description="The phone is registered. The code was right and still works: call `login`."
)
class PhoneAlreadyRegisteredError(UserError):
    """Shows `refusals.PhoneAlreadyRegistered`."""


@strawberry.type(
    description="The operator's backend refused the registration, or could not be asked. The code"
    " was right and still works. `message` is the backend's, for people."
)
class RegistrationRefusedError(UserError):
    """Shows `refusals.RegistrationRefused`."""


@strawberry.type(
    description="The phone is not registered. The code was right and still works: call `register`."
)
class ClientNotFoundError(UserError):
    """Shows `refusals.ClientNotFound`."""


@strawberry.type(description="The refresh token is invalid, or its session has ended.")
class InvalidRefreshTokenError(UserError):
    """Shows `refusals.InvalidRefreshToken`."""


@strawberry.type(description="The viewer has no active session with this id.")
class SessionNotFoundError(UserError):
    """Shows `refusals.SessionNotFound`."""


@strawberry.type(
    description="The viewer signed in more than 10 minutes ago: call `login`, then try again."
)
class ReauthenticationRequiredError(UserError):
    """Shows `refusals.ReauthenticationRequired`."""


@strawberry.type(description="No client has this invitation code.")
class InvitationCodeNotFoundError(UserError):
    """Shows `refusals.InvitationCodeNotFound`."""


@strawberry.type(
    description="The name has more than 64 characters, or characters that people cannot see."
)
class InvalidNameError(UserError):
    """Shows `refusals.InvalidName`."""


@strawberry.type(
    description="The server registers invited people only: call `register` with `invitationCode`."
)
class InvitationRequiredError(UserError):
    """Shows `refusals.InvitationRequired`."""


@strawberry.type(description="The server registers nobody. Registered phones sign in by `login`.")
class RegistrationClosedError(UserError):
    """Shows `refusals.RegistrationClosed`."""


@strawberry.type(
    description="The invitation code has been used as often as it may be, or has ended."
)
class InvitationUsedUpError(UserError):
    """Shows `refusals.InvitationUsedUp`."""


@strawberry.type(description="The viewer has already applied an invitation code.")
class InvitationAlreadyAppliedError(UserError):
    """Shows `refusals.InvitationAlreadyApplied`."""

    someone_invitation_code: str = strawberry.field(description="The code that the viewer applied.")


@strawberry.type(description="The invitation code is the viewer's own.")
class OwnInvitationCodeError(UserError):
    """Shows `refusals.OwnInvitationCode`."""


@strawberry.type(
    description="The owner of the code was invited by the viewer, directly or through others."
)
class InvitationRingError(UserError):
    """Shows `refusals.InvitationRing`."""


ERRORS: dict[type[refusals.Refusal], type[UserError]] = {
    refusals.InvalidPhone: InvalidPhoneError,
    refusals.CountryNotServed: CountryNotServedError,
    refusals.TooManyRequests: TooManyRequestsError,
    refusals.SmsNotSent: SmsNotSentError,
    refusals.InvalidCode: InvalidCodeError,
    refusals.PhoneAlreadyRegistered: PhoneAlreadyRegisteredError,
    refusals.RegistrationRefused: RegistrationRefusedError,
    refusals.ClientNotFound: ClientNotFoundError,
    refusals.InvalidRefreshToken: InvalidRefreshTokenError,
    refusals.SessionNotFound: SessionNotFoundError,
    refusals.ReauthenticationRequired: ReauthenticationRequiredError,
    refusals.InvitationCodeNotFound: InvitationCodeNotFoundError,
    refusals.InvalidName: InvalidNameError,
    refusals.InvitationRequired: InvitationRequiredError,
    refusals.RegistrationClosed: RegistrationClosedError,
    refusals.InvitationUsedUp: InvitationUsedUpError,
    refusals.InvitationAlreadyApplied: InvitationAlreadyAppliedError,
    refusals.OwnInvitationCode: OwnInvitationCodeError,
    refusals.InvitationRing: InvitationRingError,
}


class RefusalHandler:
    """Turns a refusal that a resolver raises into its type; implements strawberry.ExceptionHandler.

    Args:
        refusal: the class of exceptions.
        error: their type in the schema.
    """

    def __init__(self, refusal: type[refusals.Refusal], error: type[UserError]) -> None:
        self.exception_type = (refusal,)
        self.error_type = error

    def handle(
        self, exception: refusals.Refusal, *, field: object, info: strawberry.Info
    ) -> UserError:
        """Build the member of the union, and log its name as the outcome."""
        del field
        info.context.log.outcome = self.error_type.__name__
        return self.error_type.of(exception)


HANDLERS = [RefusalHandler(refusal, error) for refusal, error in ERRORS.items()]
