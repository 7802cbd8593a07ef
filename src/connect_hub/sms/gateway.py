"""One SMS gateway, reached through apprise."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Thread
from urllib.parse import quote, unquote

import apprise

from connect_hub.settings import StartupError
from connect_hub.sms.message import Message, NotSentError
from connect_hub.sms.plugins import load_plugin

PHONE = "{phone}"  # stands for the recipient in a gateway's URL
MAX_THREADS = 32  # messages sent to one gateway at the same time

_SAMPLE = "+79991234567"  # for checking a URL at startup
_ASSET = apprise.AppriseAsset(
    service_timeout=0,  # otherwise apprise starts threads of its own, without a limit
    http_redirects=False,  # a redirect would pass the code and the password on
    storage_mode="memory",
)
for _name in ("apprise", "urllib3"):  # they log phone numbers, codes and URLs with passwords
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


class UnsupportedNumberError(NotSentError):
    """The gateway's plugin does not support this phone number."""


class Gateway:
    """A gateway that an apprise URL describes.

    Its `name`, for logs and metrics, is the URL's scheme, with the host if the service has one.

    Args:
        url: with `{phone}` in place of the recipient.
        position: the URL's position in SMS_URLS, from 1, for error messages.

    Raises:
        StartupError: the URL is invalid; the message shows none of its secrets.
    """

    def __init__(self, url: str, *, position: int) -> None:
        self._url = url
        scheme = url.partition("://")[0].lower()
        self._plugin = load_plugin(scheme)
        label = f"{position} ({scheme}://…)" if self._plugin else str(position)
        service = self._create_service(_SAMPLE)
        if service is None:
            raise StartupError(
                f"SMS_URLS: gateway {label} is not a URL that apprise understands"
                " (https://appriseit.com/services lists them; write a comma inside as %2C)."
            )
        if PHONE not in url or not _has_recipient(service, _SAMPLE):
            raise StartupError(
                f"SMS_URLS: gateway {label} does not reach the phone:"
                " put {phone} where apprise expects the recipient's number."
            )
        self.name = _name_of(service)
        self._threads = asyncio.Semaphore(MAX_THREADS)

    async def send(self, message: Message, *, timeout: timedelta) -> None:
        """Hand a message to the gateway.

        Raises:
            UnsupportedNumberError: the plugin does not support the number.
            NotSentError: the gateway refused the message, or did not answer in time.
        """
        seconds = timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                await self._threads.acquire()
                await _run_in_thread(
                    partial(self._notify, message, seconds), on_end=self._threads.release
                )
        except TimeoutError:
            raise NotSentError(f"no answer within {seconds:.1f} s") from None

    def _notify(self, message: Message, seconds: float) -> None:
        service = self._create_service(message.phone)  # apprise would pause before reusing one
        if service is None or not _has_recipient(service, message.phone):
            raise UnsupportedNumberError("its plugin does not support this number")
        service.socket_connect_timeout = service.socket_read_timeout = seconds
        sending = apprise.Apprise(service, asset=_ASSET)
        result = sending.notify(message.text, body_format=apprise.NotifyFormat.TEXT)
        if not result:
            raise NotSentError(" ".join(entry.message for entry in result.logs()))

    def _create_service(self, phone: str) -> apprise.NotifyBase | None:
        url = self._url.replace(PHONE, quote(phone, safe=""))
        with suppress(Exception):  # each plugin raises exceptions of its own
            if self._plugin and (parsed := self._plugin.parse_url(url)):
                return self._plugin(asset=_ASSET, **parsed)
        return None


def _has_recipient(service: apprise.NotifyBase, phone: str) -> bool:
    """Return whether the plugin accepted the number.

    Some plugins drop a number that they do not understand; Twilio's then texts its own sender.
    """
    return phone.removeprefix("+") in unquote(service.url())


def _name_of(service: apprise.NotifyBase) -> str:
    """Name a gateway by its scheme, and by its host if its URL has one.

    In the URLs of most services, a secret or a number stands in the host's place.
    """
    if not any("{host}" in template for template in map(str, service.templates)):
        return str(service.schema)
    return f"{service.schema}://{service.host}" + (f":{service.port}" if service.port else "")


async def _run_in_thread(function: Callable[[], None], *, on_end: Callable[[], None]) -> None:
    """Run a function in a daemon thread: if it hangs, the process can still exit.

    Args:
        function: may block, and raise NotSentError; other exceptions become one.
        on_end: called in the event loop when the function ends, even if nobody awaits it any more.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[NotSentError | None] = loop.create_future()

    def settle(error: NotSentError | None) -> None:
        on_end()
        if not done.cancelled():
            done.set_result(error)  # asyncio could log an exception that nobody awaits

    def run() -> None:
        error = None
        try:
            function()
        except NotSentError as not_sent:
            error = not_sent
        except Exception as unexpected:  # noqa: BLE001 (the next gateway may still succeed)
            error = NotSentError(type(unexpected).__name__)
        with suppress(RuntimeError):  # the event loop has closed meanwhile
            loop.call_soon_threadsafe(settle, error)

    try:
        Thread(target=run, name="sms", daemon=True).start()
    except RuntimeError:  # the system cannot start another thread
        settle(NotSentError("no thread is free"))
    if error := await done:
        raise error
