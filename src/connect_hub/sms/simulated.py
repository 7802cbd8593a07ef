"""The simulated sender: it keeps the messages, and takes as long as a gateway would."""

import asyncio
import re
from collections import deque
from random import uniform
from typing import Self

from connect_hub.settings import SIMULATED, StartupError
from connect_hub.sms.message import Message

_DELAY = re.compile(rf"{SIMULATED}(?:\?delay=(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?)?")


class SimulatedSender:
    """Takes a random time between two delays, in seconds, and keeps the latest messages."""

    simulated = True

    def __init__(self, shortest: float = 1.0, longest: float = 2.0) -> None:
        self.shortest = shortest
        self.longest = longest
        self.outbox: deque[Message] = deque(maxlen=1000)

    def __str__(self) -> str:
        return "simulated; each code is handed to whoever asks for it"

    @classmethod
    def of(cls, url: str) -> Self:
        """Read the delays of a URL.

        Raises:
            StartupError: one line that says what SMS_URLS takes.
        """
        if not (match := _DELAY.fullmatch(url)):
            raise StartupError("SMS_URLS takes simulated://?delay=1-2 (seconds from and to).")
        if match[1] is None:
            return cls()
        shortest, longest = float(match[1]), float(match[2] or match[1])
        if shortest > longest:
            raise StartupError("SMS_URLS: the delay goes from the shorter to the longer one.")
        return cls(shortest, longest)

    async def send(self, message: Message) -> str:
        """Wait as a gateway would, and keep the message."""
        await asyncio.sleep(uniform(self.shortest, self.longest))  # noqa: S311 (no secret)
        self.outbox.append(message)
        return "simulated"
