"""The simulated sender: takes as long as a gateway would, and keeps the messages."""

import asyncio
import re
from collections import deque
from random import uniform
from typing import Self

from connect_hub.settings import SIMULATED, StartupError
from connect_hub.sms.message import Message

_URL = re.compile(rf"{SIMULATED}(?:\?delay=(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?)?")


class SimulatedSender:
    """Waits a random time, then keeps the message in `outbox`, which holds the latest 1000.

    Args:
        min_delay: in seconds.
        max_delay: in seconds.
    """

    simulated = True

    def __init__(self, min_delay: float = 1.0, max_delay: float = 2.0) -> None:
        self.min_delay = min_delay
        self.max_delay = max_delay
        self.outbox: deque[Message] = deque(maxlen=1000)

    def __str__(self) -> str:
        return "simulated; each code is returned to whoever requests it"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read the delays from a URL such as `simulated://?delay=1-2`.

        Raises:
            StartupError: the URL is invalid; the message says what SMS_URLS takes.
        """
        if not (match := _URL.fullmatch(url)):
            raise StartupError(
                "SMS_URLS takes simulated://?delay=1-2 (shortest and longest delay, in seconds)."
            )
        if match[1] is None:
            return cls()
        min_delay, max_delay = float(match[1]), float(match[2] or match[1])
        if min_delay > max_delay:
            raise StartupError(
                "SMS_URLS: write the shorter delay first, as in simulated://?delay=1-2."
            )
        return cls(min_delay, max_delay)

    async def send(self, message: Message) -> str:
        """Wait as long as a gateway might take, and keep the message."""
        await self.simulate_latency()
        self.outbox.append(message)
        return "simulated"

    async def simulate_latency(self) -> None:
        """Wait as long as a gateway might take."""
        await asyncio.sleep(uniform(self.min_delay, self.max_delay))  # noqa: S311 (no secret)
