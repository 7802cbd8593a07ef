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


async def test_networks_do_not_wait_for_each_other(hub: Hub) -> None:
    async with asyncio.timeout(20):
        answers = await asyncio.gather(
            *(hub.at(f"192.0.2.{n}").post(NEW.format(f"er{n}")) for n in range(FLOOD))
        )
    assert {answer.status_code for answer in answers} == {200}
