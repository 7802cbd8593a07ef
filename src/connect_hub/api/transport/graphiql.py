"""GraphiQL: our own build, or Strawberry's page from a CDN if web/ was not built."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256

from starlette.responses import HTMLResponse
from strawberry.http.ides import get_graphql_ide_html

from connect_hub.server import web_client

_SCRIPT = re.compile(r"<script[^>]*?src=\"(https://[^\"]+)\"", re.DOTALL)
_STYLE = re.compile(r"<link[^>]*?href=\"(https://[^\"]+\.css)\"", re.DOTALL)
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)

# GraphiQL's editor sets inline styles and embeds a font in its stylesheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline';"
    " font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)


@cache
def page(notice: str | None) -> HTMLResponse:
    """Return the page, with a warning if there is one."""
    if web_client.are_built():
        return web_client.page("graphiql.html", policy=_POLICY, notice=notice)
    return from_cdn(notice)


def from_cdn(notice: str | None = None) -> HTMLResponse:
    """Return Strawberry's page; its policy allows only the assets that the page names."""
    html = web_client.with_notice(get_graphql_ide_html(), notice)
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
