"""A message for a phone, and the error if no gateway accepts it."""

from dataclasses import dataclass, field


class NotSentError(Exception):
    """No gateway accepted the message. The reason may quote secrets: never log it."""


@dataclass(frozen=True)
class Message:
    """A text for one phone; its repr shows neither."""

    phone: str = field(repr=False)  # E.164
    country: str  # of the phone, ISO 3166
    text: str = field(repr=False)
