"""SMS: the sender interface, and the sender that SMS_URLS configures."""

from typing import Protocol

from connect_hub.settings import SIMULATED, Settings, StartupError
from connect_hub.sms.message import Message, NotSentError
from connect_hub.sms.simulated import SimulatedSender

__all__ = ["Message", "NotSentError", "SimulatedSender", "SmsSender", "create_sender"]


class SmsSender(Protocol):
    """Sends SMS without blocking the event loop; `str()` describes it to the operator."""

    simulated: bool

    async def send(self, message: Message) -> str:
        """Send a message, and return the name of the gateway that accepted it.

        Raises:
            NotSentError: no gateway accepted it.
        """
        ...

    async def simulate_latency(self) -> None:
        """Take as long as sending a message takes, and send nothing."""
        ...


def create_sender(settings: Settings) -> SmsSender:
    """Create the sender that SMS_URLS configures; without SMS_URLS, SMS are simulated.

    Raises:
        StartupError: SMS_URLS is invalid; the message says what it takes.
    """
    urls = settings.sms_urls
    if not urls:
        return SimulatedSender()
    if not any(url.startswith(SIMULATED) for url in urls):
        from connect_hub.sms.failover import FailoverSender  # noqa: PLC0415 - apprise takes 20 MB

        return FailoverSender(urls, timeout=settings.sms_timeout)
    if len(urls) > 1:
        raise StartupError(
            "SMS_URLS: simulated:// returns each code to whoever requests it, so it cannot be"
            " combined with gateways: remove it or the gateways."
        )
    return SimulatedSender.from_url(urls[0])
