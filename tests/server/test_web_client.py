"""The pages of web/ as they come over HTTP."""

import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from connect_hub.api.transport import graphiql
from connect_hub.app import create_app
from connect_hub.server import web_client
from connect_hub.settings import Settings
from tests.support.hub import Hub


@pytest.fixture
def not_built(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starlette:
    monkeypatch.setattr(web_client, "STATIC", tmp_path)
    return create_app(settings)


async def script(hub: Hub) -> str:
    page = await hub.http.get("/")
    found = re.search(r'src="(/assets/[^"]+\.js)"', page.text)
    assert found
    return found[1]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?x=1",
        "/i/ABC123",
        "/i/ABC123/",
        "/i/abc123/?x=1",
        "/I/ABC123",
        "/i/%41BC123",
        "/i/ABC123%20",
    ],
)
async def test_page_loads_only_from_its_origin_and_is_not_cached(hub: Hub, path: str) -> None:
    page = await hub.http.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]* src=)|<style|https?:", page.text)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1, br;q=0", "gzip"),
        ("gzip", "gzip"),
        ("identity", None),
    ],
)
async def test_assets_are_compressed_and_cached(
    hub: Hub, accepted: str, encoding: str | None
) -> None:
    asset = await script(hub)
    response = await hub.http.get(asset, headers={"Accept-Encoding": accepted})
    assert response.status_code == 200
    assert response.headers.get("content-encoding") == encoding
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "Accept-Encoding" in response.headers["vary"]
    assert response.headers["x-content-type-options"] == "nosniff"
    known = {"Accept-Encoding": accepted, "If-None-Match": response.headers["etag"]}
    assert (await hub.http.get(asset, headers=known)).status_code == 304


@pytest.mark.parametrize("path", ["/", "/i/ABC123/", "/graphql", "/healthz", "/readyz", "/nothing"])
async def test_head_is_answered_as_get_without_a_body(hub: Hub, path: str) -> None:
    headers = {"Accept": "text/html"}
    get, head = [await hub.http.request(m, path, headers=headers) for m in ("GET", "HEAD")]
    assert head.headers.pop("X-Request-ID") != get.headers.pop("X-Request-ID")
    assert (head.status_code, head.headers) == (get.status_code, get.headers)


@pytest.mark.parametrize("path", ["/nothing", "/assets/nothing.js", "/assets/..%2Findex.html"])
async def test_unknown_path_is_404(hub: Hub, path: str) -> None:
    response = await hub.http.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_without_the_pages_only_graphql_is_served(not_built: Starlette) -> None:
    transport = httpx.ASGITransport(not_built)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        assert (await http.get("/")).status_code == 404
        assert (await http.get("/healthz")).status_code == 200


def test_graphiql_has_a_policy_of_its_own() -> None:
    policy = graphiql.page(None).headers["content-security-policy"]
    assert "script-src 'self'; worker-src 'self';" in policy
    assert "https:" not in policy


async def test_assets_ignore_range_requests(hub: Hub) -> None:
    (asset, *_) = sorted(
        path for path in (web_client.STATIC / "assets").iterdir() if path.suffix == ".js"
    )
    ranges = ",".join(f"{number}-{number}" for number in range(0, 200, 2))
    response = await hub.http.get(f"/assets/{asset.name}", headers={"Range": f"bytes={ranges}"})
    assert response.status_code == 200
    assert response.content == asset.read_bytes()
