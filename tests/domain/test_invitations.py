import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from asyncpg import InvalidTransactionStateError
from tortoise.connection import get_connection
from tortoise.exceptions import IntegrityError

from connect_hub.database.connections import fetch, transaction
from connect_hub.database.models import Client
from connect_hub.domain import invitations
from tests.support.hub import Hub, Person, counted_statements

APPLY = "UPDATE client SET inviter_id = $1 WHERE id = $2"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
LOCK = "SELECT pg_advisory_xact_lock(hashtext('connect_hub.client_no_ring'))"
CHAIN = """
    INSERT INTO client (id, phone, invitation_code, created_at, inviter_id, invited_at)
    SELECT md5(n::text)::uuid, '+7100' || lpad(n::text, 7, '0'), lpad(n::text, 6, '0'), now(),
           CASE WHEN n > 1 THEN md5((n - 1)::text)::uuid END, CASE WHEN n > 1 THEN now() END
    FROM generate_series(1, $1::int) AS n
"""
SCANS = "SELECT idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'client'"
PAGE = """
query($first: Int = 20, $after: String) { me { invitedClients(first: $first, after: $after) {
  nodes { id } edges { cursor node { id phone } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount
} } }
"""


async def test_the_owner_of_an_applied_code_sees_who_applied_it(hub: Hub) -> None:
    owner, guest = await hub.people(2)
    applied = await guest.apply(owner.invitation_code)
    assert applied["__typename"] == "InviteApplied"
    assert applied["client"]["someoneInvitationCode"] == owner.invitation_code
    assert (await guest.me())["someoneInvitationCode"] == owner.invitation_code
    invited = (await owner.me())["invitedClients"]
    assert invited["totalCount"] == 1
    (node,) = invited["nodes"]
    assert (node["id"], node["phone"]) == (guest.id, guest.phone)


async def test_a_code_is_read_in_any_case(hub: Hub) -> None:
    owner, guest = await hub.people(2)
    applied = await guest.apply(f" {owner.invitation_code.lower()} ")
    assert applied["__typename"] == "InviteApplied"


@pytest.mark.parametrize(
    "code", ["", "AAAAA", "AAAAAAA", "'; --", "\0" * 6, "\u0410" * 6, "9" * 60_000]
)
async def test_unknown_invitation_code_is_rejected(hub: Hub, code: str) -> None:
    (guest,) = await hub.people(1)
    assert (await guest.apply(code))["__typename"] == "InvitationCodeNotFoundError"


async def test_ones_own_code_is_refused(hub: Hub) -> None:
    (guest,) = await hub.people(1)
    assert (await guest.apply(guest.invitation_code))["__typename"] == "OwnInvitationCodeError"


async def test_client_applies_only_one_code(hub: Hub) -> None:
    first, second, guest = await hub.people(3)
    await guest.apply(first.invitation_code)
    for code in (first.invitation_code, second.invitation_code):
        refused = await guest.apply(code)
        assert refused["__typename"] == "InvitationAlreadyAppliedError"
        assert refused["someoneInvitationCode"] == first.invitation_code
    assert (await second.me())["invitedClients"]["totalCount"] == 0


async def test_two_codes_applied_at_once_count_once(hub: Hub) -> None:
    first, second, guest = await hub.people(3)
    codes = [first.invitation_code, second.invitation_code] * 10
    answers = await asyncio.gather(*(guest.apply(code) for code in codes))
    assert [a["__typename"] for a in answers].count("InviteApplied") == 1
    counts = [(await owner.me())["invitedClients"]["totalCount"] for owner in (first, second)]
    assert sorted(counts) == [0, 1]


@pytest.mark.parametrize("length", [2, 3, 4, 5])
async def test_a_ring_is_refused(hub: Hub, length: int) -> None:
    people = await hub.people(length)
    for guest, owner in pairwise(people):
        assert (await guest.apply(owner.invitation_code))["__typename"] == "InviteApplied"
    closing = await people[-1].apply(people[0].invitation_code)
    assert closing["__typename"] == "InvitationRingError"
    assert (await people[-1].me())["someoneInvitationCode"] is None
    assert (await people[0].me())["invitedClients"]["totalCount"] == 0


@pytest.mark.parametrize("length", [2, 3, 4, 5])
async def test_a_ring_is_refused_when_all_of_it_is_closed_at_once(hub: Hub, length: int) -> None:
    for _ in range(10):
        people = await hub.people(length)
        answers = await asyncio.gather(
            *(
                guest.apply(owner.invitation_code)
                for guest, owner in zip(people, [*people[1:], people[0]], strict=True)
            )
        )
        names = sorted(answer["__typename"] for answer in answers)
        assert names == ["InvitationRingError"] + ["InviteApplied"] * (length - 1)


async def test_concurrent_applications_leave_a_forest(
    hub: Hub, untriggered: asyncpg.Connection
) -> None:
    draw = random.Random(20)  # noqa: S311 (which pairs, no secret)
    people = await hub.people(20)
    for _ in range(30):
        await _forget_invitations(untriggered)
        pairs = [draw.sample(people, 2) for _ in range(50)]
        await asyncio.gather(*(guest.apply(owner.invitation_code) for guest, owner in pairs))
        inviters = await _inviters()
        assert inviters
        for start in inviters:
            seen, at = set(), start
            while at in inviters:
                assert at not in seen, "a ring"
                seen.add(at)
                at = inviters[at]
        await _check_counts()


async def test_database_rejects_a_ring_from_any_program(hub: Hub) -> None:
    owner, guest = await hub.people(2)
    await guest.apply(owner.invitation_code)
    with pytest.raises(IntegrityError, match="invited by this client"):
        await Client.filter(id=owner.id).update(inviter_id=guest.id)
    with pytest.raises(IntegrityError, match="never changed"):
        await Client.filter(id=guest.id).update(inviter_id=None)
    with pytest.raises(IntegrityError, match="invited by this client"):
        await Client.filter(id=owner.id).update(inviter_id=owner.id)


async def test_a_ring_is_refused_without_the_lock(hub: Hub) -> None:
    people = await hub.people(3)
    for guest, owner in pairwise(people):
        await guest.apply(owner.invitation_code)
    async with _lock(), asyncio.timeout(4):  # an application waits 5 seconds for the lock
        refused = await people[-1].apply(people[0].invitation_code)
    assert refused["__typename"] == "InvitationRingError"


async def test_an_application_waits_for_the_lock_after_its_walk(hub: Hub) -> None:
    """Let a chain get longer between the walk and the lock, so that it ends at the guest."""
    *chain, guest, last = await hub.people(6)
    for below, above in pairwise(chain):
        await below.apply(above.invitation_code)
    await guest.apply(last.invitation_code)
    async with _lock() as connection:
        closing = asyncio.create_task(last.apply(chain[0].invitation_code))
        while not await connection.fetchval(WAITING):
            pass
        await connection.execute(APPLY, guest.id, chain[-1].id)
    assert (await closing)["__typename"] == "InvitationRingError"


async def test_a_long_chain_is_walked_once(hub: Hub, untriggered: asyncpg.Connection) -> None:
    """Count what an application at the end of a chain reads, with the lock and without."""
    (guest,) = await hub.people(1)
    await untriggered.execute(CHAIN, 1000)
    await untriggered.execute("ANALYZE client")  # or a plan made for a tiny table may scan it all
    async with transaction():
        (before,) = await fetch(SCANS)  # of earlier tests, which PostgreSQL has not reported yet
        await fetch("UPDATE client SET inviter_id = md5('1000')::uuid WHERE id = $1", guest.id)
        (after,) = await fetch(SCANS)
    assert 1000 < after["idx_scan"] - before["idx_scan"] < 1100


async def test_invited_at_increases_although_the_clock_steps_back(hub: Hub) -> None:
    owner, *guests = await hub.people(12)
    await guests[0].apply(owner.invitation_code)
    await fetch("UPDATE client SET invited_at = invited_at + interval '1 hour'")
    first = await _page(owner, first=1)
    await asyncio.gather(*(guest.apply(owner.invitation_code) for guest in guests[1:]))
    pages = await _pages(owner, first=3)
    found = [edge["cursor"] for page in pages for edge in page["edges"]]
    assert len(set(found)) == 11
    assert found[-1] == first["edges"][0]["cursor"]  # and nothing comes after it


async def test_an_invitation_is_refused_under_another_isolation_level(hub: Hub) -> None:
    owner, guest = await hub.people(2)

    async def apply() -> None:
        async with transaction():
            await fetch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await fetch("UPDATE client SET inviter_id = $1 WHERE id = $2", owner.id, guest.id)

    with pytest.raises(InvalidTransactionStateError, match="READ COMMITTED only"):
        await apply()


async def test_invited_clients_come_in_pages_latest_first(hub: Hub) -> None:
    owner, *guests = await hub.people(8)
    for guest in guests:
        await guest.apply(owner.invitation_code)
    latest_first = [guest.id for guest in reversed(guests)]
    pages = await _pages(owner, first=3)
    assert [[node["id"] for node in page["nodes"]] for page in pages] == [
        latest_first[:3],
        latest_first[3:6],
        latest_first[6:],
    ]
    for page in pages:
        assert page["nodes"] == [{"id": edge["node"]["id"]} for edge in page["edges"]]
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        assert page["totalCount"] == 7
    assert [page["pageInfo"]["hasNextPage"] for page in pages] == [True, True, False]
    assert [page["pageInfo"]["hasPreviousPage"] for page in pages] == [False, True, True]


async def test_me_reads_invited_clients_through_the_relation(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, guest = await hub.people(2)
    await guest.apply(owner.invitation_code)
    client = await Client.get(id=owner.id)
    page = invitations.invited_by(client).limit(21).only("id", "phone", "name", "invited_at")
    assert page.model is Client
    assert client.invited.relation_field == "inviter_id"
    assert page.sql(params_inline=False) == invitations.first_page.subquery("$1", "$2")
    with counted_statements(monkeypatch) as sent:
        me = await owner.me()
    assert [node["id"] for node in me["invitedClients"]["nodes"]] == [guest.id]
    statement, _count = sent
    assert invitations.first_page.subquery("viewer.id", "$4") in statement


async def test_pages_stay_as_they_are_while_somebody_is_added(hub: Hub) -> None:
    owner, late, *guests = await hub.people(6)
    for guest in guests:
        await guest.apply(owner.invitation_code)
    first = await _page(owner, first=2)
    await late.apply(owner.invitation_code)
    second = await _page(owner, first=2, after=first["pageInfo"]["endCursor"])
    ids = [node["id"] for page in (first, second) for node in page["nodes"]]
    assert ids == [guest.id for guest in reversed(guests)]


@pytest.mark.parametrize(
    "query",
    [
        "{ me { invitedClients { totalCount } invitedClients { nodes { id } } } }",
        """{ me { ...A ...B } }
           fragment A on Client { invitedClients { totalCount } }
           fragment B on Client { invitedClients { ... { nodes { id } } } }""",
    ],
)
async def test_fields_of_all_fragments_are_read(hub: Hub, query: str) -> None:
    owner, guest = await hub.people(2)
    await guest.apply(owner.invitation_code)
    me = (await hub.data(query, token=owner.token))["me"]
    assert me["invitedClients"] == {"totalCount": 1, "nodes": [{"id": guest.id}]}


async def test_an_empty_list_is_a_page_without_cursors(hub: Hub) -> None:
    (owner,) = await hub.people(1)
    page = await _page(owner, first=1)
    assert page["nodes"] == page["edges"] == []
    assert set(page["pageInfo"].values()) == {False, None}


@pytest.mark.parametrize("after", ["x", "AAAA", "=", "é", "\0", "A" * 32, "A" * 60_000])
async def test_invalid_cursor_is_rejected(hub: Hub, after: str) -> None:
    (owner,) = await hub.people(1)
    response = await hub.post(PAGE, token=owner.token, after=after)
    if after == "A" * 32:  # well formed: the position before all others
        assert response.json()["data"]["me"]["invitedClients"]["nodes"] == []
        return
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "`after`" in error["message"]


@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1])
async def test_a_page_of_another_size_is_refused(hub: Hub, first: int) -> None:
    (owner,) = await hub.people(1)
    response = await hub.post(PAGE, token=owner.token, first=first)
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "1 to 100" in error["message"]


@pytest.mark.parametrize(
    ("selection", "statements"),
    [
        # The viewer is read with a first page.
        ("id phone invitationCode someoneInvitationCode createdAt", 1),
        ("invitedClients { nodes { id } }", 1),
        ("invitedClients(first: 2) { pageInfo { hasNextPage } }", 1),
        ("invitedClients { ...on InvitedClientConnection { nodes { id phone invitedAt } } }", 1),
        ("invitedClients { __typename }", 1),
        ("invitedClients { totalCount }", 2),
        ("invitedClients { totalCount nodes { id } edges { cursor } }", 2),
        ("a: invitedClients { nodes { id } } b: invitedClients(first: 2) { nodes { id } }", 3),
    ],
)
async def test_me_reads_only_what_is_selected_in_few_statements(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, selection: str, statements: int
) -> None:
    owner, middle, *guests = await hub.people(5)
    await middle.apply(owner.invitation_code)
    for guest in guests:
        await guest.apply(middle.invitation_code)
    with counted_statements(monkeypatch) as asked:
        await hub.data(f"{{ me {{ {selection} }} }}", token=middle.token)
    assert len(asked) == statements


@pytest.mark.parametrize(
    "operation",
    [
        "query ($first: Int = 2) { me { invitedClients(first: $first) { %s } } }",
        "{ me { invitedClients(first: 2) { %s } } other: me { invitedClients(first: 3) { %s } } }",
        "{ other: me { invitedClients(first: 1) { %s } } me { invitedClients(first: 2) { %s } } }",
        "{ me { id } me { invitedClients(first: 2) { %s } invitedClients(first: 2) { %s } } }",
        (
            "{ me { invitedClients(first: 2) { ...Page @include(if: true) } } }"
            " fragment Page on InvitedClientConnection { %s }"
        ),
    ],
)
async def test_first_page_is_the_same_however_it_is_selected(hub: Hub, operation: str) -> None:
    owner, *guests = await hub.people(4)
    for guest in guests:
        await guest.apply(owner.invitation_code)
    operation = operation.replace("%s", "nodes { id } pageInfo { hasNextPage } totalCount")
    me = (await hub.data(operation, token=owner.token))["me"]
    assert me["invitedClients"] == {
        "nodes": [{"id": guest.id} for guest in (guests[2], guests[1])],
        "pageInfo": {"hasNextPage": True},
        "totalCount": 3,
    }


async def test_invalid_page_below_me_is_an_error_of_the_page(hub: Hub) -> None:
    (owner,) = await hub.people(1)
    operation = "query ($first: Int) { me { invitedClients(first: $first) { nodes { id } } } }"
    for first in (0, 101, None):
        response = await hub.post(operation, token=owner.token, first=first)
        (error,) = response.json()["errors"]
        assert error["path"] == ["me", "invitedClients"]


@asynccontextmanager
async def _lock() -> AsyncIterator[Any]:
    """Hold the lock of all applications, on a connection of its own."""
    opened = get_connection("default").acquire_connection()
    async with opened as connection, connection.transaction():
        await connection.execute(LOCK)
        yield connection


async def _page(owner: Person, **variables: Any) -> Any:
    me = (await owner.hub.data(PAGE, token=owner.token, **variables))["me"]
    return me["invitedClients"]


async def _pages(owner: Person, *, first: int) -> list[Any]:
    pages = [await _page(owner, first=first)]
    while pages[-1]["pageInfo"]["hasNextPage"]:
        after = pages[-1]["pageInfo"]["endCursor"]
        pages.append(await _page(owner, first=first, after=after))
    return pages


async def _forget_invitations(untriggered: asyncpg.Connection) -> None:
    """Take inviters away, which the triggers never let happen."""
    await untriggered.execute(
        "UPDATE client SET inviter_id = NULL, invited_at = NULL, applied_invitation_code = NULL;"
        " DELETE FROM invited_count; DELETE FROM allowance"  # refused applications are limited
    )


async def _inviters() -> dict[Any, Any]:
    rows = await fetch("SELECT id, inviter_id FROM client WHERE inviter_id IS NOT NULL")
    return {row["id"]: row["inviter_id"] for row in rows}


async def _check_counts() -> None:
    rows = await fetch(
        "SELECT 1 FROM (SELECT inviter_id, count(*) FROM client GROUP BY 1) AS real (id, count)"
        " FULL JOIN invited_count ON client_id = id"
        " WHERE id IS NOT NULL AND real.count IS DISTINCT FROM invited_count.count"
    )
    assert not rows
