"""Web origins and hosts, compared as browsers compare them (RFC 6454)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Self

from pydantic_core import Url

_CACHE_SIZE = 64  # texts
_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^\s\x00-\x1f\x7f/?#@\\%*]*)/?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origins(frozenset[str]):
    """A set of origins; spelling makes no difference, and `*` matches every origin."""

    def __new__(cls, texts: Iterable[str]) -> Self:
        """Make the set; texts that are not origins match nothing."""
        return super().__new__(cls, ("*" if t == "*" else canonical_origin(t) or "" for t in texts))

    def __contains__(self, text: object) -> bool:
        """Return whether the set matches an origin."""
        origin = canonical_origin(str(text))
        return super().__contains__("*") or (origin is not None and super().__contains__(origin))


@lru_cache(_CACHE_SIZE)
def canonical_origin(text: str) -> str | None:
    """Return an origin in lower case and Punycode, without a default port and a final dot.

    Apps have schemes of their own (`capacitor://localhost`), some without a host (`file://`).
    Returns None if the text is not an origin: it has a path or a user, or is `null`.
    """
    if not (match := _ORIGIN.fullmatch(text)):
        return None
    scheme, host = match[1].lower(), match[2]
    if not host and scheme not in _DEFAULT_PORTS:
        return f"{scheme}://"
    try:
        url = Url(f"{scheme}://{host}")
    except ValueError:
        return None
    name = (url.host or "").lower().removesuffix(".")
    port = "" if url.port in {None, _DEFAULT_PORTS.get(scheme)} else f":{url.port}"
    return f"{scheme}://{name}{port}" if name else None


def canonical_host(text: str) -> str | None:
    """Return a host as `canonical_origin` writes it, without its port; None if it is not a host."""
    if "/" in text or not (origin := canonical_origin(f"http://{text}")):
        return None
    return re.sub(r":\d+$", "", origin.removeprefix("http://"))
