"""Limits of networks: an IPv4 address, and the /64, /56 and /48 of an IPv6 address."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from connect_hub.settings import Rate, Settings
from tests.support.hub import Hub, is_about, pass_time

HOUR = 3600
NUMBERS = count(79_990_000_000)


@pytest.fixture
def two_an_hour(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    two = (Rate(2, timedelta(hours=1)),)
    monkeypatch.setattr(settings, "sends_per_address", two)
    monkeypatch.setattr(settings, "guesses_per_address", two)


async def _send(hub: Hub) -> Any:
    return await hub.request_code(f"+{next(NUMBERS)}")


async def _guess(hub: Hub) -> Any:
    return await hub.login("+79991234567", "1234")  # there is no live code


def _accepted(answers: list[Any]) -> int:
    return sum(answer["__typename"] != "TooManyRequestsError" for answer in answers)


@pytest.mark.usefixtures("two_an_hour")
@pytest.mark.parametrize("ask", [_send, _guess])
@pytest.mark.parametrize(
    ("addresses", "accepted"),
    [
        (["192.0.2.1"], 2),
        ([f"192.0.2.{n}" for n in range(20)], 40),  # IPv4 has no wider network
        ([f"2001:db8:1:2::{n:x}" for n in range(20)], 2),  # a /64
        ([f"2001:db8:1:2{n:02x}::1" for n in range(20)], 8),  # a /56
        ([f"2001:db8:1:{n:x}00::1" for n in range(40)], 32),  # a /48
        ([f"2001:db8:{n:x}::1" for n in range(20)], 40),  # networks of others
    ],
)
async def test_each_network_has_a_rate_of_its_own(
    hub: Hub, ask: Any, addresses: list[str], accepted: int
) -> None:
    answers = [await ask(hub.at(address)) for address in addresses for _ in range(3)]
    assert _accepted(answers) == accepted
    refused = next(a for a in answers if a["__typename"] == "TooManyRequestsError")
    is_about(refused["retryAt"], timedelta(hours=1))
    await pass_time(HOUR)
    assert _accepted([await ask(hub.at(addresses[0]))]) == 1


@pytest.mark.usefixtures("two_an_hour")
@pytest.mark.parametrize("ask", [_send, _guess])
async def test_requests_refused_by_one_network_cost_the_wider_ones_nothing(
    hub: Hub, ask: Any
) -> None:
    one = hub.at("2001:db8:1:200::1")
    for _ in range(20):
        await ask(one)
    others = [await ask(hub.at(f"2001:db8:1:2{n:02x}::1")) for n in range(1, 11)]
    assert _accepted(others) == 6


@pytest.mark.usefixtures("two_an_hour")
async def test_neighbours_of_a_network_that_guesses_wrong_sign_in(hub: Hub) -> None:
    for _ in range(10):
        await _guess(hub.at("2001:db8:1:2::1"))
    neighbour = hub.at("2001:db8:1:3::1")
    phone = f"+{next(NUMBERS)}"
    code = await neighbour.code_for(phone)
    assert (await neighbour.register(phone, code))["__typename"] == "SignedIn"


@pytest.mark.parametrize("attacker", ["192.0.2.1", "2001:db8:1"])
async def test_one_network_cannot_use_up_the_codes_of_a_phone(hub: Hub, attacker: str) -> None:
    phone = f"+{next(NUMBERS)}"
    network = hub.in_site(attacker) if ":" in attacker else hub.at(attacker)
    sent = [0, 0]
    for hour in range(20):
        for _ in range(6):
            sent[0] += (await network.request_code(phone))["__typename"] == "CodeSent"
            await pass_time(121)
        if hour == 0:
            assert sent[0] == 4
        elif hour > 1:  # the owner, from elsewhere
            sent[1] += (await hub.request_code(phone))["__typename"] == "CodeSent"
        await pass_time(HOUR - 6 * 121)
    assert sent == [6, 4]
