"""One gateway, reached through apprise."""

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
from connect_hub.sms.plugins import plugin_of

PHONE = "{phone}"  # in a URL
THREADS = 32  # messages on their way to one gateway at a time

_SAMPLE = "+79991234567"
_ASSET = apprise.AppriseAsset(
    service_timeout=0,  # or it would use threads of its own, which nobody bounds
    http_redirects=False,  # they would take code and password along
    storage_mode="memory",
)
for _name in ("apprise", "urllib3"):  # they log phones, codes and URLs with passwords
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


class UnreachableError(NotSentError):
    """The gateway's plugin does not take this phone's number."""


class Gateway:
    """A gateway described by an apprise URL; `name` is its scheme, and its host where it has one.

    Raises:
        StartupError: the URL is wrong; its secrets are not told.
    """

    def __init__(self, url: str, *, place: int) -> None:
        self._url = url
        scheme = url.partition("://")[0].lower()
        self._plugin = plugin_of(scheme)
        named = f"{place} ({scheme}://…)" if self._plugin else str(place)
        service = self._service(_SAMPLE)
        if service is None:
            raise StartupError(
                f"SMS_URLS: gateway {named} is no URL that apprise takes"
                " (https://appriseit.com/services has them all; a comma inside is written %2C)."
            )
        if PHONE not in url or not _reaches(service, _SAMPLE):
            raise StartupError(
                f"SMS_URLS: gateway {named} does not reach the phone:"
                " put {phone} where apprise takes the number of the recipient."
            )
        self.name = _name_of(service)
        self._free = asyncio.Semaphore(THREADS)

    async def send(self, message: Message, *, within: timedelta) -> None:
        """Hand a message to the gateway.

        Raises:
            UnreachableError: its plugin does not take the number.
            NotSentError: the gateway refused, or did not answer in time.
        """
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._free.acquire()
                await _in_thread(partial(self._notify, message, within), ended=self._free.release)
        except TimeoutError:
            raise NotSentError(f"no answer within {within.total_seconds():.1f} s") from None

    def _notify(self, message: Message, within: timedelta) -> None:
        service = self._service(message.phone)  # a used one would wait between two messages
        if service is None or not _reaches(service, message.phone):
            raise UnreachableError("its plugin does not take this number")
        service.socket_connect_timeout = service.socket_read_timeout = within.total_seconds()
        sending = apprise.Apprise(service, asset=_ASSET)
        result = sending.notify(message.text, body_format=apprise.NotifyFormat.TEXT)
        if not result:
            raise NotSentError(" ".join(entry.message for entry in result.logs()))

    def _service(self, phone: str) -> apprise.NotifyBase | None:
        url = self._url.replace(PHONE, quote(phone, safe=""))
        with suppress(Exception):  # what a plugin raises depends on the plugin
            if self._plugin and (parsed := self._plugin.parse_url(url)):
                return self._plugin(asset=_ASSET, **parsed)
        return None


def _reaches(service: apprise.NotifyBase, phone: str) -> bool:
    """Tell whether the plugin took the number: some drop it, and Twilio's then texts its sender."""
    return phone.removeprefix("+") in unquote(service.url())


def _name_of(service: apprise.NotifyBase) -> str:
    """Name a gateway; of most services, what stands in the host's place is a key or a number."""
    if not any("{host}" in template for template in map(str, service.templates)):
        return str(service.schema)
    return f"{service.schema}://{service.host}" + (f":{service.port}" if service.port else "")


async def _in_thread(function: Callable[[], None], *, ended: Callable[[], None]) -> None:
    """Run a function in a thread that may hang without keeping the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[NotSentError | None] = loop.create_future()

    def settle(error: NotSentError | None) -> None:
        ended()
        if not done.cancelled():
            done.set_result(error)  # as an exception, asyncio might log it

    def run() -> None:
        error = None
        try:
            function()
        except NotSentError as refused:
            error = refused
        except Exception as unknown:  # noqa: BLE001 (whatever it is, another gateway may do)
            error = NotSentError(type(unknown).__name__)
        with suppress(RuntimeError):  # the server has stopped meanwhile
            loop.call_soon_threadsafe(settle, error)

    try:
        Thread(target=run, name="sms", daemon=True).start()
    except RuntimeError:  # the system gives no more threads
        settle(NotSentError("no thread is free"))
    if error := await done:
        raise error
