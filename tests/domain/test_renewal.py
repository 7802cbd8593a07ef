import asyncio

import pytest
from asyncpg import UniqueViolationError
from tortoise.connection import get_connection
from tortoise.exceptions import IntegrityError

from connect_hub.database.connections import fetch, transaction
from connect_hub.database.models import Client, RetiredCode
from connect_hub.settings import Settings
from tests.support.hub import Hub, changed, pass_time

PHONE = "+79995550000"


async def test_a_new_code_replaces_the_former_one_at_once(hub: Hub) -> None:
    owner, guest, late = await hub.people(3)
    former = owner.invitation_code
    renewed = await owner.renew()
    assert renewed["client"]["invitationCode"] == owner.invitation_code != former
    assert (await owner.me())["invitationCode"] == owner.invitation_code
    assert (await guest.apply(former))["__typename"] == "InvitationCodeNotFoundError"
    refused = await hub.register(PHONE, await hub.code_for(PHONE), former)
    assert refused["__typename"] == "InvitationCodeNotFoundError"
    assert (await late.apply(owner.invitation_code))["__typename"] == "InviteApplied"


async def test_clients_keep_the_code_that_they_applied(hub: Hub) -> None:
    owner, guest = await hub.people(2)
    former = owner.invitation_code
    await guest.apply(former)
    late = hub.signed_in(await hub.register(PHONE, await hub.code_for(PHONE), former))
    await owner.renew()
    for person in (guest, late):
        assert (await person.me())["someoneInvitationCode"] == former
        refused = await person.apply(owner.invitation_code)
        assert refused["someoneInvitationCode"] == former
        await pass_time(3600)
        again = await hub.login(person.phone, await hub.code_for(person.phone))
        assert again["client"]["someoneInvitationCode"] == former
        refreshed = await person.refresh()
        assert refreshed["client"]["someoneInvitationCode"] == former
    assert (await owner.me())["invitedClients"]["totalCount"] == 2


async def test_a_code_that_was_applied_before_codes_were_stored_is_kept(hub: Hub) -> None:
    owner, guest = await hub.people(2)
    former = owner.invitation_code
    await guest.apply(former)
    await fetch("UPDATE client SET applied_invitation_code = NULL")
    assert (await guest.me())["someoneInvitationCode"] == former
    await owner.renew()
    await owner.renew()
    assert (await guest.me())["someoneInvitationCode"] == former


async def test_a_code_is_renewed_three_times_a_day_from_all_sessions(hub: Hub) -> None:
    (owner,) = await hub.people(1)
    answers = await asyncio.gather(*(owner.renew() for _ in range(20)))
    names = [answer["__typename"] for answer in answers]
    assert names.count("InvitationCodeRenewed") == 3
    refused = await owner.renew()
    assert (refused["__typename"], refused["limit"]) == ("TooManyRequestsError", "RENEWALS")
    await pass_time(24 * 3600)
    assert (await owner.renew())["__typename"] == "InvitationCodeRenewed"
    assert await RetiredCode.all().count() == 4


async def test_a_renewal_gives_no_use_back(hub: Hub, settings: Settings) -> None:
    owner, guest, late = await hub.people(3)
    with changed(settings, invitations_per_client=1):
        await guest.apply(owner.invitation_code)
        await owner.renew()
        refused = await late.apply(owner.invitation_code)
    assert refused["__typename"] == "InvitationUsedUpError"


async def test_a_retired_code_is_never_issued_again(hub: Hub) -> None:
    owner, other = await hub.people(2)
    former = owner.invitation_code
    await owner.renew()
    for sql in (
        "UPDATE client SET invitation_code = $1 WHERE id = $2",
        (
            "INSERT INTO client (id, phone, invitation_code, created_at)"
            " SELECT gen_random_uuid(), '+79990000099', $1, now() WHERE $2::uuid IS NOT NULL"
        ),
        (
            "INSERT INTO campaign (id, code, uses, created_at)"
            " SELECT gen_random_uuid(), $1, 0, now() WHERE $2::uuid IS NOT NULL"
        ),
    ):
        with pytest.raises(Exception, match="the invitation code is taken"):
            await fetch(sql, former, other.id)
    with pytest.raises(IntegrityError):
        await RetiredCode.create(code=former, client_id=other.id, retired_at="2026-01-01")


async def test_a_code_cannot_be_taken_while_its_client_replaces_it(hub: Hub) -> None:
    owner, other = await hub.people(2)
    former = owner.invitation_code
    async with transaction():
        await fetch("UPDATE client SET invitation_code = 'AAAAAA' WHERE id = $1", owner.id)
        take = "UPDATE client SET invitation_code = $1 WHERE id = $2"
        taking = asyncio.create_task(_separately(take, former, other.id))
        await asyncio.sleep(0.2)
    with pytest.raises(UniqueViolationError):
        await taking


async def _separately(sql: str, *values: object) -> None:
    """Run a statement outside the transaction of the task that started this one."""
    async with get_connection("default").acquire_connection() as connection:
        await connection.execute(sql, *values)


async def test_the_former_code_is_refused_once_the_renewal_is_answered(hub: Hub) -> None:
    """Apply a code over and over while it is renewed."""
    for _ in range(10):
        owner, *guests = await hub.people(6)
        former = owner.invitation_code
        answers = await asyncio.gather(
            *(guest.apply(former) for guest in guests[:2]),
            owner.renew(),
            *(guest.apply(former) for guest in guests[2:]),
        )
        names = {answer["__typename"] for answer in answers}
        assert names <= {"InviteApplied", "InvitationCodeRenewed", "InvitationCodeNotFoundError"}
        applied = await Client.filter(inviter_id=owner.id).values_list("applied_invitation_code")
        assert set(applied) <= {(former,)}
