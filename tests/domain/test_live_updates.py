"""The subscription clientInvited: which events are sent, and to whom."""

import asyncio
import gc
import random
from uuid import UUID, uuid4

import asyncpg
import pytest
from graphql.execution.collect_fields import CollectedFields
from tortoise.connection import get_connection

from connect_hub.database.connections import fetch
from connect_hub.database.notifications import HEARTBEAT
from connect_hub.domain.live_updates import MAX_QUEUED
from tests.support.hub import Hub, Person
from tests.support.sockets import Sockets

GUEST = """
    INSERT INTO client (id, phone, invitation_code, created_at) VALUES ($1, $2, $3, now())
"""
APPLY = "UPDATE client SET inviter_id = $1 WHERE id = $2"
APPLY_UNNOTIFIED = """
    UPDATE client SET inviter_id = $1, invited_at = clock_timestamp() WHERE id = $2
"""
LOSE_NOTIFICATIONS = f"""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE query = '{HEARTBEAT}' OR query LIKE 'LISTEN %'
"""


async def test_application_of_a_code_is_sent_to_its_owner(hub: Hub, sockets: Sockets) -> None:
    owner, guest = await hub.people(2)
    async with sockets.subscribed(owner.token) as socket:
        await guest.apply(owner.invitation_code)
        event = await socket.event()
    (node,) = (await owner.me())["invitedClients"]["nodes"]
    assert event == node


async def test_event_is_sent_to_nobody_else(hub: Hub, sockets: Sockets) -> None:
    owner, other, guest, last = await hub.people(4)
    async with (
        sockets.subscribed(owner.token) as owners,
        sockets.subscribed(other.token) as others,
        sockets.subscribed(guest.token) as guests,
    ):
        await guest.apply(owner.invitation_code)
        assert await owners.events(1) == [guest.id]
        await last.apply(other.invitation_code)
        assert await others.events(1) == [last.id]  # and nothing before
        await other.apply(guest.invitation_code)
        assert await guests.events(1) == [other.id]


async def test_event_is_sent_to_each_subscription_of_a_client(hub: Hub, sockets: Sockets) -> None:
    owner, guest = await hub.people(2)
    async with (
        sockets.subscribed(owner.token) as one,
        sockets.subscribed(owner.token) as other,
    ):
        await one.subscribe("subscription { again: clientInvited { phone } }", "2")
        await one.ping()
        await guest.apply(owner.invitation_code)
        messages = [await one.receive() for _ in range(2)]
        payloads = {message["id"]: message["payload"]["data"] for message in messages}
        assert payloads["1"]["clientInvited"]["id"] == guest.id
        assert payloads["2"] == {"again": {"phone": guest.phone}}
        assert await other.events(1) == [guest.id]


async def test_events_after_the_acknowledgement_are_sent(hub: Hub, sockets: Sockets) -> None:
    owner, early, soon, late = await hub.people(4)
    await early.apply(owner.invitation_code)
    async with sockets.connected(owner.token) as socket:
        await soon.apply(owner.invitation_code)
        await socket.subscribe()
        await late.apply(owner.invitation_code)
        assert await socket.events(2) == [soon.id, late.id]


async def test_later_subscription_sends_only_later_events(hub: Hub, sockets: Sockets) -> None:
    owner, early, late = await hub.people(3)
    async with sockets.subscribed(owner.token) as socket:
        await early.apply(owner.invitation_code)
        assert await socket.events(1) == [early.id]
        await socket.send("complete", id="1")
        await socket.subscribe(name="2")
        await socket.ping()
        await late.apply(owner.invitation_code)
        assert (await socket.event("2"))["id"] == late.id


async def test_completed_subscription_sends_nothing_more(hub: Hub, sockets: Sockets) -> None:
    owner, guest, last = await hub.people(3)
    async with sockets.subscribed(owner.token) as socket:
        await socket.subscribe(name="2")
        await socket.send("complete", id="1")
        await socket.ping()
        await guest.apply(owner.invitation_code)
        assert (await socket.event("2"))["id"] == guest.id
        await last.apply(owner.invitation_code)
        assert (await socket.event("2"))["id"] == last.id


async def test_rolled_back_application_is_not_sent(hub: Hub, sockets: Sockets) -> None:
    owner, guest, last = await hub.people(3)
    async with sockets.subscribed(owner.token) as socket:
        async with get_connection("default").acquire_connection() as connection:
            await connection.execute("BEGIN")
            await connection.execute(APPLY, owner.id, guest.id)
            await connection.execute("ROLLBACK")
        await last.apply(owner.invitation_code)
        assert await socket.events(1) == [last.id]


async def test_rejected_application_is_not_sent(hub: Hub, sockets: Sockets) -> None:
    owner, guest, last = await hub.people(3)
    await owner.apply(guest.invitation_code)
    async with sockets.subscribed(owner.token) as socket:
        assert (await guest.apply(owner.invitation_code))["__typename"] == "InvitationRingError"
        await owner.apply(owner.invitation_code)
        await last.apply(owner.invitation_code)
        assert await socket.events(1) == [last.id]


async def test_events_are_sent_although_another_subscription_is_far_behind(
    hub: Hub, sockets: Sockets, untriggered: asyncpg.Connection
) -> None:
    owner = await hub.person()
    guests = [uuid4() for _ in range(MAX_QUEUED + 20)]
    for number, guest_id in enumerate(guests):
        await fetch(GUEST, guest_id, f"+7901{number:07}", f"{number:06}")
    async with (
        sockets.connected(owner.token) as behind,
        sockets.subscribed(owner.token) as ahead,
    ):
        for guest_id in guests[:-1]:
            await fetch(APPLY, owner.id, guest_id)
        assert await ahead.events(len(guests) - 1) == [str(id_) for id_ in guests[:-1]]
        # and it is not notified, but seen when another subscribes
        await untriggered.execute(APPLY_UNNOTIFIED, owner.id, guests[-1])
        await behind.subscribe()
        assert await ahead.events(1) == [str(guests[-1])]


async def test_concurrent_applications_are_sent_once_each_in_order(
    hub: Hub, sockets: Sockets
) -> None:
    owner, *guests = await hub.people(41)
    async with sockets.subscribed(owner.token) as socket:
        await asyncio.gather(*(guest.apply(owner.invitation_code) for guest in guests))
        events = [await socket.event() for _ in guests]
    assert {event["id"] for event in events} == {guest.id for guest in guests}
    assert len({event["id"] for event in events}) == len(events)
    moments = [event["invitedAt"] for event in events]
    assert moments == sorted(moments)


async def test_events_during_lost_notifications_are_sent_later(
    hub: Hub, sockets: Sockets, untriggered: asyncpg.Connection
) -> None:
    owner, before, meanwhile = await hub.people(3)
    async with sockets.subscribed(owner.token) as socket:
        await before.apply(owner.invitation_code)
        assert await socket.events(1) == [before.id]
        assert await fetch(LOSE_NOTIFICATIONS)
        # as if nobody listened
        await untriggered.execute(APPLY_UNNOTIFIED, owner.id, meanwhile.id)
        assert await socket.events(1) == [meanwhile.id]


@pytest.mark.parametrize("deleted", [False, True])
async def test_application_after_a_step_back_of_the_clock_is_sent(
    hub: Hub, sockets: Sockets, *, deleted: bool
) -> None:
    owner, before, *guests = await hub.people(7)
    async with sockets.subscribed(owner.token) as ahead:
        await fetch(APPLY, owner.id, before.id)
        await ahead.events(1)
    await fetch("UPDATE client SET invited_at = invited_at + interval '1 hour'")
    async with sockets.subscribed(owner.token) as socket:
        await socket.ping()
        if deleted:
            await before.delete()
        await guests[0].apply(owner.invitation_code)
        assert await socket.events(1) == [guests[0].id]
        await asyncio.gather(*(guest.apply(owner.invitation_code) for guest in guests[1:]))
        events = [await socket.event() for _ in guests[1:]]
    moments = [event["invitedAt"] for event in events]
    assert moments == sorted(moments)


async def test_a_session_that_ends_while_notifications_are_lost_ends_its_connections(
    hub: Hub, sockets: Sockets, untriggered: asyncpg.Connection
) -> None:
    owner = await hub.person()
    async with sockets.subscribed(owner.token) as socket:
        await socket.ping()
        assert await fetch(LOSE_NOTIFICATIONS)
        await untriggered.execute("DELETE FROM session")
        assert await socket.end() == (4401, "The session has ended; sign in again.")


async def test_subscription_keeps_no_sent_events_in_memory(hub: Hub, sockets: Sockets) -> None:
    owner = await hub.person()
    guests = [uuid4() for _ in range(40)]
    for number, guest_id in enumerate(guests):
        await fetch(GUEST, guest_id, f"+7901{number:07}", f"{number:06}")

    async def invite(half: list[UUID]) -> None:
        for guest_id in half:
            await fetch(APPLY, owner.id, guest_id)
        assert await socket.events(len(half)) == [str(guest_id) for guest_id in half]

    async with sockets.subscribed(owner.token) as socket:
        await invite(guests[:20])
        before = _fields_found_out_about()
        await invite(guests[20:])
        assert _fields_found_out_about() == before


def _fields_found_out_about() -> int:
    gc.collect()
    return sum(isinstance(each, CollectedFields) for each in gc.get_objects())


async def test_a_hundred_clients_get_a_thousand_events_each_its_own(
    hub: Hub, sockets: Sockets
) -> None:
    owners = await hub.people(100)
    invitations = [(owner.id, uuid4()) for owner in owners for _ in range(10)]
    random.Random(7).shuffle(invitations)  # noqa: S311 (an order, no secret)
    expected: dict[str, set[str]] = {owner.id: set() for owner in owners}
    for number, (owner_id, guest_id) in enumerate(invitations):
        expected[owner_id].add(str(guest_id))
        await fetch(GUEST, guest_id, f"+7901{number:07}", f"{number:06}")

    async def follow(owner: Person) -> None:
        known: set[str] = set()
        for until in (2, 5, 8, 10):  # and then again
            async with sockets.connected(owner.token) as socket:
                known |= {node["id"] for node in (await owner.me())["invitedClients"]["nodes"]}
                await socket.subscribe()
                heard: list[str] = []
                while len(known) < until:
                    heard += await socket.events(1)
                    known.add(heard[-1])
                assert len(heard) == len(set(heard))
                assert known <= expected[owner.id]

    async def apply_all() -> None:
        for owner_id, guest_id in invitations:
            await fetch(APPLY, owner_id, guest_id)

    async with asyncio.TaskGroup() as group:
        for owner in owners:
            group.create_task(follow(owner))
        group.create_task(apply_all())
