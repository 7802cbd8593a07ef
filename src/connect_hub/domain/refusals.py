"""Everything that can be refused: a class each, its docstring the message a person can act on."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple


class Refusal(Exception):  # noqa: N818 (a refusal is an answer, not a failure)
    """A rule of the domain says no."""

    def __str__(self) -> str:
        return " ".join((type(self).__doc__ or "").split())


class InvalidPhone(Refusal):
    """This is no mobile phone number; write it with + and the country code, as in +79991234567."""


class CountryNotServed(Refusal):
    """Codes are not sent to phones of this country; use a phone of another one."""


class Limit(Enum):
    """What a refused request was counted by; the value says what clients are told of it."""

    RESEND_WAIT = "The wait before a code is sent to this phone again."
    SENDS = "Codes sent to this phone."
    NETWORK = "Codes requested from this network."
    SERVER = "Codes sent by this server, in all or to numbers like this one."
    GUESSES = "Wrong sign-in codes from this network."
    INVITATIONS = "Invitation codes tried by this phone that were refused."
    BLOCKED = "Those who run the server have blocked this client."


class LiveCode(NamedTuple):
    """A code that was sent and still works."""

    length: int
    expires_at: datetime


@dataclass(eq=False)
class TooManyRequests(Refusal):
    """This was asked for too often; ask again at the time given."""

    retry_at: datetime
    now: datetime  # by the clock of `retry_at`
    limit: Limit
    code: LiveCode | None = None  # for RESEND_WAIT only: others do not tell whether one lives


class ClientBlocked(TooManyRequests):
    """This client is blocked; only those who run the server can lift that."""


class SmsNotSent(Refusal):
    """No SMS could be sent to this phone; ask again in a minute."""


@dataclass(eq=False)
class InvalidCode(Refusal):
    """The code is wrong, expired or used; correct it, or ask for a new one if none is left."""

    attempts_left: int  # 0 also where no code is alive


class PhoneAlreadyRegistered(Refusal):
    """This phone is registered; call login with the same code, or choose another phone."""


class ClientNotFound(Refusal):
    """This phone is not registered; call register with the same code."""


class InvalidRefreshToken(Refusal):
    """This refresh token is not or no longer one of ours; sign in again."""


class SessionNotFound(Refusal):
    """The viewer has no session of this id; list them by `me { sessions { id } }`."""


class ReauthenticationRequired(Refusal):
    """This needs a sign-in of the last 10 minutes; sign in again and repeat it."""


class InvitationCodeNotFound(Refusal):
    """Nobody has this invitation code; check its 6 letters and digits."""


@dataclass(eq=False)
class InvitationAlreadyApplied(Refusal):
    """An invitation code has been applied before; it can be done only once."""

    someone_invitation_code: str


class OwnInvitationCode(Refusal):
    """This is the client's own invitation code; apply the code of somebody else."""


class InvitationRing(Refusal):
    """The owner of this code was invited by this client, directly or through others."""
