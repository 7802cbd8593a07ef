"""Expensive requests of one network do not keep others waiting."""

import asyncio

import pytest

from tests.support.hub import Hub

FLOOD = 60
NEW = "{{ new{0}: __typename }}"
KNOWN = "{{ __schema {{ types {{ name }} }} }}"


@pytest.mark.parametrize("query", [NEW, KNOWN])
@pytest.mark.parametrize("flooder", ["198.51.100.7", "2001:db8:7:{0:x}::1"])
async def test_a_flood_from_one_network_is_overtaken_by_others(
    hub: Hub, query: str, flooder: str
) -> None:
    for _ in range(2):  # documents are cached at their second use
        await hub.data(KNOWN.format(0))
    answered: list[str] = []

    async def ask(address: str, number: int) -> None:
        answer = await hub.at(address).post(query.format(number))
        assert "data" in answer.json()
        answered.append(address)

    flood = [ask(flooder.format(number), number) for number in range(FLOOD)]
    await asyncio.gather(*flood, ask("192.0.2.1", FLOOD))
    assert len(answered) == FLOOD + 1
    assert answered.index("192.0.2.1") < FLOOD / 2


async def test_a_flood_from_many_networks_is_overtaken_by_cached_documents(hub: Hub) -> None:
    person = await hub.person()
    me = "{ me { id } }"
    for _ in range(2):
        await hub.data(me, token=person.token)
    answered: list[str] = []

    async def ask(address: str, query: str, token: str | None) -> None:
        answer = await hub.at(address).post(query, token=token)
        assert "data" in answer.json()
        answered.append(query)

    fields = " ".join(f"a{n}: __typename" for n in range(14))
    flood = [ask(f"198.51.100.{n}", f"{{ {fields} b{n}: __typename }}", None) for n in range(FLOOD)]
    await asyncio.gather(*flood, ask("192.0.2.1", me, person.token))
    assert len(answered) == FLOOD + 1
    assert answered.index(me) < FLOOD / 2
