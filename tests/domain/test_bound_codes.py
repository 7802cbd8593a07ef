import asyncio
from typing import Any

import pytest

from connect_hub.database.connections import fetch
from connect_hub.domain import cleanup
from connect_hub.security.keys import load_keys
from connect_hub.settings import Settings
from tests.support.hub import (
    EVENTS_KEPT,
    REQUEST_CODE,
    Hub,
    changed,
    counted_statements,
    pass_time,
    wrong,
)
from tests.support.requests import BoundRequest, bound

PHONE, OTHER = "+79991234567", "+79991234568"
DAY = 86400


def name(answer: Any) -> str:
    typename: str = answer["__typename"]
    return typename


async def hits(settings: Settings) -> int:
    """Count the guesses of the phone that are made or reserved."""
    key = load_keys(settings).pseudonym(PHONE, purpose="guesses of a phone")
    rows = await fetch("SELECT cardinality(uses) AS uses FROM allowance WHERE key = $1", key)
    return sum(row["uses"] for row in rows)


async def test_a_bound_code_registers_and_signs_in_with_its_request(hub: Hub) -> None:
    first, second = await bound(hub, PHONE), await bound(hub, PHONE)
    assert name(await first.register()) == "SignedIn"
    assert name(await second.login()) == "SignedIn"


async def test_a_bound_code_works_only_with_its_request(hub: Hub) -> None:
    owner, other = await bound(hub, PHONE), await bound(hub, PHONE)
    for request_id in (None, "", "x", other.id):
        forged = BoundRequest(hub, PHONE, None, request_id, owner.code)
        if owner.code != other.code:
            assert name(await forged.register()) == "InvalidCodeError"
    elsewhere = await bound(hub, OTHER)
    forged = BoundRequest(hub, OTHER, None, owner.id, owner.code)
    assert name(await forged.register()) == "InvalidCodeError"
    assert name(await elsewhere.register()) == "SignedIn"
    assert name(await owner.register()) == "SignedIn"


async def test_ids_of_requests_are_random_and_stored_as_hashes_only(hub: Hub) -> None:
    requests = [await bound(hub, f"+7999{n:07}") for n in range(20)]
    ids = {request.id for request in requests if request.id}
    assert len(ids) == 20
    assert {len(request_id) for request_id in ids} == {22}  # 128 bits in base64url
    rows = await fetch("SELECT to_jsonb(sign_in_code)::text AS row FROM sign_in_code")
    assert not [row for row in rows if any(request_id in row["row"] for request_id in ids)]


async def test_a_used_bound_code_is_rejected(hub: Hub) -> None:
    request = await bound(hub, PHONE)
    answers = await asyncio.gather(*(request.register() for _ in range(10)))
    assert sorted(map(name, answers)) == ["InvalidCodeError"] * 9 + ["SignedIn"]
    assert name(await request.login()) == "InvalidCodeError"


async def test_a_bound_code_of_the_wrong_verb_stays_valid(hub: Hub, settings: Settings) -> None:
    request = await bound(hub, PHONE)
    for _ in range(5):
        assert name(await request.login()) == "ClientNotFoundError"
    assert name(await request.register()) == "SignedIn"
    assert await hits(settings) == 0


async def test_a_phone_is_changed_with_a_bound_code(hub: Hub) -> None:
    person = await hub.person(OTHER)
    request = await bound(hub, PHONE)
    unbound = await person.change_phone(PHONE, request.code)
    assert name(unbound) == "InvalidCodeError"
    assert name(await request.change_phone(person)) == "PhoneChanged"
    assert name(await (await bound(hub, PHONE)).login()) == "SignedIn"


async def test_a_resend_sends_the_same_digits_until_the_code_expires(hub: Hub) -> None:
    request = await bound(hub, PHONE)
    sent = request.answer
    assert name(await request.resend()) == "TooManyRequestsError"
    assert request.answer["limit"] == "RESEND_WAIT"
    assert request.answer["liveCode"] == {"codeLength": 4}
    for wait in (30, 60):
        await pass_time(wait)
        await request.resend()
        assert (request.id, request.code) == (sent["requestId"], sent["smsCode"])
    await pass_time(300)
    await request.resend()
    assert request.id != sent["requestId"]
    assert name(await request.register()) == "SignedIn"


async def test_a_request_whose_guesses_are_used_up_becomes_a_new_one(hub: Hub) -> None:
    request = await bound(hub, PHONE)
    first = request.id
    left = [(await request.login(wrong(request.code)))["attemptsLeft"] for _ in range(4)]
    assert left == [2, 1, 0, 0]
    assert name(await request.login()) == "InvalidCodeError"
    assert name(await request.resend()) == "CodeSent"
    assert request.id != first
    assert name(await request.register()) == "SignedIn"


async def test_a_resend_for_an_unknown_request_is_a_new_request(hub: Hub) -> None:
    owner = await bound(hub, PHONE)
    for phone, request_id in ((PHONE, "unknown"), (OTHER, owner.id), (PHONE, "\u20ac" * 999)):
        request = BoundRequest(hub, phone, None, request_id)
        assert name(await request.resend()) == "CodeSent"
        assert request.id not in {request_id, owner.id}
    assert name(await owner.register()) == "SignedIn"


async def test_no_request_waits_for_another_one(hub: Hub) -> None:
    requests = [await bound(hub, PHONE) for _ in range(3)]
    assert name(await hub.request_code(PHONE)) == "CodeSent"
    assert name(await hub.request_code(PHONE)) == "TooManyRequestsError"
    requests.append(await bound(hub, PHONE))
    assert [request.name for request in requests] == ["CodeSent"] * 4
    sixth = await bound(hub, PHONE)  # beyond SENDS_PER_PHONE
    assert (sixth.name, sixth.answer["limit"]) == ("TooManyRequestsError", "SENDS")
    assert sixth.answer["liveCode"] is None
    assert name(await requests[0].register()) == "SignedIn"
    assert [name(await request.login()) for request in requests[1:]] == ["SignedIn"] * 3


async def test_guesses_of_strangers_never_end_the_code_of_the_owner(hub: Hub) -> None:
    await hub.person(PHONE)
    await pass_time(2 * 3600)
    owner = await bound(hub, PHONE)
    await hub.request_code(PHONE)
    strangers = [await bound(hub, PHONE) for _ in range(3)]
    for stranger in strangers:
        await asyncio.gather(*(stranger.login(wrong(stranger.code)) for _ in range(20)))
    await asyncio.gather(*(hub.login(PHONE, wrong(owner.code)) for _ in range(20)))
    assert len(owner.code) == 4
    assert name(await owner.login()) == "SignedIn"


async def test_unbound_requests_share_one_code_beside_bound_ones(hub: Hub) -> None:
    shared = await hub.data(REQUEST_CODE.replace("smsCode", "smsCode requestId"), phone=PHONE)
    assert shared["requestCode"]["requestId"] is None
    code = shared["requestCode"]["smsCode"]
    request = await bound(hub, PHONE)
    await pass_time(30)
    assert await hub.code_for(PHONE) == code
    assert name(await hub.register(PHONE, code)) == "SignedIn"
    assert name(await request.login()) == "SignedIn"


async def test_a_bound_code_takes_its_guesses_from_the_phone_and_gives_back_the_rest(
    hub: Hub, settings: Settings
) -> None:
    request = await bound(hub, PHONE)
    assert await hits(settings) == 3
    await request.login(wrong(request.code))
    await request.register()
    assert await hits(settings) == 1
    await bound(hub, PHONE)
    assert await hits(settings) == 4
    await pass_time(600)
    await cleanup.sweep_once(events_kept=EVENTS_KEPT)
    assert await hits(settings) == 1
    await pass_time(DAY)
    await (await bound(hub, PHONE)).login()
    assert await hits(settings) == 1


async def test_a_phone_without_guesses_gets_long_bound_codes(hub: Hub) -> None:
    await hub.person(PHONE)
    await pass_time(2 * 3600)
    lengths = []
    for _ in range(5):
        request = await bound(hub, PHONE)
        lengths.append(len(request.code))
        if len(lengths) < 5:
            await asyncio.gather(*(request.login(wrong(request.code)) for _ in range(5)))
    assert lengths == [4, 4, 4, 4, 8]
    left = [(await request.login(wrong(request.code)))["attemptsLeft"] for _ in range(2)]
    assert left == [99, 98]
    assert name(await request.login()) == "SignedIn"


async def test_a_bound_code_that_was_not_sent_gives_its_guesses_back(
    hub: Hub, settings: Settings
) -> None:
    with changed(settings, pumping_guard="block"):
        await fetch("INSERT INTO number_block VALUES ($1, now(), 1000, 0, now(), 1)", PHONE[:6])
        request = await bound(hub, PHONE)
    assert request.name == "TooManyRequestsError"
    assert not await fetch("SELECT FROM sign_in_code")
    assert await hits(settings) == 0


async def test_an_erased_phone_leaves_no_code(hub: Hub) -> None:
    person = await hub.person(PHONE)
    await bound(hub, PHONE)
    await hub.request_code(PHONE)
    await bound(hub, OTHER)
    await person.delete()
    (row,) = await fetch("SELECT phone FROM sign_in_code")
    assert row["phone"].startswith(OTHER)


async def test_a_sign_in_with_a_bound_code_makes_ten_round_trips(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.person(PHONE)
    with counted_statements(monkeypatch) as statements:
        assert name(await (await bound(hub, PHONE)).login()) == "SignedIn"
    answer = 2  # the page and the count of invited clients, which are selected too
    assert len(statements) == 10 + answer


async def test_each_code_is_bound_where_ids_are_required(hub: Hub, settings: Settings) -> None:
    shared = await hub.code_for(PHONE)
    with changed(settings, request_id="required"):
        document = REQUEST_CODE.replace("smsCode", "smsCode requestId")
        sent = (await hub.data(document, phone=PHONE))["requestCode"]
        request = BoundRequest(hub, PHONE, sent, sent["requestId"], sent["smsCode"])
        for code in (shared, request.code):
            forged = BoundRequest(hub, PHONE, None, None, code)
            for guess in (forged.login, forged.register):
                with pytest.raises(AssertionError, match=r"BAD_USER_INPUT.*"):
                    await guess()
        assert name(await request.register()) == "SignedIn"
