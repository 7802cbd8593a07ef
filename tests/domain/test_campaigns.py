import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from connect_hub.database.connections import fetch
from connect_hub.database.models import Campaign
from connect_hub.domain import campaigns
from connect_hub.domain.invitation_codes import CODE_ALPHABET
from tests.support.hub import Hub, pass_time

PHONE = "+79995550000"


async def _campaign(*, uses: int | None = None, days: int | None = None) -> str:
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    (code,) = await campaigns.create(count=1, max_uses=uses, expires_at=expires_at, note=None)
    return code


async def test_a_campaign_s_code_is_applied_without_an_inviter(hub: Hub) -> None:
    code = await _campaign(uses=2, days=1)
    assert len(code) == 6
    assert set(code) <= set(CODE_ALPHABET)
    guest = hub.signed_in(await hub.register(PHONE, await hub.code_for(PHONE), code))
    (late,) = await hub.people(1)
    assert (await late.apply(code))["client"]["someoneInvitationCode"] == code
    for person in (guest, late):
        assert (await person.me())["someoneInvitationCode"] == code
        again = await person.apply(code)
        assert again["__typename"] == "InvitationAlreadyAppliedError"
        assert again["someoneInvitationCode"] == code
    assert (await Campaign.get(code=code)).uses == 2
    (row,) = await fetch("SELECT count(inviter_id) AS inviters FROM client")
    assert row["inviters"] == 0


async def test_a_client_of_a_campaign_cannot_apply_another_code(hub: Hub) -> None:
    code, other = await _campaign(), await _campaign()
    owner, guest = await hub.people(2)
    await guest.apply(code)
    for another in (owner.invitation_code, other):
        refused = await guest.apply(another)
        assert refused["someoneInvitationCode"] == code
    await owner.apply(guest.invitation_code)  # whom it invites itself belong to it
    assert (await guest.me())["invitedClients"]["totalCount"] == 1
    assert (await Campaign.get(code=other)).uses == 0


async def test_a_server_of_the_release_before_applies_no_second_code(hub: Hub) -> None:
    code = await _campaign()
    owner, guest = await hub.people(2)
    await guest.apply(code)
    sql = "UPDATE client SET inviter_id = $2 WHERE id = $1 AND inviter_id IS NULL RETURNING id"
    assert await fetch(sql, guest.id, owner.id) == []
    assert (await owner.me())["invitedClients"]["totalCount"] == 0


@pytest.mark.parametrize("uses", [1, 10])
async def test_a_thousand_at_once_use_a_campaign_s_code_as_often_as_it_may_be(
    hub: Hub, uses: int
) -> None:
    code = await _campaign(uses=uses)
    people = await hub.people(100)
    phones = [f"+7999777{n:04}" for n in range(900)]
    sms = [await hub.code_for(phone) for phone in phones]
    answers = await asyncio.gather(
        *(person.apply(code) for person in people),
        *(hub.register(phone, sent, code) for phone, sent in zip(phones, sms, strict=True)),
    )
    names = [answer["__typename"] for answer in answers]
    assert names.count("InviteApplied") + names.count("SignedIn") == uses
    assert names.count("InvitationUsedUpError") == 1000 - uses
    assert (await Campaign.get(code=code)).uses == uses
    (row,) = await fetch("SELECT count(applied_invitation_code) AS applied FROM client")
    assert row["applied"] == uses


async def test_a_campaign_expires_and_ends_by_the_database_s_time(hub: Hub) -> None:
    expiring, ended = await _campaign(days=1), await _campaign(days=1)
    (guest,) = await hub.people(1)
    await pass_time(24 * 3600 + 1)
    assert await campaigns.end(ended)
    sent = await hub.code_for(PHONE)
    for code in (expiring, ended):
        assert (await guest.apply(code))["__typename"] == "InvitationUsedUpError"
        refused = await hub.register(PHONE, sent, code)
        assert refused["__typename"] == "InvitationUsedUpError"
    assert (await hub.register(PHONE, sent))["__typename"] == "SignedIn"
    states = {row["code"]: row["state"] for row in await campaigns.list_all()}
    assert states == {expiring: "expired", ended: "ended"}


async def test_campaigns_and_clients_never_have_the_same_code(hub: Hub) -> None:
    code = await _campaign()
    (owner,) = await hub.people(1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await fetch("UPDATE client SET invitation_code = $1", code)
    insert = "INSERT INTO campaign (id, code, uses, created_at) VALUES ($1, $2, 0, now())"
    with pytest.raises(asyncpg.UniqueViolationError):
        await fetch(insert, owner.id, owner.invitation_code)

    async def take(number: int, code: str) -> bool:
        client = (
            "INSERT INTO client (id, phone, invitation_code, created_at)"
            " VALUES (gen_random_uuid(), $1, $2, now())"
        )
        campaign = (
            "INSERT INTO campaign (id, code, uses, created_at, note)"
            " VALUES (gen_random_uuid(), $2, 0, now(), $1)"
        )
        try:
            await fetch(campaign if number % 2 else client, f"+7999111{number:04}", code)
        except asyncpg.UniqueViolationError:
            return False
        return True

    for round_ in range(20):
        taken = await asyncio.gather(
            *(take(round_ * 10 + number, f"AAAA{round_:02}") for number in range(10))
        )
        assert taken.count(True) == 1


@pytest.mark.usefixtures("hub")
async def test_many_codes_are_created_at_once() -> None:
    assert await campaigns.list_all() == []
    codes = await campaigns.create(count=2500, max_uses=1, expires_at=None, note="fair")
    assert len(set(codes)) == 2500
    assert {row["state"] for row in await campaigns.list_all()} == {"live"}
