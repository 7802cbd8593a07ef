"""BEFORE_REGISTER_URL: the operator's backend may refuse a registration."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from connect_hub.observability import metrics
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings
from connect_hub.webhooks.deliveries import payload

if TYPE_CHECKING:  # aiohttp takes 7 MB
    from connect_hub.webhooks.requests import SignedRequests

_TYPE = "before_register"
_TIMEOUT = timedelta(seconds=2)
_MAX_OPEN = 20  # calls of a server
_MAX_MESSAGE = 200  # characters

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A registration as the hook sees it."""

    phone: str  # E.164
    country: str  # ISO 3166
    inviter: str | None  # id of the client whose invitation code is applied
    campaign: str | None  # id of the campaign instead
    network: str  # of the request
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of the hook."""

    is_allowed: bool
    message: str | None = None  # for a person


class HookFailedError(Exception):
    """The hook gave no valid answer, or was not asked because too many calls are open."""


class RegistrationHook:
    """Asks the URL of BEFORE_REGISTER_URL.

    Args:
        url: in its canonical form.
        keys: sign the requests.
        workers: the processes of this server, which share the limit of open calls.
    """

    def __init__(self, url: str, *, keys: Keys, workers: int) -> None:
        self._url = url
        self._keys = keys
        self._max_open = max(1, _MAX_OPEN // workers)
        self._open = 0

    @classmethod
    def of(cls, settings: Settings, keys: Keys) -> "RegistrationHook | None":
        """Make the hook of the settings, if they have one."""
        url = settings.before_register_url
        return cls(url, keys=keys, workers=settings.workers) if url else None

    @cached_property
    def _requests(self) -> "SignedRequests":
        from connect_hub.webhooks.requests import SignedRequests  # noqa: PLC0415 - see above

        limit = self._max_open
        return SignedRequests(self._url, keys=self._keys, concurrency=limit, keep_alive=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Close the connections at the end of the context."""
        try:
            yield
        finally:
            if "_requests" in vars(self):
                await self._requests.close()

    async def ask(self, registration: Registration) -> Verdict:
        """Ask whether somebody may register. Do not hold a database connection meanwhile.

        Raises:
            HookFailedError: refuse the registration.
        """
        if self._open >= self._max_open:
            raise _failed("too many calls are open")
        self._open += 1
        try:
            verdict = await self._ask(registration)
        finally:
            self._open -= 1
        metrics.REGISTRATION_HOOK.labels("allowed" if verdict.is_allowed else "refused").inc()
        return verdict

    async def _ask(self, registration: Registration) -> Verdict:
        from connect_hub.webhooks.requests import NotAnsweredError  # noqa: PLC0415 - see above

        body = payload(_TYPE, timestamp=datetime.now(UTC), data=registration)
        try:
            answer = await self._requests.post(body, message_id=str(uuid4()), timeout=_TIMEOUT)
        except NotAnsweredError as error:
            raise _failed(str(error)) from None
        if not answer.is_success:
            raise _failed(f"HTTP {answer.status}")
        return _verdict(answer.body)


def _verdict(body: bytes) -> Verdict:
    try:
        content = json.loads(body, object_pairs_hook=_unique, parse_constant=_reject)
    except (ValueError, RecursionError):
        raise _failed("the answer is not JSON, or repeats a key") from None
    if not isinstance(content, dict) or not isinstance(content.get("allow"), bool):
        raise _failed("the answer has no allow")
    message = content.get("message")
    return Verdict(content["allow"], _printable(message) if isinstance(message, str) else None)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object, unless a key is repeated: parsers differ in which value they take."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(pairs)
    return content


def _reject(constant: str) -> None:
    raise ValueError(constant)  # NaN and the infinities are not JSON


def _printable(message: str) -> str | None:
    printable = "".join(c if c.isprintable() else " " for c in message[: 2 * _MAX_MESSAGE])
    return " ".join(printable.split())[:_MAX_MESSAGE] or None


def _failed(reason: str) -> HookFailedError:
    metrics.REGISTRATION_HOOK.labels("failed").inc()
    log.error("registration hook failed, registration refused", reason=reason)
    return HookFailedError(reason)
