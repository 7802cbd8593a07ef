import asyncio
from datetime import timedelta
from typing import Any

import pytest

from connect_hub import background, sms
from connect_hub.api.transport import http
from connect_hub.database.connections import deadline, fetch
from connect_hub.domain import cleanup
from connect_hub.settings import Rate, Settings
from connect_hub.sms import Message, SimulatedSender
from tests.domain.test_sms_pumping import codes_to_a_block
from tests.support.hub import (
    EVENTS_KEPT,
    Hub,
    changed,
    counted_statements,
    is_about,
    pass_time,
    wrong,
)

PHONE = "+79991234567"
MINUTE, HOUR, DAY = 60, 3600, 86400


def _name(answer: Any) -> str:
    name: str = answer["__typename"]
    return name


async def guess_until_spent(
    hub: Hub, phone: str, guesses: int = 10, *, code: str | None = None
) -> None:
    """Guess wrong until the phone's guesses are spent, over as many codes as it takes."""
    guessed = 0
    while guessed < guesses:
        code = await _fresh_code(hub, phone) or code
        assert code
        for _ in range(min(3, guesses - guessed)):
            assert _name(await hub.login(phone, wrong(code))) == "InvalidCodeError"
            guessed += 1


async def _fresh_code(hub: Hub, phone: str) -> str:
    """Request a code as if it were the first one; only guesses still count."""
    await fetch("DELETE FROM sign_in_code")
    sent = await hub.request_code(phone)
    if _name(sent) == "TooManyRequestsError":  # of sends: older ones do not matter here
        guesses = await fetch("SELECT uses, key FROM allowance")
        await pass_time(DAY)
        for row in guesses:
            await fetch("UPDATE allowance SET uses = $2 WHERE key = $1", row["key"], row["uses"])
        sent = await hub.request_code(phone)
    code: str = sent["smsCode"]
    return code


async def test_neither_a_new_code_nor_a_success_refills_the_guesses_of_a_phone(hub: Hub) -> None:
    await hub.person(PHONE)
    for _ in range(3):
        await fetch("DELETE FROM sign_in_code")
        code = await hub.code_for(PHONE)
        await hub.login(PHONE, wrong(code))
        await hub.login(PHONE, wrong(code))
        assert _name(await hub.login(PHONE, code)) == "SignedIn"
    (row,) = await fetch("SELECT max(cardinality(uses)) AS uses FROM allowance")
    assert row["uses"] == 6


async def test_a_phone_whose_guesses_are_spent_gets_codes_of_eight_digits(hub: Hub) -> None:
    await hub.person(PHONE)
    await guess_until_spent(hub, PHONE)
    await fetch("DELETE FROM sign_in_code")
    await pass_time(2 * HOUR)
    sent = await hub.request_code(PHONE)
    assert sent["codeLength"] == len(sent["smsCode"]) == 8
    assert _name(await hub.login(PHONE, sent["smsCode"])) == "SignedIn"
    await pass_time(DAY)
    assert (await hub.request_code(PHONE))["codeLength"] == 4


async def test_short_code_expires_when_its_phone_has_no_guesses_left(hub: Hub) -> None:
    await hub.person(PHONE)
    await guess_until_spent(hub, PHONE, 9)
    await pass_time(2 * HOUR)
    await fetch("DELETE FROM sign_in_code")
    code = await hub.code_for(PHONE)
    assert len(code) == 4
    assert _name(await hub.login(PHONE, wrong(code))) == "InvalidCodeError"
    refused = await hub.login(PHONE, code)
    assert (_name(refused), refused["attemptsLeft"]) == ("InvalidCodeError", 0)
    await pass_time(30)
    sent = await hub.request_code(PHONE)
    assert sent["codeLength"] == 8
    assert _name(await hub.login(PHONE, sent["smsCode"])) == "SignedIn"


async def test_attempts_left_includes_the_limit_of_the_phone(hub: Hub) -> None:
    await guess_until_spent(hub, PHONE, 8)
    code = await _fresh_code(hub, PHONE)
    left = [(await hub.login(PHONE, wrong(code)))["attemptsLeft"] for _ in range(3)]
    assert left == [1, 0, 0]


async def test_long_code_allows_a_hundred_guesses(hub: Hub) -> None:
    await hub.person(PHONE)
    await guess_until_spent(hub, PHONE)
    await pass_time(2 * HOUR)
    code = await _fresh_code(hub, PHONE)
    attempts = (hub.login(PHONE, wrong(code)) for _ in range(150))
    answers = await asyncio.gather(*attempts)
    assert sorted(answer["attemptsLeft"] for answer in answers) == [0] * 51 + list(range(1, 100))
    assert _name(await hub.login(PHONE, code)) == "InvalidCodeError"


async def test_owner_signs_in_during_an_attack_from_a_hundred_addresses(
    hub: Hub,
) -> None:
    await hub.person(PHONE)
    await guess_until_spent(hub, PHONE)
    await pass_time(2 * HOUR)
    code = await _fresh_code(hub, PHONE)
    attack = [hub.at(f"192.0.2.{n}").login(PHONE, wrong(code)) for n in range(99)]
    owner = hub.login(PHONE, code)
    *refused, signed_in = await asyncio.gather(*attack, owner)
    assert _name(signed_in) == "SignedIn"
    assert {_name(answer) for answer in refused} == {"InvalidCodeError"}


async def test_guesses_without_a_live_code_cost_the_phone_nothing(hub: Hub) -> None:
    for _ in range(50):
        refused = await hub.login(PHONE, "1234")
        assert (_name(refused), refused["attemptsLeft"]) == ("InvalidCodeError", 0)
    assert (await hub.request_code(PHONE))["codeLength"] == 4
    for _ in range(3):
        assert _name(await hub.login(PHONE, "x")) == "InvalidCodeError"
    (row,) = await fetch("SELECT max(cardinality(uses)) AS uses FROM allowance")
    assert row["uses"] == 3


async def test_address_has_thirty_wrong_guesses_an_hour(hub: Hub) -> None:
    attacker = hub.at("192.0.2.1")
    phones = [f"+7999{n:07}" for n in range(31)]
    codes = [await hub.code_for(phone) for phone in phones]
    for phone, code in zip(phones[:30], codes, strict=False):
        assert _name(await attacker.login(phone, wrong(code))) == "InvalidCodeError"
    refused = await attacker.login(phones[30], codes[30])
    assert _name(refused) == "TooManyRequestsError"
    is_about(refused["retryAt"], timedelta(hours=1))
    assert _name(await hub.at("192.0.2.2").login(phones[30], codes[30])) == "ClientNotFoundError"


async def test_a_refused_address_does_not_use_up_the_guesses_of_a_code(hub: Hub) -> None:
    attacker = hub.at("192.0.2.1")
    for _ in range(30):
        await attacker.login("+79990000000", "1234")
    code = await hub.code_for(PHONE)
    for _ in range(10):
        assert _name(await attacker.login(PHONE, wrong(code))) == "TooManyRequestsError"
    assert _name(await hub.register(PHONE, code)) == "SignedIn"


async def test_right_codes_cost_an_address_nothing(hub: Hub) -> None:
    shared = hub.at("192.0.2.1")
    for n in range(40):
        phone = f"+7999{n:07}"
        assert _name(await shared.register(phone, await hub.code_for(phone))) == "SignedIn"


async def test_phone_gets_five_codes_an_hour_and_ten_a_day(hub: Hub) -> None:
    for _ in range(2):
        for _ in range(5):
            assert _name(await hub.request_code(PHONE)) == "CodeSent"
            await pass_time(2 * MINUTE)
        refused = await hub.request_code(PHONE)
        assert _name(refused) == "TooManyRequestsError"
        await pass_time(HOUR)
    refused = await hub.request_code(PHONE)
    assert _name(refused) == "TooManyRequestsError"
    is_about(refused["retryAt"], timedelta(days=1) - 2 * timedelta(hours=1, minutes=10))


async def test_address_gets_sixty_codes_an_hour(hub: Hub) -> None:
    one = hub.at("2001:db8:1:2::1")
    other_of_the_subscriber = hub.at("2001:db8:1:2:ffff::9")
    for n in range(60):
        assert _name(await one.request_code(f"+7999{n:07}")) == "CodeSent"
    for refused_one in (one, other_of_the_subscriber):
        assert _name(await refused_one.request_code(PHONE)) == "TooManyRequestsError"
    assert _name(await hub.at("2001:db8:1:3::1").request_code(PHONE)) == "CodeSent"


async def test_a_refused_send_costs_neither_phone_nor_address(hub: Hub) -> None:
    one = hub.at("192.0.2.1")
    await one.request_code(PHONE)
    for _ in range(100):
        assert _name(await one.request_code(PHONE)) == "TooManyRequestsError"  # the wait
    rows = await fetch("SELECT cardinality(uses) AS uses FROM allowance")
    assert [row["uses"] for row in rows] == [1, 1, 1]  # phone, phone and address, address


async def test_all_sends_together_can_be_limited(hub: Hub, settings: Settings) -> None:
    with changed(settings, sends_total=(Rate(3, timedelta(minutes=1)),)):
        for n in range(3):
            assert _name(await hub.request_code(f"+7999{n:07}")) == "CodeSent"
        assert _name(await hub.request_code(PHONE)) == "TooManyRequestsError"
        await pass_time(MINUTE)
        assert _name(await hub.request_code(PHONE)) == "CodeSent"


async def test_failed_send_is_refunded_to_the_phone(
    hub: Hub, sender: SimulatedSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Message) -> None:
        raise sms.NotSentError

    monkeypatch.setattr(sender, "send", fail)
    one = hub.at("192.0.2.1")
    assert _name(await one.request_code(PHONE)) == "SmsNotSentError"
    rows = await fetch("SELECT cardinality(uses) AS uses FROM allowance")
    assert [row["uses"] for row in rows] == [1]  # the address's


async def test_send_times_out_before_the_response(
    hub: Hub, sender: SimulatedSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "min_delay", 10)
    monkeypatch.setattr(sender, "max_delay", 10)
    monkeypatch.setattr(http, "deadline", lambda _: deadline(timedelta(seconds=2.5)))
    async with asyncio.timeout(5):
        assert _name(await hub.request_code(PHONE)) == "SmsNotSentError"
    rows = await fetch("SELECT cardinality(uses) AS uses FROM allowance")
    assert [row["uses"] for row in rows] == [1]  # the address's


async def test_a_country_that_is_not_served_is_refused(hub: Hub, settings: Settings) -> None:
    with changed(settings, sms_countries=("DE", "KZ")):
        assert _name(await hub.request_code(PHONE)) == "CountryNotServedError"
        assert _name(await hub.request_code("+77011234567")) == "CodeSent"
    assert not await fetch("SELECT FROM sign_in_code WHERE phone = $1", PHONE)


async def test_client_has_ten_unknown_invitation_codes_a_day(hub: Hub) -> None:
    owner, guest = await hub.people(2)
    for n in range(10):
        assert _name(await guest.apply(f"UNKN{n:02}")) == "InvitationCodeNotFoundError"
    refused = await guest.apply(owner.invitation_code)
    assert _name(refused) == "TooManyRequestsError"
    await pass_time(DAY)
    assert _name(await guest.apply(owner.invitation_code)) == "InviteApplied"


@pytest.mark.parametrize("kind", ["unknown", "own", "ring"])
async def test_refused_applications_are_counted_by_phone(hub: Hub, kind: str) -> None:
    owner, friend = await hub.people(2)
    guest = await hub.person(PHONE)
    await friend.apply(guest.invitation_code)
    codes = {"unknown": "UNKNWN", "own": guest.invitation_code, "ring": friend.invitation_code}
    for _ in range(9):
        assert _name(await guest.apply(codes[kind])) != "TooManyRequestsError"
    await guest.delete()
    again = await hub.person(PHONE)
    assert _name(await again.apply("UNKNWN")) == "InvitationCodeNotFoundError"
    assert _name(await again.apply(owner.invitation_code)) == "TooManyRequestsError"
    assert _name(await owner.apply(friend.invitation_code)) == "InviteApplied"


async def test_an_application_that_is_repeated_is_not_counted(hub: Hub) -> None:
    owner, guest = await hub.people(2)
    await guest.apply(owner.invitation_code)
    for _ in range(15):
        refused = await guest.apply(owner.invitation_code)
        assert _name(refused) == "InvitationAlreadyAppliedError"


@pytest.mark.parametrize(
    "document",
    [
        """mutation { a: login(phone: %s, code: %s) { __typename }
                      b: login(phone: %s, code: %s) { __typename } }""",
        """mutation { ...F ... on Mutation { login(phone: %s, code: %s) { __typename } } }
           fragment F on Mutation { register(phone: %s, code: %s) { __typename } }""",
    ],
)
async def test_mutation_has_at_most_one_field(hub: Hub, document: str) -> None:
    await hub.code_for(PHONE)
    response = await hub.post(document.replace("%s", '"1"'))
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "one field" in error["message"]
    (row,) = await fetch("SELECT guesses FROM sign_in_code")
    assert row["guesses"] == 0


async def test_mutation_may_also_select_typename(hub: Hub) -> None:
    answer = await hub.data('mutation { __typename login(phone: "1", code: "1") { __typename } }')
    assert answer["login"]["__typename"] == "InvalidPhoneError"


async def test_table_of_rate_limits_contains_neither_phone_nor_address(hub: Hub) -> None:
    await hub.at("192.0.2.1").person(PHONE)
    rows = await fetch("SELECT key FROM allowance")
    assert rows
    assert all(len(row["key"]) == 32 for row in rows)


async def test_expired_rows_are_swept_in_batches(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    await codes_to_a_block(hub, 25)
    assert not await cleanup.sweep_once(events_kept=EVENTS_KEPT)
    assert len(await fetch("SELECT FROM sign_in_code")) == 25
    await pass_time(2 * DAY)
    monkeypatch.setattr(cleanup, "BATCH_SIZE", 10)
    assert await cleanup.sweep_once(events_kept=EVENTS_KEPT)
    assert len(await fetch("SELECT FROM sign_in_code")) == 15
    while await cleanup.sweep_once(events_kept=EVENTS_KEPT):
        pass
    for table in ("sign_in_code", "allowance", "number_block"):
        assert not await fetch(f"SELECT FROM {table}")


async def test_a_sweep_that_fails_is_followed_by_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swept = asyncio.Event()
    outcomes = iter([ValueError("the first one fails")])

    async def once(**_: object) -> bool:
        for failure in outcomes:
            raise failure
        swept.set()
        return False

    monkeypatch.setattr(cleanup, "sweep_once", once)
    monkeypatch.setattr(cleanup, "INTERVAL", timedelta(milliseconds=1))
    async with asyncio.timeout(5), background.running(cleanup.sweep(events_kept=EVENTS_KEPT)):
        await swept.wait()


async def test_replicas_sweep_at_once_without_waiting_for_each_other(hub: Hub) -> None:
    await codes_to_a_block(hub, 25)
    await pass_time(2 * DAY)
    async with asyncio.timeout(5):
        await asyncio.gather(*(cleanup.sweep_once(events_kept=EVENTS_KEPT) for _ in range(8)))
    assert not await fetch("SELECT FROM sign_in_code")


async def test_a_sign_in_makes_eleven_round_trips(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.person(PHONE)
    await fetch("DELETE FROM sign_in_code")
    with counted_statements(monkeypatch) as statements:
        code = await hub.code_for(PHONE)
        assert _name(await hub.login(PHONE, code)) == "SignedIn"
    answer = 2  # the page and the count of invited clients, which are selected too
    assert len(statements) == 11 + answer
