"""Settings that are URLs of the operator's backend: webhook endpoints and the registration hook."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Annotated
from urllib.parse import urldefrag, urlsplit

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from connect_hub.settings.lists import split_list
from connect_hub.settings.origins import canonical_origin

EVENT_TYPES = (
    "client.registered",
    "client.invited",
    "client.phone_changed",
    "client.deleted",
    "client.blocked",
    "client.unblocked",
    "session.started",
    "session.ended",
)
_WEB_SCHEMES = ("http", "https")
_FORBIDDEN = set(' \\"<>^`{|}')


@dataclass(frozen=True)
class Endpoint:
    """A URL of WEBHOOK_URLS, and the types of the events that it gets."""

    url: str = field(repr=False)  # may contain a secret, so it is neither stored nor logged
    types: tuple[str, ...]

    @property
    def id(self) -> str:
        """A hash of the URL, which names the endpoint in the database."""
        return sha256(self.url.encode()).hexdigest()[:16]

    @property
    def origin(self) -> str:
        """Scheme, host and port, which name the endpoint in logs and metrics."""
        return "/".join(self.url.split("/")[:3])


def canonical_url(text: str) -> str:
    """Return a URL as endpoints are compared: without its fragment, and never with an empty path.

    Raises:
        ValueError: the text is not a web URL, or it has a user.
    """
    is_plain = text.isascii() and text.isprintable() and not set(text) & _FORBIDDEN
    try:
        parts = urlsplit(text if is_plain else "")
    except ValueError:  # brackets that are not an IPv6 address
        parts = urlsplit("")
    origin = canonical_origin(f"{parts.scheme}://{parts.netloc}")
    if parts.scheme not in _WEB_SCHEMES or not origin:
        raise ValueError("takes URLs such as 'https://api.example.com/hooks', without a password")
    return f"{origin}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")


def _parse_webhook_urls(value: object) -> object:
    texts = split_list(value)
    if not isinstance(texts, tuple) or not all(isinstance(text, str) for text in texts):
        return texts
    types: dict[str, set[str]] = {}  # a URL may stand there several times, with other types
    for text in texts:
        types.setdefault(canonical_url(text), set()).update(_types(urldefrag(text).fragment))
    return tuple(
        Endpoint(url, tuple(each for each in EVENT_TYPES if each in chosen))
        for url, chosen in types.items()
    )


def _types(pattern: str) -> set[str]:
    """Return the event types that a pattern such as `client.*` stands for."""
    if not pattern:
        return set(EVENT_TYPES)
    found = {each for each in EVENT_TYPES if fnmatchcase(each, pattern)}
    if not found:
        raise ValueError(
            "takes a type of events after '#', such as 'client.registered' or 'session.*'"
        )
    return found


def _parse_hook_url(value: object) -> object:
    return canonical_url(value) if isinstance(value, str) else value


WebhookUrls = Annotated[tuple[Endpoint, ...], NoDecode, BeforeValidator(_parse_webhook_urls)]
HookUrl = Annotated[str, BeforeValidator(_parse_hook_url)]
