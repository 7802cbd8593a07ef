import httpx
import pytest

from connect_hub.app import create_app
from connect_hub.settings import Settings
from tests.hub import Hub


async def test_an_invitation_link_shows_its_code(hub: Hub) -> None:
    response = await hub.http.get("/i/abc123")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<strong>ABC123</strong>" in response.text
    assert "href" not in response.text


async def test_it_does_not_tell_whether_somebody_has_the_code(hub: Hub) -> None:
    person = await hub.person()
    known = await hub.http.get(f"/i/{person.invitation_code}")
    unknown = await hub.http.get("/i/000000")
    assert known.text.replace(person.invitation_code, "000000") == unknown.text


@pytest.mark.parametrize("code", ["abc12", "abc1234", "<b>abc", "äbc123", "abc%0a1", "a/b123"])
async def test_what_cannot_be_a_code_is_not_found(hub: Hub, code: str) -> None:
    response = await hub.http.get(f"/i/{code}")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/plain")


async def test_it_leads_to_where_people_sign_in(settings: Settings) -> None:
    known = settings.model_copy(update={"public_url": "https://app.example.com"})
    transport = httpx.ASGITransport(create_app(known))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        page = (await http.get("/i/abc123")).text
    assert '<a href="https://app.example.com">' in page
