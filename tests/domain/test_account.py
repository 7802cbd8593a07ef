import asyncio
import random
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from connect_hub.database.connections import fetch
from connect_hub.database.models import Client
from connect_hub.database.url import parse_url
from connect_hub.sms import Message, NotSentError, SimulatedSender
from tests.support.hub import CHANGE_PHONE, CLIENT, DELETE, Hub, Person, pass_time, wrong

FORMER, NEXT = "+79991234567", "+79997654321"
TEN_MINUTES = 600


def _name(answer: Any) -> str:
    name: str = answer["__typename"]
    return name


async def _change(person: Person, phone: str = NEXT) -> Any:
    await fetch("DELETE FROM sign_in_code")
    return await person.change_phone(phone, await person.hub.code_for(phone))


async def test_client_changes_the_phone_of_its_account(hub: Hub) -> None:
    person, guest = await hub.person(FORMER), await hub.person()
    await guest.apply(person.invitation_code)
    changed = await _change(person)
    assert _name(changed) == "PhoneChanged"
    assert changed["client"] == await person.me()
    assert (changed["client"]["phone"], changed["client"]["id"]) == (NEXT, person.id)
    assert changed["client"]["invitedClients"]["totalCount"] == 1
    person.phone = NEXT
    assert (await person.sign_in()).id == person.id
    assert (await hub.person(FORMER)).id != person.id


async def test_other_sessions_end_when_the_phone_changes(hub: Hub) -> None:
    person = await hub.person(FORMER)
    other = await person.sign_in()
    await _change(person)
    assert await person.works()
    assert not await other.works()
    assert _name(await other.refresh()) == "InvalidRefreshTokenError"


async def test_former_phone_gets_a_notice(hub: Hub, sender: SimulatedSender) -> None:
    person = await hub.person(FORMER)
    await _change(person)
    notice = sender.outbox[-1]
    assert notice.phone == FORMER
    assert "another phone number" in notice.text
    assert NEXT not in notice.text


@pytest.mark.parametrize("failure", [NotSentError(), ValueError(FORMER)])
async def test_a_notice_that_cannot_be_sent_is_logged_and_changes_nothing(
    hub: Hub, sender: SimulatedSender, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def send(message: Message) -> None:
        if message.phone == FORMER:
            raise failure
        sender.outbox.append(message)

    person = await hub.person(FORMER)
    monkeypatch.setattr(sender, "send", send)
    with capture_logs() as logged:
        assert _name(await _change(person)) == "PhoneChanged"
    (line,) = (line for line in logged if "notice" in line["event"])
    assert line["reason"] == type(failure).__name__
    assert FORMER not in str(line)


async def test_change_to_the_same_phone_sends_no_notice(hub: Hub, sender: SimulatedSender) -> None:
    person = await hub.person(FORMER)
    other = await person.sign_in()
    assert _name(await _change(person, FORMER)) == "PhoneChanged"
    assert await person.works()
    assert not await other.works()
    assert not [message for message in sender.outbox if "moved" in message.text]


async def test_phone_in_use_is_rejected_only_after_a_right_code_which_stays_valid(hub: Hub) -> None:
    person, _ = await hub.person(FORMER), await hub.person(NEXT)
    code = await hub.code_for(NEXT)
    assert _name(await person.change_phone(NEXT, wrong(code))) == "InvalidCodeError"
    for _ in range(4):
        refused = await person.change_phone(NEXT, code)
        assert _name(refused) == "PhoneAlreadyRegisteredError"
    assert (await person.me())["phone"] == FORMER
    assert _name(await hub.login(NEXT, code)) == "SignedIn"


async def test_wrong_code_changes_no_phone(hub: Hub) -> None:
    person = await hub.person(FORMER)
    code = await hub.code_for(NEXT)
    refused = await person.change_phone(NEXT, wrong(code))
    assert (_name(refused), refused["attemptsLeft"]) == ("InvalidCodeError", 2)
    assert _name(await person.change_phone("12", code)) == "InvalidPhoneError"
    assert (await person.me())["phone"] == FORMER


async def test_change_and_deletion_need_a_sign_in_of_the_last_ten_minutes(hub: Hub) -> None:
    person = await hub.person(FORMER)
    await pass_time(TEN_MINUTES)
    await person.refresh()  # a refresh is not a sign-in
    code = await hub.code_for(NEXT)
    assert _name(await person.change_phone(NEXT, wrong(code))) == "ReauthenticationRequiredError"
    assert _name(await person.delete()) == "ReauthenticationRequiredError"
    (row,) = await fetch("SELECT guesses FROM sign_in_code WHERE phone = $1", NEXT)
    assert row["guesses"] == 0
    fresh = await person.sign_in()
    assert _name(await fresh.change_phone(NEXT, code)) == "PhoneChanged"
    assert _name(await fresh.delete()) == "AccountDeleted"


@pytest.mark.parametrize("query", [CHANGE_PHONE + CLIENT, DELETE])
async def test_change_and_deletion_need_a_token(hub: Hub, query: str) -> None:
    response = await hub.post(query, phone=NEXT, code="0000")
    assert response.status_code == 401


async def test_one_of_many_concurrent_phone_changes_succeeds(
    hub: Hub, sender: SimulatedSender
) -> None:
    person = await hub.person(FORMER)
    others = [await person.sign_in() for _ in range(2)]
    phones = ["+79990000001", "+79990000002", "+79990000003"]
    codes = [await hub.code_for(phone) for phone in phones]
    moves = zip([person, *others], phones, codes, strict=True)
    answers = await asyncio.gather(
        *(
            hub.post(CHANGE_PHONE + CLIENT, token=who.token, phone=phone, code=code)
            for who, phone, code in moves
        )
    )
    moved = [answer for answer in answers if '"PhoneChanged"' in answer.text]
    assert len(moved) == 1  # the sessions of the others are ended, sooner or later
    assert not [answer for answer in answers if "INTERNAL" in answer.text]
    assert len(await fetch("SELECT FROM session")) == 1
    assert [message.phone for message in sender.outbox if "moved" in message.text] == [FORMER]


async def test_one_of_many_concurrent_clients_gets_a_phone(hub: Hub) -> None:
    people = await hub.people(5)
    code = await hub.code_for(NEXT)
    moves = [person.change_phone(NEXT, code) for person in people]
    answers = await asyncio.gather(*moves, hub.register(NEXT, code))
    names = [_name(answer) for answer in answers]
    assert names.count("PhoneChanged") + names.count("SignedIn") == 1
    assert len(await fetch("SELECT FROM client WHERE phone = $1", NEXT)) == 1


async def test_concurrent_sign_in_with_the_former_phone_ends_with_the_change(hub: Hub) -> None:
    for _ in range(10):
        await fetch("DELETE FROM allowance")
        await fetch("DELETE FROM client")
        person = await hub.person(FORMER)
        code, former_code = await hub.code_for(NEXT), await hub.code_for(FORMER)
        changed, signed_in = await asyncio.gather(
            person.change_phone(NEXT, code), hub.login(FORMER, former_code)
        )
        assert _name(changed) == "PhoneChanged"
        assert _name(signed_in) in {"SignedIn", "InvalidCodeError", "ClientNotFoundError"}
        assert len(await fetch("SELECT FROM session")) == 1
        await fetch("DELETE FROM sign_in_code")


async def test_deleted_account_keeps_only_its_place_among_invitations(hub: Hub) -> None:
    owner, person, guest = await hub.people(3)
    await person.apply(owner.invitation_code)
    await guest.apply(person.invitation_code)
    await hub.code_for(person.phone)
    deleted = await person.delete()
    assert deleted == {"__typename": "AccountDeleted", "phone": person.phone}
    assert not await person.works()
    assert _name(await person.refresh()) == "InvalidRefreshTokenError"
    row = await Client.get(id=person.id)
    assert row.phone is None
    assert row.deleted_at
    assert not await fetch("SELECT FROM session WHERE client_id = $1", person.id)
    assert not await fetch("SELECT FROM sign_in_code WHERE phone = $1", person.phone)


async def test_deleted_client_is_neither_listed_nor_counted(hub: Hub) -> None:
    owner, person, guest = await hub.people(3)
    for each in (person, guest):
        await each.apply(owner.invitation_code)
    await person.delete()
    invited = (await owner.me())["invitedClients"]
    assert invited["totalCount"] == 1
    assert [node["id"] for node in invited["nodes"]] == [guest.id]


async def test_code_of_a_deleted_client_is_rejected_but_stays_with_clients_who_applied_it(
    hub: Hub,
) -> None:
    person, guest, late = await hub.people(3)
    await guest.apply(person.invitation_code)
    await person.delete()
    assert (await guest.me())["someoneInvitationCode"] == person.invitation_code
    assert _name(await late.apply(person.invitation_code)) == "InvitationCodeNotFoundError"


async def test_a_ring_is_refused_through_deleted_clients(hub: Hub) -> None:
    first, middle, last = await hub.people(3)
    await middle.apply(first.invitation_code)
    await last.apply(middle.invitation_code)
    await middle.delete()
    assert _name(await first.apply(last.invitation_code)) == "InvitationRingError"


async def test_phone_of_a_deleted_client_can_register_again(hub: Hub) -> None:
    owner, person = await hub.people(2)
    await person.apply(owner.invitation_code)
    await person.delete()
    code = await hub.code_for(person.phone)
    assert _name(await hub.login(person.phone, code)) == "ClientNotFoundError"
    new_person = hub.signed_in(await hub.register(person.phone, code))
    assert new_person.id != person.id
    assert new_person.invitation_code != person.invitation_code
    assert _name(await new_person.apply(owner.invitation_code)) == "InviteApplied"
    assert (await owner.me())["invitedClients"]["totalCount"] == 1


async def test_concurrent_deletions_delete_an_account_once(hub: Hub) -> None:
    owner, person = await hub.people(2)
    await person.apply(owner.invitation_code)
    devices = [person, await person.sign_in()]
    responses = await asyncio.gather(
        *(hub.post(DELETE, token=device.token) for device in devices * 5)
    )
    assert {response.status_code for response in responses} <= {200, 401}
    assert (await owner.me())["invitedClients"]["totalCount"] == 0


async def test_application_of_a_code_waits_for_a_concurrent_deletion_and_is_rejected(
    hub: Hub, postgres: str
) -> None:
    owner, guest = await hub.people(2)
    deletion = await asyncpg.connect(**parse_url(postgres))
    async with deletion.transaction():
        deleted = "UPDATE client SET phone = NULL, deleted_at = now() WHERE id = $1"
        await deletion.execute(deleted, owner.id)
        applying = asyncio.create_task(guest.apply(owner.invitation_code))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await deletion.fetchval(waiting):  # noqa: ASYNC110 - until it waits
            await asyncio.sleep(0.005)
    assert _name(await applying) == "InvitationCodeNotFoundError"
    await deletion.close()
    assert not await fetch("SELECT FROM client WHERE inviter_id = $1", owner.id)
    await _check_counts()


async def test_deletions_among_crossed_applications_neither_drift_nor_deadlock(hub: Hub) -> None:
    draw = random.Random(8)  # noqa: S311 (which pairs, no secret)
    for _ in range(8):
        people = await hub.people(15)
        pairs = [draw.sample(people, 2) for _ in range(40)]
        deleted_people = draw.sample(people, 6)
        tasks = [
            *(
                guest.hub.post(_APPLY, token=guest.token, code=owner.invitation_code)
                for guest, owner in pairs
            ),
            *(person.hub.post(DELETE, token=person.token) for person in deleted_people),
            *(person.hub.post(DELETE, token=person.token) for person in deleted_people),
        ]
        draw.shuffle(tasks)
        async with asyncio.timeout(10):
            responses = await asyncio.gather(*tasks)
        assert {response.status_code for response in responses} <= {200, 401}
        assert not [r for r in responses if r.status_code == 200 and "errors" in r.json()]
        await _check_counts()


_APPLY = "mutation($code: String!) { applyInvite(invitationCode: $code) { __typename } }"


async def _check_counts() -> None:
    """Compare the counts with the clients that are there."""
    drifted = await fetch(
        "SELECT FROM (SELECT inviter_id, count(*) FROM client"
        " WHERE inviter_id IS NOT NULL AND deleted_at IS NULL GROUP BY 1) AS real (id, count)"
        " FULL JOIN invited_count ON client_id = id"
        " WHERE coalesce(real.count, 0) <> coalesce(invited_count.count, 0)"
    )
    assert not drifted
