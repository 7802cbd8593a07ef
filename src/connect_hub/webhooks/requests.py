"""Requests to URLs of the operator: without redirects, with limits of time and size."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from connect_hub.security.keys import Keys
from connect_hub.webhooks import signing

ATTEMPT_TIMEOUT = timedelta(seconds=10)  # of a delivery
MAX_ANSWER = 4096  # bytes that are read
_USER_AGENT = "Connect-Hub"
_MAX_DIGITS = 9  # of Retry-After
_MAX_RETRY_AFTER = timedelta(days=1)
_ERRORS = (aiohttp.ClientError, OSError, ValueError)  # ValueError: a malformed answer


class NotAnsweredError(Exception):
    """No complete answer came; the text says why in a few words, without the URL."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request."""

    status: int  # of HTTP
    body: bytes  # at most MAX_ANSWER bytes
    retry_after: timedelta | None  # at most a day

    @property
    def is_success(self) -> bool:
        """Whether the receiver accepted the request."""
        return 200 <= self.status < 300  # noqa: PLR2004 (all of 2xx)


class SignedRequests:
    """Sends signed requests to one URL, at most so many at once.

    Args:
        url: in its canonical form.
        keys: derive the secrets of the URL.
        concurrency: how many requests may be open.
        keep_alive: whether connections stay open. The receiver may close one just when a request
            uses it, which then fails.
    """

    def __init__(self, url: str, *, keys: Keys, concurrency: int, keep_alive: bool = True) -> None:
        self._url = url
        self._proxy = _proxy_for(url)
        self._secrets = signing.secrets_of(url, keys=keys)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency, force_close=not keep_alive),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": _USER_AGENT, "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            read_bufsize=MAX_ANSWER,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def post(self, body: bytes, *, message_id: str, timeout: timedelta) -> Answer:
        """Send a request.

        Args:
            body: JSON.
            message_id: the same in all attempts to send the same message.
            timeout: for the whole answer, of which at most MAX_ANSWER bytes are read.

        Raises:
            NotAnsweredError
        """
        headers = signing.sign(
            body, message_id=message_id, timestamp=int(time.time()), secrets=self._secrets
        )
        answer = None
        try:
            async with (
                asyncio.timeout(timeout.total_seconds()),
                self._session.post(
                    self._url,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    proxy=self._proxy,
                ) as response,
            ):
                answer = Answer(response.status, b"", _retry_after(response.headers))
                answer = replace(answer, body=await _read(response.content))
        except TimeoutError:
            if answer is None:
                raise NotAnsweredError(f"no answer within {timeout.total_seconds():g} s") from None
        except _ERRORS as error:
            if answer is None:
                raise NotAnsweredError(type(error).__name__) from None
        return answer


async def _read(content: aiohttp.StreamReader) -> bytes:
    """Read a body up to MAX_ANSWER bytes; the connection is closed if there are more."""
    body = b""
    while left := MAX_ANSWER - len(body):
        chunk = await content.read(left)
        if not chunk:
            break
        body += chunk
    return body


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read Retry-After, which has seconds or a date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        wait = timedelta(seconds=int(value[:_MAX_DIGITS]))
    else:
        try:
            wait = parsedate_to_datetime(value) - datetime.now(UTC)
        except (TypeError, ValueError, OverflowError):  # TypeError: the date has no time zone
            return None
    return min(wait, _MAX_RETRY_AFTER) if wait > timedelta() else None


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for a URL."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
