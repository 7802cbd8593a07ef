import asyncio
from typing import Any

import pytest

from connect_hub.database.connections import fetch, transaction
from connect_hub.settings import Settings
from tests.support.hub import Hub, changed, counted_statements, wrong

UNKNOWN = "ZZZZZZ"
PHONE = "+79995550000"


async def test_an_invitation_code_is_applied_at_registration(hub: Hub) -> None:
    (owner,) = await hub.people(1)
    answer = await hub.register(PHONE, await hub.code_for(PHONE), owner.invitation_code.lower())
    assert answer["client"]["someoneInvitationCode"] == owner.invitation_code
    guest = hub.signed_in(answer)
    assert (await guest.me())["someoneInvitationCode"] == owner.invitation_code
    invited = (await owner.me())["invitedClients"]
    assert [node["phone"] for node in invited["nodes"]] == [PHONE]
    assert invited["totalCount"] == 1


async def test_an_invitation_code_can_be_left_out_or_null(hub: Hub) -> None:
    query = """mutation($phone: String!, $code: String!) {
        register(phone: $phone, code: $code, invitationCode: null) { __typename } }"""
    answer = await hub.data(query, phone=PHONE, code=await hub.code_for(PHONE))
    assert answer["register"]["__typename"] == "SignedIn"


@pytest.mark.parametrize("invitation", [UNKNOWN, "", "AAAAA", "ABC DEF G", "\0" * 6])
async def test_a_refused_invitation_leaves_the_sms_code_and_its_guesses(
    hub: Hub, invitation: str
) -> None:
    (owner,) = await hub.people(1)
    code = await hub.code_for(PHONE)
    before = await _rows(PHONE)
    for _ in range(5):  # more than a code accepts wrong guesses
        refused = await hub.register(PHONE, code, invitation)
        assert refused["__typename"] == "InvitationCodeNotFoundError"
    assert await _rows(PHONE) == before
    wronged = await hub.register(PHONE, wrong(code), invitation or UNKNOWN)
    assert wronged["__typename"] in {"InvalidCodeError", "InvitationCodeNotFoundError"}
    answer = await hub.register(PHONE, code, owner.invitation_code)
    assert answer["client"]["someoneInvitationCode"] == owner.invitation_code


async def test_the_invitation_is_looked_up_only_after_the_sms_code_is_confirmed(hub: Hub) -> None:
    (owner,) = await hub.people(1)
    code = wrong(await hub.code_for(PHONE))
    for invitation in (owner.invitation_code, UNKNOWN):
        refused = await hub.register(PHONE, code, invitation)
        assert refused["__typename"] == "InvalidCodeError"


async def test_registration_of_a_registered_phone_is_rejected_with_any_invitation_code(
    hub: Hub,
) -> None:
    owner, guest = await hub.people(2)
    code = await hub.code_for(guest.phone)
    for invitation in (owner.invitation_code, UNKNOWN):
        refused = await hub.register(guest.phone, code, invitation)
        assert refused["__typename"] == "PhoneAlreadyRegisteredError"
    assert (await guest.me())["someoneInvitationCode"] is None
    assert (await hub.login(guest.phone, code))["__typename"] == "SignedIn"


async def test_unknown_codes_count_by_phone_at_registration_and_later(
    hub: Hub, settings: Settings
) -> None:
    (owner,) = await hub.people(1)
    code = await hub.code_for(PHONE)
    count = settings.unknown_invitations[0].count
    for attempt in range(count - 1):
        refused = await hub.register(PHONE, code, f"ZZZZZ{attempt}")
        assert refused["__typename"] == "InvitationCodeNotFoundError"
    guest = hub.signed_in(await hub.register(PHONE, code))
    assert (await guest.apply(UNKNOWN))["__typename"] == "InvitationCodeNotFoundError"
    assert (await guest.apply(owner.invitation_code))["__typename"] == "TooManyRequestsError"


async def test_too_many_unknown_codes_refuse_the_right_one_and_leave_the_sms_code(hub: Hub) -> None:
    (owner,) = await hub.people(1)
    code = await hub.code_for(PHONE)
    for _ in range(10):
        await hub.register(PHONE, code, UNKNOWN)
    for invitation in (UNKNOWN, owner.invitation_code):
        refused = await hub.register(PHONE, code, invitation)
        assert refused["__typename"] == "TooManyRequestsError"
    assert (await hub.register(PHONE, code))["__typename"] == "SignedIn"


async def test_concurrent_unknown_codes_are_all_counted(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    names: list[str] = []
    for _ in range(15):
        answers = await asyncio.gather(*(hub.register(PHONE, code, UNKNOWN) for _ in range(2)))
        names += [answer["__typename"] for answer in answers]
    assert names.count("InvitationCodeNotFoundError") == 10


async def test_a_client_and_its_invitation_are_stored_together_or_not_at_all(
    hub: Hub,
) -> None:
    """Let the owner delete the account while others register with its code."""
    owners = await hub.people(10)
    phones = [f"+7999666{n:04}" for n in range(100)]
    codes = [await hub.code_for(phone) for phone in phones]
    deleting = [owner.delete() for owner in owners]
    registering = [
        hub.register(phone, code, owners[n % 10].invitation_code)
        for n, (phone, code) in enumerate(zip(phones, codes, strict=True))
    ]
    answers = await asyncio.gather(*registering[:50], *deleting, *registering[50:])
    names = [answer["__typename"] for answer in answers]
    assert set(names) <= {"SignedIn", "InvitationCodeNotFoundError", "AccountDeleted"}
    await _check_edges(names.count("SignedIn"))
    left = [n for n, phone in enumerate(phones) if not await _is_registered(phone)]
    for n in left:  # the SMS code still works
        assert (await hub.register(phones[n], codes[n]))["__typename"] == "SignedIn"


@pytest.mark.parametrize("uses", [10, 1])
async def test_code_applied_concurrently_by_a_thousand_clients_is_used_up_exactly(
    hub: Hub, settings: Settings, uses: int
) -> None:
    owner, former = await hub.people(2)
    await former.apply(owner.invitation_code)
    people = await hub.people(100)
    phones = [f"+7999777{n:04}" for n in range(900)]
    codes = [await hub.code_for(phone) for phone in phones]
    with changed(settings, invitations_per_client=uses + 1):
        answers = await asyncio.gather(
            *(person.apply(owner.invitation_code) for person in people),
            *(
                hub.register(phone, code, owner.invitation_code)
                for phone, code in zip(phones, codes, strict=True)
            ),
        )
    names = [answer["__typename"] for answer in answers]
    assert names.count("InviteApplied") + names.count("SignedIn") == uses
    assert names.count("InvitationUsedUpError") == 1000 - uses
    assert (await owner.me())["invitedClients"]["totalCount"] == uses + 1
    await _check_edges(names.count("SignedIn") + names.count("InviteApplied") + 1)


async def test_a_used_up_code_leaves_the_sms_code_and_counts_no_attempt(
    hub: Hub, settings: Settings
) -> None:
    owner, guest, late = await hub.people(3)
    await guest.apply(owner.invitation_code)
    code = await hub.code_for(PHONE)
    with changed(settings, invitations_per_client=1):
        for _ in range(12):
            refused = await hub.register(PHONE, code, owner.invitation_code)
            assert refused["__typename"] == "InvitationUsedUpError"
            refused = await late.apply(owner.invitation_code)
            assert refused["__typename"] == "InvitationUsedUpError"
        again = await guest.apply(owner.invitation_code)
        assert again["__typename"] == "InvitationAlreadyAppliedError"
    assert (await hub.register(PHONE, code, owner.invitation_code))["__typename"] == "SignedIn"


async def test_a_deleted_client_gives_no_use_back(hub: Hub, settings: Settings) -> None:
    owner, guest, late = await hub.people(3)
    with changed(settings, invitations_per_client=1):
        await guest.apply(owner.invitation_code)
        await guest.delete()
        refused = await late.apply(owner.invitation_code)
        assert refused["__typename"] == "InvitationUsedUpError"
    assert (await owner.me())["invitedClients"]["totalCount"] == 0


async def test_a_client_sees_how_many_invitations_are_left(hub: Hub, settings: Settings) -> None:
    owner, guest, late = await hub.people(3)
    left = "{ me { invitationsLeft } }"

    async def shown() -> Any:
        return (await hub.data(left, token=owner.token))["me"]["invitationsLeft"]

    assert await shown() is None
    with changed(settings, invitations_per_client=2):
        assert await shown() == 2
        await guest.apply(owner.invitation_code)
        await late.apply(owner.invitation_code)
        await late.delete()
        assert await shown() == 0
    with changed(settings, invitations_per_client=1):
        assert await shown() == 0


async def test_registrations_and_applications_keep_the_order_of_their_commits(hub: Hub) -> None:
    """Follow the list by `invited_at` while others apply: nobody appears before the last seen."""
    (owner,) = await hub.people(1)
    people = await hub.people(40)
    phones = [f"+7999888{n:04}" for n in range(60)]
    codes = [await hub.code_for(phone) for phone in phones]
    seen: list[Any] = []
    done = asyncio.Event()

    async def follow() -> None:
        while not done.is_set() or len(seen) < 100:
            rows = await fetch(
                "SELECT id, invited_at FROM client WHERE inviter_id = $1 ORDER BY invited_at",
                owner.id,
            )
            assert rows[: len(seen)] == seen
            seen[:] = rows

    following = asyncio.create_task(follow())
    await asyncio.gather(
        *(person.apply(owner.invitation_code) for person in people),
        *(
            hub.register(phone, code, owner.invitation_code)
            for phone, code in zip(phones, codes, strict=True)
        ),
    )
    done.set()
    await following
    assert len({row["invited_at"] for row in seen}) == 100


async def test_a_registration_does_not_wait_for_the_forest(hub: Hub) -> None:
    """Register with a code while somebody holds the lock that applications take."""
    (owner,) = await hub.people(1)
    code = await hub.code_for(PHONE)
    lock = "SELECT pg_advisory_xact_lock(hashtext('connect_hub.client_no_ring'))"
    async with transaction():
        await fetch(lock)
        registering = asyncio.create_task(hub.register(PHONE, code, owner.invitation_code))
        async with asyncio.timeout(4):  # an application waits 5 seconds for the lock
            answer = await registering
    assert answer["__typename"] == "SignedIn"


async def test_a_registration_with_a_code_makes_one_more_round_trip(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    (owner,) = await hub.people(1)
    phones = [f"+7999444{n:04}" for n in range(4)]
    codes = [await hub.code_for(phone) for phone in phones]
    counts = []
    for n, invitation in enumerate([None, owner.invitation_code] * 2):
        with counted_statements(monkeypatch) as sent:
            answer = await hub.register(phones[n], codes[n], invitation)
        assert answer["__typename"] == "SignedIn"
        counts.append(len(sent))
    assert counts[3] <= counts[2] + 1


async def _rows(phone: str) -> Any:
    return await fetch(
        "SELECT guesses, sends, expires_at FROM sign_in_code WHERE phone = $1", phone
    )


async def _is_registered(phone: str) -> bool:
    return bool(await fetch("SELECT FROM client WHERE phone = $1", phone))


async def _check_edges(count: int) -> None:
    """Check that every applied code has its edge and its count, and nothing else has."""
    (row,) = await fetch(
        """
        SELECT count(*) FILTER (WHERE inviter_id IS NOT NULL AND applied_invitation_code IS NULL
                                OR inviter_id IS NULL AND applied_invitation_code IS NOT NULL)
               AS broken, count(inviter_id) AS edges,
               (SELECT sum(count + deleted)::int FROM invited_count) AS counted
        FROM client
        """
    )
    assert dict(row) == {"broken": 0, "edges": count, "counted": count}
