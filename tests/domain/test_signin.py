import asyncio
from datetime import datetime

import pytest

from connect_hub.database.connections import fetch
from connect_hub.domain.invitation_codes import CODE_ALPHABET
from connect_hub.sms import SimulatedSender
from tests.support.hub import Hub, pass_time, wrong

PHONE = "+79991234567"


async def test_a_person_registers_and_logs_in_again_with_a_new_code(hub: Hub) -> None:
    registered = await hub.register(PHONE, await hub.code_for(PHONE))
    assert registered["__typename"] == "SignedIn"
    assert registered["client"]["phone"] == PHONE
    signed_in = await hub.login(PHONE, await hub.code_for(PHONE))
    assert signed_in["__typename"] == "SignedIn"
    assert signed_in["client"] == registered["client"]


async def test_invitation_code_has_six_unambiguous_characters(hub: Hub) -> None:
    person = await hub.person()
    assert len(person.invitation_code) == 6
    assert set(person.invitation_code) <= set(CODE_ALPHABET)
    assert not set(CODE_ALPHABET) & set("01OIL")


async def test_invitation_code_in_use_is_drawn_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await hub.person()
    draws = iter([*first.invitation_code, *"ZZZZZZ"])
    monkeypatch.setattr("connect_hub.domain.invitation_codes.choice", lambda _: next(draws))
    assert (await hub.person()).invitation_code == "ZZZZZZ"


async def test_sent_message_contains_the_returned_code(hub: Hub, sender: SimulatedSender) -> None:
    code = await hub.code_for(PHONE)
    (message,) = sender.outbox
    assert message.phone == PHONE
    assert code in message.text


async def test_codes_use_all_four_digit_numbers(hub: Hub) -> None:
    codes = [await hub.code_for(f"+7999{n:07}") for n in range(100)]
    assert all(len(code) == 4 and code.isdigit() for code in codes)
    assert len(set(codes)) > 80
    assert any(code.startswith("0") for code in codes)


@pytest.mark.parametrize(
    "typed",
    [
        "+7 (999) 123-45-67",
        "0079991234567",
        "00 7 999 123.45.67",
        " +79991234567\r\n",
        "+٧٩٩٩١٢٣٤٥٦٧",
        "＋７９９９１２３４５６７",  # noqa: RUF001 (full-width digits)
        "\u202a+7\u00a0999\u00a0123‑45‑67\u202c",  # noqa: RUF001 (as pasted from an address book)
    ],
)
async def test_phone_is_accepted_in_any_notation(hub: Hub, typed: str) -> None:
    assert (await hub.request_code(typed))["phone"] == PHONE


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "+",
        "79991234567",
        "9991234567",
        "+7999123456",
        "+799912345678",
        "+74951234567",  # fixed line
        "+78001234567",  # toll-free
        "+1800FLOWERS",
        "+7999123+4567",
        "+79991234567;ext=5",
        "+999991234567",
        "+881612345678",  # a satellite
        "\0",
        "+7" * 1000,
    ],
)
async def test_number_that_is_not_mobile_is_rejected(hub: Hub, typed: str) -> None:
    assert (await hub.request_code(typed))["__typename"] == "InvalidPhoneError"
    assert (await hub.login(typed, "1234"))["__typename"] == "InvalidPhoneError"
    assert (await hub.register(typed, "1234"))["__typename"] == "InvalidPhoneError"


async def test_a_wrong_code_is_refused_and_counted(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    for left in (2, 1, 0):
        refused = await hub.register(PHONE, wrong(code))
        assert refused["__typename"] == "InvalidCodeError"
        assert refused["attemptsLeft"] == left
    spent = await hub.register(PHONE, code)
    assert spent["__typename"] == "InvalidCodeError"
    assert spent["attemptsLeft"] == 0


async def test_right_code_is_accepted_after_two_wrong_guesses(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    await hub.register(PHONE, wrong(code))
    await hub.register(PHONE, wrong(code))
    assert (await hub.register(PHONE, code))["__typename"] == "SignedIn"


@pytest.mark.parametrize("typed", ["", " ", "12a4", "\0" * 4, "١٢٣٤٥", "9" * 60_000])
async def test_any_text_as_a_code_is_only_a_wrong_guess(hub: Hub, typed: str) -> None:
    await hub.code_for(PHONE)
    refused = await hub.login(PHONE, typed)
    assert refused["__typename"] == "InvalidCodeError"
    assert refused["attemptsLeft"] == 2


async def test_a_code_is_read_with_spaces_and_in_other_digits(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    arabic = "".join(chr(0x660 + int(digit)) for digit in code)
    assert (await hub.register(PHONE, f" {arabic[:2]} {arabic[2:]} "))["__typename"] == "SignedIn"


async def test_code_expires_after_five_minutes(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    await pass_time(301)
    assert (await hub.register(PHONE, code))["__typename"] == "InvalidCodeError"


async def test_code_is_valid_for_nearly_five_minutes(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    await pass_time(290)
    assert (await hub.register(PHONE, code))["__typename"] == "SignedIn"


async def test_used_code_is_rejected(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    await hub.register(PHONE, code)
    refused = await hub.login(PHONE, code)
    assert refused["__typename"] == "InvalidCodeError"
    assert refused["attemptsLeft"] == 0


async def test_a_code_is_for_one_phone_only(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    other = "+79997654321"
    while await hub.code_for(other) == code:
        await fetch("DELETE FROM sign_in_code WHERE phone = $1", other)
    assert (await hub.register(other, code))["__typename"] == "InvalidCodeError"


async def test_login_of_an_unknown_phone_leaves_the_code_for_register(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    await hub.login(PHONE, wrong(code))
    await hub.login(PHONE, wrong(code))
    for _ in range(5):
        assert (await hub.login(PHONE, code))["__typename"] == "ClientNotFoundError"
    assert (await hub.register(PHONE, code))["__typename"] == "SignedIn"


async def test_register_of_a_known_phone_leaves_the_code_for_login(hub: Hub) -> None:
    await hub.person(PHONE)
    code = await hub.code_for(PHONE)
    for _ in range(5):
        refused = await hub.register(PHONE, code)
        assert refused["__typename"] == "PhoneAlreadyRegisteredError"
    assert (await hub.login(PHONE, code))["__typename"] == "SignedIn"


async def test_register_of_a_known_phone_causes_no_database_error(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.person(PHONE)
    code = await hub.code_for(PHONE)

    def fail(*_: object) -> None:
        raise AssertionError("PostgreSQL would log the phone")

    monkeypatch.setattr("asyncpg.UniqueViolationError.__init__", fail)
    assert (await hub.register(PHONE, code))["__typename"] == "PhoneAlreadyRegisteredError"


async def test_nothing_about_a_phone_is_revealed_before_a_right_code(hub: Hub) -> None:
    known, unknown = "+79990000001", "+79990000002"
    await hub.person(known)
    for phone in (known, unknown):
        code = await hub.code_for(phone)
        for attempt in (hub.login, hub.register):
            assert (await attempt(phone, wrong(code)))["__typename"] == "InvalidCodeError"


async def test_early_resend_is_rejected_with_the_time(hub: Hub) -> None:
    sent = await hub.request_code(PHONE)
    refused = await hub.request_code(PHONE)
    assert refused["__typename"] == "TooManyRequestsError"
    assert refused["retryAt"] == sent["resendAt"]


async def test_resend_sends_the_same_code_with_the_same_expiry(hub: Hub) -> None:
    first = await hub.request_code(PHONE)
    await pass_time(30)
    second = await hub.request_code(PHONE)
    assert second["smsCode"] == first["smsCode"]
    life = datetime.fromisoformat(second["expiresAt"]) - datetime.fromisoformat(first["expiresAt"])
    assert life.total_seconds() == -30  # all rows were made older


async def test_the_waits_between_sends_grow(hub: Hub) -> None:
    for wait in (30, 60, 120, 120):
        assert (await hub.request_code(PHONE))["__typename"] == "CodeSent"
        await pass_time(wait - 1)
        assert (await hub.request_code(PHONE))["__typename"] == "TooManyRequestsError"
        await pass_time(1)


async def test_code_without_guesses_left_is_replaced(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    for _ in range(3):
        await hub.login(PHONE, wrong(code))
    await pass_time(30)
    assert (await hub.register(PHONE, await hub.code_for(PHONE)))["__typename"] == "SignedIn"


async def test_code_used_concurrently_succeeds_once(hub: Hub) -> None:
    for verb in (hub.register, hub.login):
        code = await hub.code_for(PHONE)
        answers = await asyncio.gather(*(verb(PHONE, code) for _ in range(20)))
        assert [answer["__typename"] for answer in answers].count("SignedIn") == 1
        assert {answer["__typename"] for answer in answers} == {"SignedIn", "InvalidCodeError"}
    (row,) = await fetch("SELECT count(*) FROM client")
    assert row["count"] == 1


async def test_concurrent_guesses_are_each_counted(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    answers = await asyncio.gather(*(hub.login(PHONE, wrong(code)) for _ in range(50)))
    left = sorted(answer["attemptsLeft"] for answer in answers)
    assert left == [0] * 48 + [1, 2]


async def test_table_of_codes_contains_no_code(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    (row,) = await fetch("SELECT * FROM sign_in_code")
    assert code not in map(str, row.values())
    assert code.encode() not in row["nonce"]


async def test_a_hundred_codes_are_sent_at_once(hub: Hub, sender: SimulatedSender) -> None:
    sender.min_delay, sender.max_delay = 1.0, 2.0
    try:
        async with asyncio.timeout(5):  # one after another they would take 150 s
            phones = [f"+7999{n:07}" for n in range(100)]
            answers = await asyncio.gather(*(hub.request_code(phone) for phone in phones))
    finally:
        sender.min_delay, sender.max_delay = 0.0, 0.0
    assert all(answer["__typename"] == "CodeSent" for answer in answers)
