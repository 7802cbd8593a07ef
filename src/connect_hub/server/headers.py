"""Security headers of all responses, and a reader of request headers."""

from starlette.types import Scope

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Browsers must not run, embed or guess the type of a response."""


MAX_PARSED = 1024  # bytes of a header; parsing a long list is slow
MAX_TOKEN = 8 * 1024  # bytes of an Authorization header


def header(scope: Scope, name: bytes, *, limit: int = MAX_PARSED) -> str | None:
    """Return the first header of a lower-case name, cut to `limit` bytes, or None.

    Clients send non-ASCII text as UTF-8; a value that is not UTF-8 is decoded as Latin-1.
    """
    for each, value in scope["headers"]:
        if each == name:
            try:
                return str(value[:limit], "utf-8")
            except UnicodeDecodeError:
                return str(value[:limit], "latin-1")
    return None
