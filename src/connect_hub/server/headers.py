"""Headers: those that every answer has, and how those of a request are read."""

from starlette.types import Scope

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""They tell browsers to do nothing with an answer that nobody asked them to do."""


MAX_PARSED = 1024  # bytes of a header; parsers of lists take long for long ones
MAX_TOKEN = 8 * 1024  # bytes of an Authorization header


def header(scope: Scope, name: bytes, *, limit: int = MAX_PARSED) -> str | None:
    """Read the first bytes of a request's first header of a name, which is in small letters.

    Browsers and apps send other letters in UTF-8; what is not UTF-8 is read as Latin-1.
    """
    for each, value in scope["headers"]:
        if each == name:
            try:
                return str(value[:limit], "utf-8")
            except UnicodeDecodeError:
                return str(value[:limit], "latin-1")
    return None
