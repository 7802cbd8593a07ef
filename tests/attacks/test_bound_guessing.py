"""Attackers who know a number and ask for codes of their own, simulated."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from connect_hub.database.connections import fetch
from connect_hub.domain import cleanup
from connect_hub.settings import Rate, Settings
from tests.attacks.comparisons import Comparisons, Pair
from tests.support.hub import EVENTS_KEPT, Hub, pass_time, wrong
from tests.support.requests import BoundRequest, bound

PHONE = "+79991234567"
MINUTE, DAY = 60, 86400


@pytest.fixture
def many_sends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "sends_per_phone", (Rate(1000, timedelta(hours=1)),))


async def _requests(hub: Hub, count: int) -> list[BoundRequest]:
    return await asyncio.gather(*(bound(hub, PHONE) for _ in range(count)))


async def _guess(requests: list[BoundRequest], *, times: int) -> None:
    """Guess wrong at all codes at once."""
    guesses = [request.login(wrong(request.code)) for request in requests for _ in range(times)]
    await asyncio.gather(*guesses)


def _lengths(requests: list[BoundRequest]) -> Counter[int]:
    return Counter(len(request.code) for request in requests)


@pytest.mark.usefixtures("many_sends")
async def test_many_requests_at_once_share_the_budget_of_the_phone(
    hub: Hub, compared: Comparisons
) -> None:
    requests = await _requests(hub, 20)
    assert _lengths(requests) == {4: 4, 8: 16}
    await _guess(requests, times=8)
    assert compared.wrong == {4: 10, 8: 128}
    await pass_time(10 * MINUTE)
    await cleanup.sweep_once(events_kept=EVENTS_KEPT)
    assert _lengths(await _requests(hub, 5)) == {8: 5}


@pytest.mark.usefixtures("many_sends")
async def test_requests_and_guesses_that_race_stay_within_the_budget(
    hub: Hub, compared: Comparisons
) -> None:
    async def attack() -> None:
        for _ in range(3):
            await _guess(await _requests(hub, 1), times=5)

    async def attack_the_shared_code() -> None:
        for _ in range(10):
            await hub.login(PHONE, "x")
            await hub.request_code(PHONE)

    await asyncio.gather(*(attack() for _ in range(8)), attack_the_shared_code())
    assert 7 <= compared.wrong[4] <= 10  # less if a code has guesses that nobody makes
    (row,) = await fetch(
        "SELECT max(cardinality(uses)) AS uses FROM allowance WHERE uses[1]"
        " > now() + interval '2 minutes' OR cardinality(uses) = 10"
    )
    assert row["uses"] == 10


@pytest.mark.usefixtures("many_sends")
async def test_codes_that_expire_give_no_guess_to_anyone_twice(
    hub: Hub, compared: Comparisons
) -> None:
    for day in range(12):
        for _ in range(4):
            requests = await _requests(hub, 4)
            await _guess(requests[::2], times=2)  # and leave the rest to expire
            await pass_time(8 * MINUTE)
            await cleanup.sweep_once(events_kept=EVENTS_KEPT)
        assert compared.wrong[4] <= 10 * (day + 1)
        await pass_time(DAY)
    assert compared.wrong[4] == 100


@pytest.mark.usefixtures("many_sends")
async def test_late_guesses_count_from_when_they_can_be_made(
    hub: Hub, compared: Comparisons
) -> None:
    requests = await _requests(hub, 4)
    await pass_time(4 * MINUTE)
    await _guess(requests, times=3)
    assert compared.wrong == {4: 10}
    await pass_time(DAY - 3 * MINUTE)  # a day after the codes were sent, and not after the guesses
    assert _lengths(await _requests(hub, 1)) == {8: 1}
    await pass_time(5 * MINUTE)
    assert _lengths(await _requests(hub, 1)) == {4: 1}


async def test_a_right_code_amid_wrong_guesses_gives_back_only_what_nobody_guessed(
    hub: Hub, compared: Comparisons
) -> None:
    await hub.person(PHONE)
    await pass_time(2 * DAY)
    await cleanup.sweep_once(events_kept=EVENTS_KEPT)
    for _ in range(3):
        request = await bound(hub, PHONE)
        guesses = [request.login(wrong(request.code)) for _ in range(2)]
        rights = [request.login() for _ in range(3)]
        await asyncio.gather(guesses[0], *rights, guesses[1])
        rows = await fetch("SELECT uses FROM allowance ORDER BY cardinality(uses) DESC")
        assert any(len(row["uses"]) >= compared.wrong[4] for row in rows)
        assert all(one < other for row in rows for one, other in pairwise(row["uses"]))
    assert compared.wrong[4] <= 6


async def test_owner_on_any_device_signs_in_while_strangers_guess(
    hub: Hub, compared: Comparisons
) -> None:
    """At the default limits, from a network of its own for each request."""
    await hub.person(PHONE)
    for _ in range(12):
        await pass_time(DAY)
        owner = await bound(hub, PHONE)
        strangers = await _requests(hub, 4)
        await _guess(strangers, times=5)
        await asyncio.gather(*(hub.login(PHONE, wrong(owner.code)) for _ in range(20)))
        assert (await owner.login())["__typename"] == "SignedIn"
    assert compared.wrong[4] <= 100


async def test_guesses_of_bound_codes_are_limited_exactly_by_two_workers(pair: Pair) -> None:
    requests = await _requests(pair.hub, 5)
    assert _lengths(requests) == {4: 2, 8: 3}  # 20 guesses and 10 of the phone's 30
    await _guess(requests, times=25)
    assert pair.compared() == {4: 30, 8: 75}


async def test_one_of_fifty_spends_a_bound_code_by_two_workers(pair: Pair) -> None:
    request = await bound(pair.hub, PHONE)
    answers = await asyncio.gather(*(request.register() for _ in range(50)))
    names = Counter(answer["__typename"] for answer in answers)
    assert names == {"SignedIn": 1, "InvalidCodeError": 49}
