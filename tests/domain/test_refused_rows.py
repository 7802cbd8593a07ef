"""A refused request leaves no row in any table."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from random import Random

import pytest

from connect_hub import sms
from connect_hub.database.connections import fetch
from connect_hub.domain import rate_limits
from connect_hub.domain.rate_limits import Hit, RateLimit
from connect_hub.domain.refusals import Limit, TooManyRequests
from connect_hub.security.keys import Keys, new_secret
from connect_hub.settings import Rate, Settings
from connect_hub.sms import Message, SimulatedSender
from tests.support.hub import Hub, pass_time, rows_left, wrong

PHONE = "+79991234567"
HOUR = 3600
ONCE = (Rate(1, timedelta(hours=1)),)

TRIES = 30
_numbers = count(79_160_000_000)
Attack = Callable[[Hub], Awaitable[str]]


def number() -> str:
    return f"+{next(_numbers)}"


async def ask(hub: Hub, phone: str) -> str:
    name: str = (await hub.request_code(phone))["__typename"]
    return name


async def guess(hub: Hub, phone: str) -> str:
    name: str = (await hub.login(phone, "12"))["__typename"]
    return name


ATTACKS: dict[str, tuple[str, Attack]] = {
    "other phones from one address": (
        "sends_per_address",
        lambda hub: ask(hub.at("192.0.2.1"), number()),
    ),
    "other phones from one /48": (
        "sends_per_address",
        lambda hub: ask(hub.in_site("2001:db8:1"), number()),
    ),
    "one phone from other addresses": ("sends_per_phone", lambda hub: ask(hub, PHONE)),
    "one phone from one address": (
        "sends_per_phone_and_address",
        lambda hub: ask(hub.at("192.0.2.1"), PHONE),
    ),
    "other phones from other addresses": ("sends_total", lambda hub: ask(hub, number())),
    "guesses from one address": (
        "guesses_per_address",
        lambda hub: guess(hub.at("192.0.2.1"), number()),
    ),
    "guesses from one /48": (
        "guesses_per_address",
        lambda hub: guess(hub.in_site("2001:db8:1"), number()),
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("at_once", [False, True])
async def test_request_past_a_limit_leaves_nothing(
    hub: Hub,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    attack: str,
    at_once: bool,
) -> None:
    setting, tried = ATTACKS[attack]
    monkeypatch.setattr(settings, setting, ONCE)
    in_site = "/48" in attack
    attackers = [Hub(hub.http, _requests=n) for n in range(64)]
    for attacker in attackers[: 16 if in_site else 1]:
        await tried(attacker)
    await fetch("UPDATE sign_in_code SET resend_at = now()")  # so that only the limit refuses
    before = await rows_left()
    rest = [tried(attacker) for attacker in attackers[-TRIES:]]
    names = await asyncio.gather(*rest) if at_once else [await one for one in rest]
    assert set(names) == {"TooManyRequestsError"}
    assert await rows_left() == before


@pytest.mark.parametrize("setting", ["sends_per_address", "sends_total"])
async def test_race_for_the_last_uses_leaves_rows_of_the_accepted_only(
    hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setattr(settings, setting, (Rate(5, timedelta(hours=1)),))
    one = hub.at("192.0.2.1") if setting == "sends_per_address" else hub
    names = await asyncio.gather(*(ask(one, number()) for _ in range(50)))
    accepted = names.count("CodeSent")
    assert 1 <= accepted <= 5
    left = await rows_left()
    assert left["sign_in_code"] == accepted
    shared = 1 if setting == "sends_per_address" else accepted + 1  # the address; these, the total
    assert left["allowance"] == 2 * accepted + shared


async def test_wait_before_a_resend_leaves_nothing(hub: Hub) -> None:
    await ask(hub, PHONE)
    before = await rows_left()
    others = [hub.in_site(f"2001:db8:{n:x}") for n in range(TRIES)]
    names = await asyncio.gather(*(ask(other, PHONE) for other in others))
    assert set(names) == {"TooManyRequestsError"}
    assert await rows_left() == before


async def test_unservable_phone_leaves_nothing(
    hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "sms_countries", ("DE",))
    before = await rows_left()
    assert await ask(hub, PHONE) == "CountryNotServedError"
    assert await ask(hub, "12") == "InvalidPhoneError"
    assert await rows_left() == before


async def test_send_that_failed_leaves_nothing_of_the_phone_s_limits(
    hub: Hub, sender: SimulatedSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Message) -> None:
        raise sms.NotSentError

    monkeypatch.setattr(sender, "send", fail)
    one = hub.at("192.0.2.1")
    for _ in range(TRIES):
        assert await ask(one, number()) == "SmsNotSentError"
    assert (await rows_left())["allowance"] == 1  # of the address


async def test_right_code_leaves_no_guesses(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    before = await rows_left()
    assert (await hub.login(PHONE, code))["__typename"] == "ClientNotFoundError"
    assert await rows_left() == before
    assert (await hub.register(PHONE, code))["__typename"] == "SignedIn"
    left = await rows_left()
    assert left["allowance"] == before["allowance"]


async def test_rejected_applications_leave_one_row_and_invalid_tokens_leave_none(
    hub: Hub,
) -> None:
    ann, ben = await hub.people(2)
    await ben.apply(ann.invitation_code)
    before = await rows_left()
    for person, code in ((ann, ann), (ann, ben), (ben, ann)):
        answer = await person.apply(code.invitation_code)
        assert answer["__typename"] in {
            "OwnInvitationCodeError",
            "InvitationRingError",
            "InvitationAlreadyAppliedError",
        }
    for token in ("x", ann.refresh_token[:-4]):
        assert (await ann.refresh(token))["__typename"] == "InvalidRefreshTokenError"
    assert await rows_left() == before | {"allowance": before["allowance"] + 1}


async def test_wrong_guess_leaves_a_row_of_the_networks_and_of_the_phone_with_a_code(
    hub: Hub,
) -> None:
    code = await hub.code_for(PHONE)
    before = (await rows_left())["allowance"]
    await hub.login(PHONE, wrong(code))
    assert (await rows_left())["allowance"] == before + 2
    for _ in range(TRIES - 1):
        await hub.at("192.0.2.1").login(number(), "1234")
    assert (await rows_left())["allowance"] == before + 3


async def test_concurrent_refunds_on_crossed_keys_leave_no_rows(hub: Hub) -> None:
    del hub  # every table is empty
    random = Random(20)  # noqa: S311 (an order, no secret)
    keys = Keys(new_secret())
    limits = [
        RateLimit.of(
            str(n), "test", rates=(Rate(9, timedelta(hours=1)),), kind=Limit.SENDS, keys=keys
        )
        for n in range(6)
    ]

    async def consume_and_refund() -> int:
        refused = 0
        for _ in range(40):
            try:
                hits = await rate_limits.consume(*random.sample(limits, 3))
            except TooManyRequests:
                refused += 1
                continue
            random.shuffle(hits)
            await rate_limits.refund(hits)
        return refused

    async with asyncio.timeout(60):  # a deadlock would be found, and raised, in a second
        await asyncio.gather(*(consume_and_refund() for _ in range(12)))
    assert (await rows_left())["allowance"] == 0


async def test_hit_is_never_lost_while_others_refund_the_last_one(hub: Hub) -> None:
    del hub
    rates = (Rate(100, timedelta(hours=1)),)
    limit = RateLimit.of("1", "test", rates=rates, kind=Limit.SENDS, keys=Keys(new_secret()))
    kept: list[Hit] = []

    async def consume_some() -> None:
        for n in range(20):
            hits = await rate_limits.consume(limit)
            if n % 10:
                await rate_limits.refund(hits)
            else:
                kept.extend(hits)

    await asyncio.gather(*(consume_some() for _ in range(8)))
    (row,) = await fetch("SELECT uses FROM allowance")
    assert sorted(row["uses"]) == sorted(hit.at for hit in kept if hit.at)
    assert len(kept) == 16


async def test_expired_uses_are_swept_although_the_address_was_refused(hub: Hub) -> None:
    for _ in range(40):
        await guess(hub.at("192.0.2.1"), PHONE)
    (row,) = await fetch("SELECT expires_at > now() + interval '59 min' AS is_new FROM allowance")
    assert row["is_new"]
    await pass_time(HOUR / 2)
    for _ in range(40):
        assert await guess(hub.at("192.0.2.1"), PHONE) == "TooManyRequestsError"
    await pass_time(HOUR / 2)
    (row,) = await fetch("SELECT expires_at < now() AS is_old FROM allowance")
    assert row["is_old"]
