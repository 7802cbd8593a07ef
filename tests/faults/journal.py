"""A journal of acknowledged operations, and of those whose response was lost.

Where an answer is lost, the journal keeps all that may be true, until another answer settles it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Life(Enum):
    """The possible states of an acknowledged session."""

    ALIVE = "alive"
    ENDED = "ended"
    EITHER = "either"


@dataclass
class Session:
    """A session, as the responses describe it."""

    id: str
    token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    generation: int = 0  # acknowledged
    lost: int = 0  # refreshes without an answer
    life: Life = Life.ALIVE


@dataclass
class Code:
    """A code that was sent: until it is accepted, the same is sent again."""

    phone: str
    digits: str
    expires_at: str
    wrong: int = 0  # guesses refused
    tried: int = 0  # all guesses
    accepted: int = 0
    lost: int = 0  # guesses of the right one without an answer


@dataclass
class Person:
    """A person who registers, and the states that the database may have for them."""

    phones: set[str]
    id: str | None = None
    invitation_code: str | None = None
    retired: list[str] = field(default_factory=list)  # its former codes
    lost_renewals: int = 0  # new codes without an answer
    inviters: set[str | None] = field(default_factory=lambda: {None})  # by the applied code
    names: set[str | None] = field(default_factory=lambda: {None})
    deleted: set[bool] = field(default_factory=lambda: {False})
    sessions: dict[str, Session] = field(default_factory=dict)
    registering: bool = False  # a registration whose response was lost


@dataclass
class Subscription:
    """The events of one connection, and when it was open."""

    since: datetime
    until: datetime | None = None
    heard: list[str] = field(default_factory=list)  # ids


@dataclass
class Following:
    """What a client knows about applications of its code, by queries and subscriptions."""

    known: set[str] = field(default_factory=set)  # ids
    subscriptions: list[Subscription] = field(default_factory=list)


@dataclass
class Journal:
    """All people and all codes."""

    people: list[Person] = field(default_factory=list)
    following: dict[str, Following] = field(default_factory=dict)  # by the id of who follows
    codes: dict[tuple[str, str], Code] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)  # answers that cannot be right
    used_up: set[str] = field(default_factory=set)  # invitation codes that were refused so
    received: set[str] = field(default_factory=set)  # ids of events that the receiver accepted

    def code(self, phone: str, digits: str, expires_at: str) -> Code:
        """Find the code that was sent, or note it."""
        made = Code(phone, digits, expires_at)
        return self.codes.setdefault((phone, expires_at), made)
