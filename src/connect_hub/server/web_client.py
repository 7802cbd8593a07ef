"""The built pages of web/: the web client, GraphiQL and their assets."""

import os
import re
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from connect_hub.server.headers import header

STATIC = Path(__file__).parents[1] / "static"

_CLIENT_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_COUNTRY_TAG = '<meta name="default-country" content="" />'  # the server fills it in


def are_built() -> bool:
    """Return whether this installation has the pages."""
    return (STATIC / "index.html").is_file()


def page(name: str, *, policy: str, notice: str | None, country: str | None = None) -> HTMLResponse:
    """Make the response with a page. Browsers revalidate pages, and cache assets for ever."""
    html = (STATIC / name).read_text(encoding="utf-8")
    if country:
        html = html.replace(_COUNTRY_TAG, _COUNTRY_TAG.replace('""', f'"{country}"'))
    return HTMLResponse(
        with_notice(html, notice),
        headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache", "Vary": "Accept"},
    )


def with_notice(html: str, notice: str | None) -> str:
    """Add a notice at the top of a page."""
    if not notice:
        return html
    aside = f'<aside class="server-notice" lang="en">{escape(notice)}</aside>'
    return re.sub(r"<body[^>]*>", lambda body: body[0] + aside, html, count=1)


def routes(*, notice: str | None, country: str | None) -> list[BaseRoute]:
    """Return the routes of the pages: none if they are not built."""
    if not are_built():
        return []
    client = page("index.html", policy=_CLIENT_CSP, notice=notice, country=country)

    async def start(_request: Request) -> Response:
        return client

    return [
        Route("/", start),
        Route("/i/{invitation_code}", start),
        Route("/I/{invitation_code}", start),  # QR codes in capitals only are smaller
        Mount("/assets", _CompressedAssets(directory=STATIC / "assets")),
    ]


class _CompressedAssets(StaticFiles):
    """Serves files whose names change with their content; the build has compressed them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with whole files: a Range of a hundred parts would cost 15 ms."""
        headers = [header for header in scope["headers"] if header[0] != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file; paths with folders are rejected, because resolving long ones is slow."""
        return ("", None) if os.sep in path else super().lookup_path(path)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Respond with a file in the smallest encoding that the browser accepts."""
        accepted = _accepted_encodings(header(scope, b"accept-encoding") or "")
        encoding, found = None, Path(full_path)
        for name, suffix in (("br", ".br"), ("gzip", ".gz")):
            compressed = Path(f"{full_path}{suffix}")
            if name in accepted and compressed.is_file():
                encoding, found, stat_result = name, compressed, compressed.stat()
                break
        response = super().file_response(found, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["Vary"] = "Accept-Encoding"
        if encoding:
            response.headers["Content-Encoding"] = encoding
        return response


def _accepted_encodings(header: str) -> set[str]:
    """Parse Accept-Encoding (RFC 9110, 12.5.3); `q=0` excludes an encoding."""
    parts = [part.replace(" ", "").lower().partition(";") for part in header.split(",")]
    return {name for name, _, quality in parts if not re.fullmatch(r"q=0(\.0*)?", quality)}
