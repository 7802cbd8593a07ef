"""What is sent, and what is said where it could not be."""

from dataclasses import dataclass, field


class NotSentError(Exception):
    """Nobody took the message; the reason is for the operator's eyes, not for logs."""


@dataclass(frozen=True)
class Message:
    """A text for one phone; neither is shown in a repr."""

    phone: str = field(repr=False)  # E.164
    country: str  # of the phone, ISO 3166
    text: str = field(repr=False)
