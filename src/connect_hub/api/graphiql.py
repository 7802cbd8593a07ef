"""Strawberry's GraphiQL page, with a content security policy made from the assets it names."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256

from starlette.responses import HTMLResponse
from strawberry.http.ides import get_graphql_ide_html

_SCRIPT = re.compile(r"<script[^>]*?src=\"(https://[^\"]+)\"", re.DOTALL)
_STYLE = re.compile(r"<link[^>]*?href=\"(https://[^\"]+\.css)\"", re.DOTALL)
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


@cache
def page() -> HTMLResponse:
    """Make the page, once."""
    html = get_graphql_ide_html()
    hashes = [sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(html)]
    scripts = _SCRIPT.findall(html) + [f"'sha256-{b64encode(h).decode()}'" for h in hashes]
    policy = {
        "default-src": ["'none'"],
        "script-src": scripts,
        "style-src": ["'unsafe-inline'", *_STYLE.findall(html)],
        "img-src": ["'self'", "data:", "https:"],
        "font-src": ["data:"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    value = "; ".join(f"{name} {' '.join(sources)}" for name, sources in policy.items())
    headers = {"Content-Security-Policy": value, "Cache-Control": "no-cache", "Vary": "Accept"}
    return HTMLResponse(html, headers=headers)
