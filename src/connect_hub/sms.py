"""Sending of messages: what a sender is, and the simulated one."""

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import uniform
from typing import Protocol

from connect_hub.settings import StartupError

SIMULATED = "simulated://"
_DELAY = re.compile(r"simulated://(?:\?delay=(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?)?")


class NotSentError(Exception):
    """No gateway took the message."""


@dataclass(frozen=True)
class Message:
    """A text for one phone; neither is shown in a repr."""

    phone: str = field(repr=False)  # E.164
    text: str = field(repr=False)


class SmsSender(Protocol):
    """Sends one message without blocking others; raises NotSentError where nobody takes it."""

    simulated: bool

    async def send(self, message: Message) -> None:
        """Send it."""
        ...


class SimulatedSender:
    """Takes a random time between two delays, in seconds, and keeps the latest messages."""

    simulated = True

    def __init__(self, shortest: float = 1.0, longest: float = 2.0) -> None:
        self.shortest = shortest
        self.longest = longest
        self.outbox: deque[Message] = deque(maxlen=1000)

    async def send(self, message: Message) -> None:
        """Wait as a gateway would, and keep the message."""
        await asyncio.sleep(uniform(self.shortest, self.longest))  # noqa: S311 (no secret)
        self.outbox.append(message)


def sender_from(urls: Sequence[str]) -> SmsSender:
    """Make the sender that SMS_URLS describes; none means simulated.

    Raises:
        StartupError: one line that says what SMS_URLS takes.
    """
    if not urls:
        return SimulatedSender()
    simulated = [url for url in urls if url.startswith(SIMULATED)]
    if simulated and len(urls) > 1:
        raise StartupError(
            "SMS_URLS: simulated:// hands each code to whoever asks, so it stands alone;"
            " remove it or the gateways beside it."
        )
    if not (match := _DELAY.fullmatch(urls[0])):
        raise StartupError("SMS_URLS takes simulated://?delay=1-2 (seconds from and to).")
    if match[1] is None:
        return SimulatedSender()
    shortest, longest = float(match[1]), float(match[2] or match[1])
    if shortest > longest:
        raise StartupError("SMS_URLS: the delay goes from the shorter to the longer one.")
    return SimulatedSender(shortest, longest)
