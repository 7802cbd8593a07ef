"""Codes to a block of numbers that nobody confirms: the alarm, and the throttle."""

import asyncio
from collections.abc import Awaitable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from structlog.testing import capture_logs

from connect_hub.database.connections import fetch
from connect_hub.settings import Rate, Settings
from tests.support.hub import Hub, is_about, pass_time, rows_left

MINUTE, HOUR = 60, 3600
AT_ONCE = 160  # codes to a block that nobody confirms
OF_BLOCK = "+79991999999"  # a number of the block that `codes_to_a_block` fills


async def codes_to_a_block(hub: Hub, sent: int, *, confirmed: int = 0) -> None:
    for n in range(sent):
        phone = f"+79991{n:06}"
        code = await hub.code_for(phone)
        if n < confirmed:
            await hub.register(phone, code)


def _name(answer: Any) -> str:
    name: str = answer["__typename"]
    return name


async def _sent(*requests: Awaitable[Any]) -> int:
    """Count the codes that were sent."""
    return [_name(answer) for answer in await asyncio.gather(*requests)].count("CodeSent")


@pytest.fixture
def throttling(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "pumping_guard", "block")


@pytest.fixture
def numbers() -> Iterator[str]:
    """More numbers of the block."""
    return (f"+79991{n:06}" for n in count(500_000))


async def test_pumping_raises_one_alarm_an_hour_and_does_not_stop_sends(hub: Hub) -> None:
    with capture_logs() as logs:
        await codes_to_a_block(hub, 105, confirmed=3)
    alarms = [entry for entry in logs if entry["event"] == "sms pumping suspected"]
    assert [(a["block"], a["sent"], a["confirmed"]) for a in alarms] == [("+79991", 103, 3)]
    (counted,) = await fetch("SELECT prefix, alarms FROM number_block")
    assert dict(counted) == {"prefix": "+79991", "alarms": 1}
    await pass_time(HOUR)
    await codes_to_a_block(hub, 100)
    (counted,) = await fetch("SELECT alarms FROM number_block")
    assert counted["alarms"] == 2


async def test_codes_that_are_confirmed_raise_no_alarm(hub: Hub) -> None:
    with capture_logs() as logs:
        await codes_to_a_block(hub, 120, confirmed=15)
    assert not [entry for entry in logs if entry["event"] == "sms pumping suspected"]


@pytest.mark.usefixtures("throttling")
async def test_three_addresses_cannot_close_a_block_of_numbers(
    hub: Hub, numbers: Iterator[str]
) -> None:
    registered = await hub.person(OF_BLOCK)
    await pass_time(HOUR)
    attackers = [hub.at(f"192.0.2.{n}") for n in range(3)]
    assert await _sent(*(attackers[n % 3].request_code(next(numbers)) for n in range(99))) == 99
    assert (await registered.sign_in()).id == registered.id
    for _ in range(100):
        await asyncio.gather(*(one.request_code(next(numbers)) for one in attackers))
        await hub.person(next(numbers))


@pytest.mark.usefixtures("throttling")
async def test_a_network_gets_three_codes_in_a_throttled_block_until_one_is_confirmed(
    hub: Hub, numbers: Iterator[str]
) -> None:
    await codes_to_a_block(hub, 99)
    site = [hub.at(f"2001:db8:1:{n:x}::1") for n in range(4)]  # one /48
    assert await _sent(*(one.request_code(next(numbers)) for one in site)) == 3
    refused = await site[0].request_code(OF_BLOCK)
    assert _name(refused) == "TooManyRequestsError"
    is_about(refused["retryAt"], timedelta(hours=1))
    phone = next(numbers)
    code = await hub.at("2001:db8:2::1").code_for(phone)
    assert _name(await site[1].login(phone, code)) == "ClientNotFoundError"  # confirms nothing
    assert _name(await site[2].request_code(OF_BLOCK)) == "TooManyRequestsError"
    assert _name(await site[3].register(phone, code)) == "SignedIn"
    assert await _sent(*(one.request_code(next(numbers)) for one in site)) == 3


@pytest.mark.usefixtures("throttling")
async def test_a_throttled_block_gets_a_code_a_minute_and_ten_for_each_confirmed(
    hub: Hub, numbers: Iterator[str]
) -> None:
    registered = await hub.person(OF_BLOCK)
    await pass_time(HOUR)
    first = next(numbers)
    code = await hub.code_for(first)
    assert await _sent(*(hub.request_code(next(numbers)) for _ in range(200))) == AT_ONCE - 1
    for phone in (registered.phone, next(numbers)):  # alike
        refused = await hub.request_code(phone)
        assert _name(refused) == "TooManyRequestsError"
        is_about(refused["retryAt"], timedelta(minutes=1))
    assert _name(await hub.request_code("+79992999999")) == "CodeSent"  # another block
    await pass_time(2 * MINUTE)
    assert await _sent(*(hub.request_code(next(numbers)) for _ in range(20))) == 2
    assert _name(await hub.register(first, code)) == "SignedIn"
    assert await _sent(*(hub.request_code(next(numbers)) for _ in range(20))) == 10
    await pass_time(HOUR)
    assert await _sent(*(hub.request_code(next(numbers)) for _ in range(20))) == 20


@pytest.mark.usefixtures("throttling")
async def test_a_send_refused_by_the_pumping_guard_costs_and_leaves_nothing(
    hub: Hub, settings: Settings, numbers: Iterator[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "sends_total", (Rate(AT_ONCE + 1, timedelta(hours=1)),))
    assert await _sent(*(hub.request_code(next(numbers)) for _ in range(AT_ONCE))) == AT_ONCE
    before = await rows_left()
    assert await _sent(*(hub.request_code(next(numbers)) for _ in range(50))) == 0
    assert await rows_left() == before
    assert _name(await hub.request_code("+79992000000")) == "CodeSent"
