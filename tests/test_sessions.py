import asyncio

from connect_hub.database import fetch
from tests.hub import Hub, pass_time


async def test_a_refresh_token_gives_a_new_pair(hub: Hub) -> None:
    person = await hub.person()
    first = person.refresh_token
    answer = await person.refresh()
    assert answer["__typename"] == "SignedIn"
    assert answer["client"]["id"] == person.id
    assert answer["refreshToken"] != first
    assert await person.works()


async def test_simultaneous_refreshes_get_the_same_successor(hub: Hub) -> None:
    person = await hub.person()
    token = person.refresh_token
    answers = await asyncio.gather(*(person.refresh(token) for _ in range(20)))
    assert len({answer["refreshToken"] for answer in answers}) == 1
    (row,) = await fetch("SELECT generation FROM session")
    assert row["generation"] == 1


async def test_everything_once(hub: Hub) -> None:
    person = await hub.person()
    other = await person.sign_in(**{"User-Agent": " Phone\t 1 \x01"})
    print(await other.sessions())
    print(await person.end_others())
    assert not await other.works()
    print(await person.change_phone("+79998887766", await hub.code_for("+79998887766")))
    await pass_time(601)
    print(await person.delete())
    await pass_time(-601)
    print(await person.delete())
    assert not await person.works()
    third = await hub.person("+79998887766")
    print(await third.end_this())
