"""Sending of messages: what a sender is, and the one that SMS_URLS describes."""

from typing import Protocol

from connect_hub.settings import SIMULATED, Settings, StartupError
from connect_hub.sms.message import Message, NotSentError
from connect_hub.sms.simulated import SimulatedSender

__all__ = ["Message", "NotSentError", "SimulatedSender", "SmsSender", "sender_from"]


class SmsSender(Protocol):
    """Sends one message without blocking others; its `str` says to the operator how."""

    simulated: bool

    async def send(self, message: Message) -> str:
        """Send it, and name the gateway that took it.

        Raises:
            NotSentError: none did.
        """
        ...


def sender_from(settings: Settings) -> SmsSender:
    """Make the sender that SMS_URLS describes; none means simulated.

    Raises:
        StartupError: one line that says what SMS_URLS takes.
    """
    urls = settings.sms_urls
    if not urls:
        return SimulatedSender()
    if not any(url.startswith(SIMULATED) for url in urls):
        from connect_hub.sms.gateways import Gateways  # noqa: PLC0415 - apprise takes 20 MB

        return Gateways(urls, within=settings.sms_timeout)
    if len(urls) > 1:
        raise StartupError(
            "SMS_URLS: simulated:// hands each code to whoever asks, so it stands alone;"
            " remove it or the gateways beside it."
        )
    return SimulatedSender.of(urls[0])
