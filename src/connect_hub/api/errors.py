"""Refusals of the domain as members of the result unions, and the codes of all other errors."""

from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, Self

import strawberry
import structlog
from graphql import GraphQLError

from connect_hub.api.request_limits import LiveCode
from connect_hub.api.seconds import seconds_up
from connect_hub.database.errors import UNAVAILABLE
from connect_hub.domain import refusals

log = structlog.get_logger()


class CodedError(GraphQLError):
    """An error of the request, with the code that programs read."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": self.code})


class BadRequestError(CodedError):
    """This is nothing that is served here."""

    code = "BAD_REQUEST"


class BadUserInputError(CodedError):
    """An argument is none that this field takes."""


class UnauthenticatedError(CodedError):
    """A viewer was asked for and there is none."""

    code = "UNAUTHENTICATED"


@strawberry.interface(
    description="A refusal that the person can act on."
    " Every member of a result union other than its success implements it."
)
class UserError:
    """All that is common to refusals."""

    message: str = strawberry.field(
        description="A sentence in English for developers; show your own."
    )

    @classmethod
    def of(cls, refusal: refusals.Refusal) -> Self:
        """Show a refusal, data and all."""
        data: dict[str, Any] = {}
        if is_dataclass(refusal):
            data = {item.name: getattr(refusal, item.name) for item in fields(refusal)}
        return cls(message=str(refusal), **data)


@strawberry.type(description="The phone number is none that an SMS can be sent to.")
class InvalidPhoneError(UserError):
    """See refusals.InvalidPhone."""


@strawberry.type(description="Codes are not sent to phones of this country.")
class CountryNotServedError(UserError):
    """See refusals.CountryNotServed."""


@strawberry.type(description="This was asked for too often.")
class TooManyRequestsError(UserError):
    """See refusals.TooManyRequests."""

    retry_at: datetime = strawberry.field(description="When it may be asked for again.")
    retry_in: int = strawberry.field(description="The same in seconds from now, rounded up.")
    limit: refusals.Limit = strawberry.field(description="Which limit it was.")
    live_code: LiveCode | None = strawberry.field(
        description="The code that was sent before and still works. Null where none works, and for"
        " any limit but RESEND_WAIT."
    )

    @classmethod
    def of(cls, refusal: refusals.Refusal) -> Self:
        """Show the refusal by the clock that made its times."""
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


@strawberry.type(description="No gateway took the SMS.")
class SmsNotSentError(UserError):
    """See refusals.SmsNotSent."""


@strawberry.type(description="The code is wrong, expired or used.")
class InvalidCodeError(UserError):
    """See refusals.InvalidCode."""

    attempts_left: int = strawberry.field(
        description="How many guesses this code still takes; 0 means: ask for a new code."
    )


@strawberry.type(
    description="The phone is registered. The code was right and is not spent: call `login`."
)
class PhoneAlreadyRegisteredError(UserError):
    """See refusals.PhoneAlreadyRegistered."""


@strawberry.type(
    description="The phone is not registered. The code was right and is not spent: call `register`."
)
class ClientNotFoundError(UserError):
    """See refusals.ClientNotFound."""


@strawberry.type(description="The refresh token is of no session, or its session has ended.")
class InvalidRefreshTokenError(UserError):
    """See refusals.InvalidRefreshToken."""


@strawberry.type(description="The viewer has no session of this id.")
class SessionNotFoundError(UserError):
    """See refusals.SessionNotFound."""


@strawberry.type(
    description="The viewer signed in more than 10 minutes ago: call `login`, and repeat this."
)
class ReauthenticationRequiredError(UserError):
    """See refusals.ReauthenticationRequired."""


@strawberry.type(description="Nobody has this invitation code.")
class InvitationCodeNotFoundError(UserError):
    """See refusals.InvitationCodeNotFound."""


@strawberry.type(description="The viewer has applied an invitation code before.")
class InvitationAlreadyAppliedError(UserError):
    """See refusals.InvitationAlreadyApplied."""

    someone_invitation_code: str = strawberry.field(description="The code applied then.")


@strawberry.type(description="The invitation code is the viewer's own.")
class OwnInvitationCodeError(UserError):
    """See refusals.OwnInvitationCode."""


@strawberry.type(
    description="The owner of the code was invited by the viewer, directly or through others."
)
class InvitationRingError(UserError):
    """See refusals.InvitationRing."""


ERRORS: dict[type[refusals.Refusal], type[UserError]] = {
    refusals.InvalidPhone: InvalidPhoneError,
    refusals.CountryNotServed: CountryNotServedError,
    refusals.TooManyRequests: TooManyRequestsError,
    refusals.SmsNotSent: SmsNotSentError,
    refusals.InvalidCode: InvalidCodeError,
    refusals.PhoneAlreadyRegistered: PhoneAlreadyRegisteredError,
    refusals.ClientNotFound: ClientNotFoundError,
    refusals.InvalidRefreshToken: InvalidRefreshTokenError,
    refusals.SessionNotFound: SessionNotFoundError,
    refusals.ReauthenticationRequired: ReauthenticationRequiredError,
    refusals.InvitationCodeNotFound: InvitationCodeNotFoundError,
    refusals.InvitationAlreadyApplied: InvitationAlreadyAppliedError,
    refusals.OwnInvitationCode: OwnInvitationCodeError,
    refusals.InvitationRing: InvitationRingError,
}


class RefusalHandler:
    """Turns one kind of refusal into its member of the union, data and all.

    A `strawberry.ExceptionHandler` by its shape.
    """

    def __init__(self, refusal: type[refusals.Refusal], error: type[UserError]) -> None:
        self.exception_type = (refusal,)
        self.error_type = error

    def handle(
        self, exception: refusals.Refusal, *, field: object, info: strawberry.Info
    ) -> UserError:
        """Build the error from the refusal."""
        del field
        info.context.log.outcome = self.error_type.__name__
        return self.error_type.of(exception)


HANDLERS = [RefusalHandler(refusal, error) for refusal, error in ERRORS.items()]


def formatted(error: GraphQLError, *, request_id: str) -> dict[str, Any]:
    """Write an error as clients see it: with a code always, without our insides ever."""
    cause = error.original_error
    if isinstance(cause, UNAVAILABLE):
        log.warning("database unavailable", reason=type(cause).__name__)
        error = _told(error, "The database does not answer; try again in a moment.")
        error.extensions = {"code": "SERVICE_UNAVAILABLE"}
    elif cause is not None and not isinstance(cause, GraphQLError):
        log.error("internal error", exc_info=cause)
        error = _told(error, "Something went wrong on our side; tell us the request id.")
        error.extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id}
    told = dict(error.formatted)
    told["extensions"] = {"code": "BAD_USER_INPUT", **(error.extensions or {})}
    return told


def _told(error: GraphQLError, message: str) -> GraphQLError:
    return GraphQLError(message, nodes=error.nodes, path=error.path)
