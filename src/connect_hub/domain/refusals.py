"""Every refusal of the domain; the docstring of its class is the message that people see."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple


class Refusal(Exception):  # noqa: N818 (a refusal is an expected answer, not an error)
    """A rule of the domain rejects the operation."""

    def __str__(self) -> str:
        return " ".join((type(self).__doc__ or "").split())


class InvalidPhone(Refusal):
    """This is not a mobile phone number; write it with + and country code, as in +79991234567."""


class CountryNotServed(Refusal):
    """Codes are not sent to phones of this country; use a phone of another country."""


class Limit(Enum):
    """Which limit a request exceeded; the values are the descriptions in the GraphQL schema."""

    RESEND_WAIT = "The wait before the code of a request is sent again."
    SENDS = "Codes sent to this phone."
    NETWORK = "Codes requested from this network."
    SERVER = "Codes sent by this server, in total or to similar numbers."
    GUESSES = "Wrong sign-in codes from this network."
    INVITATIONS = "Refused invitation codes from this phone."
    RENEWALS = "New invitation codes of this client."
    BLOCKED = "The operator of the server has blocked this client."


class LiveCode(NamedTuple):
    """A code that was sent and is still valid."""

    length: int  # digits
    expires_at: datetime


@dataclass(eq=False)
class TooManyRequests(Refusal):
    """Too many requests; try again at the given time."""

    retry_at: datetime
    now: datetime  # by the same clock as `retry_at`
    limit: Limit
    code: LiveCode | None = None  # only for RESEND_WAIT; other limits must not reveal a live code


class ClientBlocked(TooManyRequests):
    """This client is blocked; ask the operator of the server to unblock it."""


class SmsNotSent(Refusal):
    """The SMS could not be sent to this phone; try again in a minute."""


@dataclass(eq=False)
class InvalidCode(Refusal):
    """The code is wrong, expired or used; correct it, or request another if no attempt is left."""

    attempts_left: int  # also 0 if the phone has no live code


class PhoneAlreadyRegistered(Refusal):
    """This phone is registered; call login with the same code, or choose another phone."""


class RegistrationRefused(Refusal):
    """The operator does not allow this registration; ask the people who run the app."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__()
        self._message = message  # of the operator, for people

    def __str__(self) -> str:
        return self._message or super().__str__()


class RegistrationNotChecked(RegistrationRefused):
    """The registration could not be checked; try again in a minute."""


class ClientNotFound(Refusal):
    """This phone is not registered; call register with the same code."""


class InvalidRefreshToken(Refusal):
    """This refresh token is invalid or has been replaced; sign in again."""


class SessionNotFound(Refusal):
    """The viewer has no session with this id; list the sessions with `me { sessions { id } }`."""


class ReauthenticationRequired(Refusal):
    """This requires a sign-in within the last 10 minutes; sign in again and repeat the request."""


class InvitationCodeNotFound(Refusal):
    """Nobody has this invitation code; check its 6 letters and digits."""


class InvalidName(Refusal):
    """This name is too long or has invisible characters; write one line of up to 64 characters."""


class InvitationRequired(Refusal):
    """Registration needs an invitation code; ask a client for theirs and send it too."""


class RegistrationClosed(Refusal):
    """This server does not register new clients; sign in with a phone that is registered."""


class InvitationUsedUp(Refusal):
    """This invitation code is used up, or has ended; ask for another one."""


@dataclass(eq=False)
class InvitationAlreadyApplied(Refusal):
    """A client can apply only one invitation code; show the person the one that was applied."""

    someone_invitation_code: str


class OwnInvitationCode(Refusal):
    """This is the client's own invitation code; apply the code of another client."""


class InvitationRing(Refusal):
    """The owner of this code was invited by this client, directly or not; apply another code."""
