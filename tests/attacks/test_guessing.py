"""Attackers, simulated: what they try, and how many guesses reach the comparison with a code."""

import asyncio
from collections import Counter
from datetime import timedelta
from math import exp, lgamma, log
from typing import Any

import pytest

from connect_hub.database.connections import fetch
from connect_hub.security.keys import Keys, new_secret
from connect_hub.settings import Rate, Settings
from tests.attacks.comparisons import Comparisons, Pair
from tests.support.hub import APPLY_INVITE, CLIENT, Hub, Person, pass_time, wrong

PHONE = "+79991234567"
HOUR, DAY = 3600, 86400


def _names(answers: list[Any]) -> Counter[str]:
    return Counter(answer["__typename"] for answer in answers)


# The attackers below guess what is known to be wrong, so that no number hangs on luck.


async def _guess_for_an_hour(attacker: Hub, tries: int) -> int:
    """Guess until the server rejects the attempts; return the number of guesses."""
    guesses = 0
    while (sent := await attacker.request_code(PHONE))["__typename"] == "CodeSent":
        answer = {"attemptsLeft": 1}
        while answer["attemptsLeft"]:
            answer = await attacker.login(PHONE, wrong(sent["smsCode"]))
            if answer["__typename"] == "TooManyRequestsError":
                return guesses
            guesses += 1
            if guesses == tries:
                return guesses
        await pass_time(30)
    return guesses


async def test_one_address_and_one_phone_for_thirty_days(
    hub: Hub, compared: Comparisons, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise the address gets too few codes to try all its guesses at.
    monkeypatch.setattr(settings, "sends_per_phone_and_address", settings.sends_per_phone)
    attacker = hub.at("192.0.2.1")
    for day in range(30):
        tries = 40 if day < 3 else 15 if day < 12 else 5  # more would only take the test's time
        with compared.growing() as growth:
            assert await _guess_for_an_hour(attacker, tries) == min(tries, 30)
            assert growth(4) == (10 if day < 10 else 0)
            assert growth(4) + growth(8) <= 30
        await pass_time(DAY)
    assert compared.wrong[4] == 100
    await pass_time(151 * DAY)  # the first ten guesses are 180 days old
    assert await _guess_for_an_hour(attacker, 40) == 30
    assert compared.wrong[4] == 110


async def test_one_address_and_one_phone_at_the_defaults(hub: Hub, compared: Comparisons) -> None:
    attacker = hub.at("192.0.2.1")
    for _ in range(12):
        assert await _guess_for_an_hour(attacker, 40) in {10, 30}  # of 4 digits, of 8 digits
        await pass_time(DAY)
    assert compared.wrong == {4: 100, 8: 60}


@pytest.mark.parametrize("site", [None, "2001:db8:1"])  # addresses of IPv4, networks of one /48
async def test_a_thousand_addresses_and_one_phone_for_three_days(
    hub: Hub, compared: Comparisons, site: str | None
) -> None:
    attackers = hub.in_site(site) if site else hub
    for _ in range(3):
        for expected in (3, 3, 3, 1):
            await _attack_code(hub, attackers, compared, guesses=50, length=4, expected=expected)
        await _attack_code(hub, attackers, compared, guesses=140, length=8, expected=100)
        await pass_time(DAY)
    assert compared.wrong == {4: 30, 8: 300}


async def _attack_code(  # noqa: PLR0913 (what is tried, and what is expected)
    hub: Hub, attackers: Hub, compared: Comparisons, *, guesses: int, length: int, expected: int
) -> None:
    """Guess one code, all at once, each guess from an address of its own."""
    code = await hub.code_for(PHONE)
    assert len(code) == length
    with compared.growing() as growth:
        await asyncio.gather(*(attackers.login(PHONE, wrong(code)) for _ in range(guesses)))
        assert growth(length) == expected
    await pass_time(30)


async def test_one_address_and_a_thousand_phones(hub: Hub, compared: Comparisons) -> None:
    attacker = hub.at("192.0.2.1")
    phones = [f"+7999{n:07}" for n in range(1000)]
    for within_the_hour in (phones, phones[:61]):
        sent = await asyncio.gather(*(attacker.request_code(phone) for phone in within_the_hour))
        known = {answer["phone"]: answer["smsCode"] for answer in sent if "smsCode" in answer}
        assert len(known) == 60
        with compared.growing() as growth:
            guesses = (attacker.login(phone, wrong(code)) for phone, code in known.items())
            answers = _names(await asyncio.gather(*guesses))
            assert answers == {"InvalidCodeError": 30, "TooManyRequestsError": 30}
            assert growth(4) == 30
        await pass_time(HOUR)


async def test_a_whole_48_and_a_thousand_phones(
    hub: Hub, compared: Comparisons, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "sends_per_address", (Rate(6, timedelta(hours=1)),))
    monkeypatch.setattr(settings, "guesses_per_address", (Rate(3, timedelta(hours=1)),))
    attacker = hub.in_site("2001:db8:1")  # each request from another /64 of it
    for _ in range(2):
        phones = [f"+7999{n:07}" for n in range(300)]
        sent = await asyncio.gather(*(attacker.request_code(phone) for phone in phones))
        known = {answer["phone"]: answer["smsCode"] for answer in sent if "smsCode" in answer}
        assert len(known) == 96
        with compared.growing() as growth:
            guesses = (attacker.login(phone, wrong(code)) for phone, code in known.items())
            answers = _names(await asyncio.gather(*guesses))
            assert answers == {"InvalidCodeError": 48, "TooManyRequestsError": 48}
            assert growth(4) == 48
        await pass_time(HOUR)


async def test_resent_code_allows_no_more_guesses(hub: Hub, compared: Comparisons) -> None:
    first = await hub.code_for(PHONE)
    nonce = await _nonce()
    for wait in (30, 60, 120):
        await hub.login(PHONE, wrong(first))
        await pass_time(wait)
        if wait < 120:
            assert await hub.code_for(PHONE) == first
            assert await _nonce() == nonce
    await asyncio.gather(*(hub.login(PHONE, wrong(first)) for _ in range(5)))
    assert compared.wrong == {4: 3}
    await hub.code_for(PHONE)
    assert await _nonce() != nonce  # it is used up: this one is new


async def _nonce() -> bytes:
    (row,) = await fetch("SELECT nonce FROM sign_in_code")
    nonce: bytes = row["nonce"]
    return nonce


async def test_guesses_are_not_multiplied_within_a_request(hub: Hub, compared: Comparisons) -> None:
    await hub.code_for(PHONE)
    login = f'login(phone: "{PHONE}", code: "%04d") {{ __typename }}'
    aliases = "mutation {" + " ".join(f"a{n}: {login % n}" for n in range(10)) + "}"
    fragments = f"mutation {{ {login % 1} ...F }} fragment F on Mutation {{ b: {login % 2} }}"
    for document in (aliases, fragments):
        response = await hub.post(document)
        (error,) = response.json()["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    batch = [{"query": f"mutation {{ {login % n} }}"} for n in range(10)]
    assert (await hub.http.post("/graphql", json=batch)).status_code == 400
    assert (compared.wrong, compared.right) == ({}, {})
    assert (await fetch("SELECT guesses FROM sign_in_code"))[0]["guesses"] == 0


async def test_parallel_guesses_do_not_share_a_try_of_the_code(
    hub: Hub, compared: Comparisons
) -> None:
    code = await hub.code_for(PHONE)
    verbs = (hub.login, hub.register)
    guesses = [verbs[n % 2](PHONE, wrong(code)) for n in range(50)]
    resends = [hub.request_code(PHONE) for _ in range(5)]
    *answers, again = await asyncio.gather(*guesses, *resends)
    assert again["__typename"] == "TooManyRequestsError"
    assert sorted(a["attemptsLeft"] for a in answers if "attemptsLeft" in a)[-2:] == [1, 2]
    assert compared.wrong == {4: 3}


async def test_parallel_guesses_do_not_share_a_try_of_the_phone(
    hub: Hub, settings: Settings, compared: Comparisons, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "guesses_per_code", 100)
    code = await hub.code_for(PHONE)
    await asyncio.gather(*(hub.login(PHONE, wrong(code)) for _ in range(50)))
    assert compared.wrong == {4: 10}


async def test_parallel_guesses_do_not_share_a_try_of_the_address(
    hub: Hub, compared: Comparisons
) -> None:
    attacker = hub.at("192.0.2.1")
    phones = [f"+7999{n:07}" for n in range(20)]
    known = {phone: await hub.code_for(phone) for phone in phones}
    guesses = [attacker.login(phone, wrong(code)) for phone, code in known.items()]
    guesses += [attacker.register(phone, wrong(code)) for phone, code in known.items()]
    guesses += [attacker.login("+79980000000", "1234") for _ in range(10)]  # no code is alive
    answers = _names(await asyncio.gather(*guesses))
    assert answers == {"InvalidCodeError": 30, "TooManyRequestsError": 20}
    assert 20 <= compared.wrong[4] <= 30


async def test_a_right_code_with_the_wrong_verb_gives_back_its_own_guess_only(
    hub: Hub, compared: Comparisons
) -> None:
    for spent in (3, 6, 9):
        code = await hub.code_for(PHONE)
        wrongs = [hub.login(PHONE, wrong(code)) for _ in range(25)]
        rights = [hub.login(PHONE, code) for _ in range(25)]  # nobody has registered
        await asyncio.gather(
            *(guess for pair in zip(rights, wrongs, strict=True) for guess in pair)
        )
        assert compared.wrong[4] <= spent
        while (await hub.login(PHONE, wrong(code)))["attemptsLeft"]:
            pass  # the guesses that right codes reserved are refunded
        await hub.login(PHONE, wrong(code))
        assert compared.wrong[4] == spent
        await pass_time(30)
    assert compared.right[4]
    await _guess_for_an_hour(hub, 5)
    assert compared.wrong[4] == 10


async def test_code_replaced_during_a_burst_allows_three_guesses(
    hub: Hub, compared: Comparisons
) -> None:
    for spent in (3, 6, 9):
        burst = [hub.login(PHONE, "x") for _ in range(50)]  # no code looks like this
        burst.insert(25, hub.request_code(PHONE))
        await asyncio.gather(*burst)
        assert compared.wrong[4] <= spent
        await asyncio.gather(*(hub.login(PHONE, "x") for _ in range(5)))
        assert compared.wrong[4] == spent
        await pass_time(30)


# How often an attacker is right: P = 1 - 0.9999^g for g guesses. That takes over 10,000 requests a
# success, so it is shown in two parts. Through HTTP, where a code has two digits: exactly one guess
# of all that can be made is right. And of 4 digits: which one it is cannot be foretold, for codes
# of many nonces are spread evenly, and a guesser of them succeeds as often as the arithmetic says.


async def test_of_all_guesses_at_a_code_exactly_one_is_right(
    hub: Hub, settings: Settings, compared: Comparisons, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "code_length", 2)
    monkeypatch.setattr(settings, "guesses_per_code", 100)
    monkeypatch.setattr(settings, "guesses_per_phone", (Rate(100, timedelta(days=1)),))
    code = await hub.code_for(PHONE)
    typed = [f"{n:02}" for n in range(100)]
    answers = await asyncio.gather(*(hub.login(PHONE, guess) for guess in typed))
    right = [guess for guess, answer in zip(typed, answers, strict=True) if _is_right(answer)]
    assert right == [code]
    assert (compared.wrong, compared.right) == ({2: 99}, {2: 1})


def _is_right(answer: Any) -> bool:
    """Return whether a code was right: the phone is not registered, so the code stays valid."""
    return bool(answer["__typename"] == "ClientNotFoundError")


def test_guesser_succeeds_as_often_as_computed() -> None:
    keys = Keys(new_secret())
    (key_id,) = keys.code_key_ids
    days, guesses = 300_000, 10  # all different, at a code each day
    drawn = Counter(
        keys.code(PHONE, key_id=key_id, nonce=n.to_bytes(16), length=4) for n in range(days)
    )
    assert set(drawn) <= {f"{n:04}" for n in range(10_000)}

    # Chi-square of 9,999 degrees of freedom: mean 9,999, deviation 141; seven deviations are passed
    # by chance less than once in 10^11 runs. Codes of which 2 % never come would be found.
    expected = days / 10_000
    assert sum((drawn[f"{n:04}"] - expected) ** 2 / expected for n in range(10_000)) < 11_000

    # Of 300 successes expected, Poisson: outside of these bounds by chance less than once in 10^6
    # runs; a rate of half as much or of double is outside in all but one of 10^6.
    successes = sum(drawn[f"{n:04}"] for n in range(guesses))
    probability = 1 - 0.9999**guesses
    low, high = 217, 391
    assert _outside(low, high, mean=days * probability) < 1e-6
    assert 1 - _outside(low, high, mean=days * probability / 2) < 1e-6
    assert 1 - _outside(low, high, mean=days * probability * 2) < 1e-6
    assert low <= successes <= high


def _outside(low: int, high: int, *, mean: float) -> float:
    """Return the probability that a Poisson number is outside of low to high."""
    return 1 - sum(exp(n * log(mean) - mean - lgamma(n + 1)) for n in range(low, high + 1))


# On two worker processes, each with its own connections to the database; half of the requests of
# a burst go to each. Left to the system, one of them often takes all.


async def test_sends_to_a_phone_are_limited_exactly_by_two_workers(pair: Pair) -> None:
    burst = await asyncio.gather(*(pair.hub.request_code(PHONE) for _ in range(50)))
    later = [await pair.hub.request_code(PHONE) for _ in range(25)]
    # In a burst, some are told to wait for one that came before, even if for 0 s: that is free.
    assert 1 <= _names(burst)["CodeSent"] <= 20
    assert _names(burst + later) == {"CodeSent": 20, "TooManyRequestsError": 55}
    assert len({answer["smsCode"] for answer in burst + later if "smsCode" in answer}) == 1


async def test_sends_of_an_address_are_limited_exactly_by_two_workers(pair: Pair) -> None:
    one = pair.hub.at("192.0.2.1")
    answers = await asyncio.gather(*(one.request_code(f"+7999{n:07}") for n in range(50)))
    assert _names(answers) == {"CodeSent": 30, "TooManyRequestsError": 20}


async def test_all_sends_are_limited_exactly_by_two_workers(pair: Pair) -> None:
    answers = await asyncio.gather(*(pair.hub.request_code(f"+7999{n:07}") for n in range(50)))
    assert _names(answers) == {"CodeSent": 40, "TooManyRequestsError": 10}


async def test_guesses_of_a_code_and_of_a_phone_are_limited_exactly_by_two_workers(
    pair: Pair,
) -> None:
    for spent in (20, 30):  # the second code dies with the phone's guesses
        code = await pair.hub.code_for(PHONE)
        guesses = (pair.hub.login(PHONE, wrong(code)) for _ in range(50))
        answers = await asyncio.gather(*guesses)
        assert _names(answers) == {"InvalidCodeError": 50}
        assert pair.compared() == {4: spent}
    assert len(await pair.hub.code_for(PHONE)) == 8


async def test_guesses_of_an_address_are_limited_exactly_by_two_workers(pair: Pair) -> None:
    attacker = pair.hub.at("192.0.2.1")
    phones = [f"+7999{n:07}" for n in range(5)]
    known = {phone: await pair.hub.code_for(phone) for phone in phones}
    guesses = [attacker.login(phone, wrong(known[phone])) for phone in phones * 10]
    answers = await asyncio.gather(*guesses)
    assert _names(answers) == {"InvalidCodeError": 25, "TooManyRequestsError": 25}
    assert pair.compared() == {4: 25}


async def test_unknown_invitation_codes_are_limited_exactly_by_two_workers(pair: Pair) -> None:
    guest = await pair.hub.person(PHONE)
    tries = (
        pair.hub.post(APPLY_INVITE + CLIENT, token=guest.token, code="UNKNWN") for _ in range(50)
    )
    answers = [response.json()["data"]["applyInvite"] for response in await asyncio.gather(*tries)]
    assert _names(answers) == {"InvitationCodeNotFoundError": 10, "TooManyRequestsError": 40}


async def test_one_of_fifty_spends_a_right_code_by_two_workers(pair: Pair) -> None:
    code = await pair.hub.code_for(PHONE)
    answers = await asyncio.gather(*(pair.hub.register(PHONE, code) for _ in range(50)))
    assert _names(answers) == {"SignedIn": 1, "InvalidCodeError": 49}
    assert 1 <= pair.compared()[4] <= 20


async def test_twenty_refreshes_at_once_by_two_workers_get_working_pairs_of_one_session(
    pair: Pair,
) -> None:
    person = await pair.hub.person(PHONE)
    for _ in range(5):
        devices = [Person(**vars(person)) for _ in range(20)]
        answers = await asyncio.gather(*(device.refresh() for device in devices))
        assert _names(answers) == {"SignedIn": 20}
        assert all(await asyncio.gather(*(device.works() for device in devices)))
        assert len(await person.sessions()) == 1
        person = devices[-1]


async def test_ended_session_is_rejected_at_once_by_both_workers(pair: Pair) -> None:
    person = await pair.hub.person(PHONE)
    for _ in range(5):
        other = await person.sign_in()
        assert all([await other.works() for _ in range(4)])
        await person.end_others()
        assert not any([await other.works() for _ in range(4)])
