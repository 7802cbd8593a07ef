"""Each committed change has its event, with the origin of the change; others have none."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from connect_hub.database.connections import fetch, transaction
from connect_hub.database.models import Client
from connect_hub.domain import account, cleanup, events, sessions
from connect_hub.domain.events import Actor, Origin
from connect_hub.settings import EVENT_TYPES
from tests.support.hub import Hub, Person, counted_statements, pass_time, wrong

PHONE = "+79991234567"
DAY = 86400


async def events_of(client_id: str) -> list[Any]:
    """Return the types of a client's events with what else they say, oldest first."""
    rows = await fetch(
        "SELECT type, data - 'session' AS data FROM event WHERE client_id = $1"
        " ORDER BY created_at, type DESC",
        UUID(client_id),
    )
    return [(row["type"], row["data"]) for row in rows]


async def types_of(client_id: str) -> list[str]:
    return [kind for kind, _ in await events_of(client_id)]


async def endings_of(client_id: str) -> list[str]:
    """Return the reasons why sessions of a client ended."""
    rows = await fetch(
        "SELECT data ->> 'reason' AS reason FROM event WHERE client_id = $1"
        " AND type = 'session.ended' ORDER BY created_at",
        UUID(client_id),
    )
    return [row["reason"] for row in rows]


async def client(person: Person) -> Client:
    return await Client.get(id=person.id)


async def test_registration_writes_its_event_and_that_of_its_session(hub: Hub) -> None:
    ann = await hub.person()

    assert await types_of(ann.id) == ["client.registered", "session.started"]
    (session,) = await ann.sessions()
    (row,) = await fetch("SELECT data ->> 'session' AS id FROM event WHERE data <> '{}'")
    assert row["id"] == session["id"]


async def test_an_event_has_the_origin_of_its_change(hub: Hub) -> None:
    ann = await hub.at("192.0.2.7").person()
    response = await ann.hub.post(
        "mutation { endSession { __typename } }",
        token=ann.token,
        headers={"User-Agent": "An app\t1.0"},
    )

    (row,) = await fetch("SELECT * FROM event WHERE type = 'session.ended'")
    assert row["actor"] == "client"
    assert row["address"] == "192.0.2.7"
    assert row["device"] == "An app 1.0"
    assert row["request_id"] == response.headers["X-Request-ID"]


async def test_refused_registration_and_sign_in_write_no_event(hub: Hub) -> None:
    await hub.person(PHONE)
    before = await fetch("SELECT id FROM event")
    code = await hub.code_for(PHONE)

    assert (await hub.login(PHONE, wrong(code)))["__typename"] == "InvalidCodeError"
    assert (await hub.register(PHONE, code))["__typename"] == "PhoneAlreadyRegisteredError"
    assert len(await fetch("SELECT id FROM event")) == len(before)


async def test_concurrent_registrations_of_one_phone_write_one_event(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    await asyncio.gather(*(hub.register(PHONE, code) for _ in range(3)))

    assert len(await fetch("SELECT FROM event WHERE type = 'client.registered'")) == 1


async def test_application_of_a_code_names_the_inviter(hub: Hub) -> None:
    ann, bob = await hub.people(2)
    await bob.apply(ann.invitation_code)
    await bob.apply(ann.invitation_code)  # is refused

    (_, _, (kind, data)) = await events_of(bob.id)
    assert kind == "client.invited"
    assert f'"{ann.id}"' in data
    assert '"campaign": null' in data
    listed = [row["type"] for row in await events.of_client(UUID(ann.id))]
    assert listed == ["client.registered", "session.started", "client.invited"]


async def test_the_event_of_a_rolled_back_change_does_not_exist(hub: Hub) -> None:
    ann = await hub.person()
    async with transaction():
        await fetch("UPDATE client SET blocked_at = now()")
        await account.unblock(await client(ann))
        await sessions.sign_out(await client(ann))
        await fetch("ROLLBACK")

    assert await types_of(ann.id) == ["client.registered", "session.started"]
    assert await ann.works()


async def test_sessions_end_with_their_reasons(hub: Hub) -> None:
    ann = await hub.person()
    other = await ann.sign_in()
    third = await ann.sign_in()
    session = (await third.sessions())[0]["id"]
    await other.end(session)
    await other.end_others()
    await other.end_this()

    assert await endings_of(ann.id) == ["ended_elsewhere", "ended_elsewhere", "signed_out"]


async def test_a_new_sign_in_displaces_the_session_that_it_replaces(hub: Hub) -> None:
    ann = await hub.person()
    await ann.sign_in(Authorization=f"Bearer {ann.token}")

    assert await endings_of(ann.id) == ["displaced"]


async def test_the_session_beyond_the_limit_is_displaced(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)  # 20 sign-ins exceed the limits of a phone
    ann = await hub.person()
    for _ in range(2):
        ann = await ann.sign_in()

    assert await endings_of(ann.id) == ["displaced"]
    assert len(await ann.sessions()) == 2


async def test_a_replayed_token_ends_the_session_by_the_system(hub: Hub) -> None:
    ann = await hub.person()
    stolen = ann.refresh_token
    await ann.refresh()
    await ann.refresh()
    await ann.refresh(stolen)

    assert await endings_of(ann.id) == ["replayed"]
    (row,) = await fetch("SELECT actor FROM event WHERE type = 'session.ended'")
    assert row["actor"] == "system"


async def test_an_expired_session_ends_without_an_event(hub: Hub) -> None:
    ann = await hub.person()
    await pass_time(31 * DAY)
    await sessions.sign_out(await client(ann))
    await cleanup.sweep_once(events_kept=timedelta(days=365))

    assert await endings_of(ann.id) == []


async def test_a_change_of_the_phone_writes_an_event_unless_the_phone_is_the_same(hub: Hub) -> None:
    ann = await hub.person(PHONE)
    await ann.sign_in()
    await ann.change_phone(PHONE, await hub.code_for(PHONE))
    assert "client.phone_changed" not in await types_of(ann.id)
    await ann.change_phone("+79991234568", await hub.code_for("+79991234568"))

    assert (await types_of(ann.id)).count("client.phone_changed") == 1
    assert await endings_of(ann.id) == ["phone_changed"]


async def test_events_of_a_deleted_client_have_no_address_and_no_device(hub: Hub) -> None:
    ann = await hub.person()
    await ann.delete()

    assert (await types_of(ann.id))[2:] == ["session.ended", "client.deleted"]
    assert await endings_of(ann.id) == ["deleted"]
    assert not await fetch("SELECT FROM event WHERE address IS NOT NULL OR device IS NOT NULL")


async def test_blocking_writes_events_only_where_it_changes_something(hub: Hub) -> None:
    ann = await hub.person()
    events.origin.set(lambda: Origin(Actor.OPERATOR))
    for _ in range(2):
        await account.block(await client(ann))
    for _ in range(2):
        await account.unblock(await client(ann))
    await account.erase(await client(ann))
    await account.erase(await client(ann))

    kinds = ["client.blocked", "client.deleted", "client.unblocked", "session.ended"]
    assert sorted((await types_of(ann.id))[2:]) == kinds
    assert await endings_of(ann.id) == ["blocked"]
    rows = await fetch(
        "SELECT DISTINCT actor FROM event WHERE type <> ALL ($1)", [*EVENT_TYPES[:2]]
    )
    assert {row["actor"] for row in rows} == {"client", "operator"}


async def test_event_of_a_session_that_the_operator_ended_has_this_reason(hub: Hub) -> None:
    ann = await hub.person()
    await sessions.sign_out(await client(ann))

    assert await endings_of(ann.id) == ["ended_by_operator"]


async def test_sign_in_costs_no_round_trip_for_its_event(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await hub.person()
    code = await hub.code_for(ann.phone)
    with counted_statements(monkeypatch) as sent:
        await hub.login(ann.phone, code)

    (writing,) = [sql for sql in sent if "event" in sql]
    assert "INSERT INTO session" in writing


async def test_an_event_gets_a_delivery_for_each_endpoint_of_its_type(hub: Hub) -> None:
    everything, ended, removed = (uuid4().hex[:16] for _ in range(3))
    await fetch(
        "INSERT INTO webhook_endpoint (id, origin, types, seen_at) VALUES"
        " ($1, 'http://a', $4, now()), ($2, 'http://b', ARRAY['session.ended'], now()),"
        " ($3, 'http://c', $4, now() - interval '2 days')",
        *(everything, ended, removed, list(EVENT_TYPES)),
    )
    ann = await hub.person()
    await ann.end_this()

    rows = await fetch(
        "SELECT endpoint, type FROM webhook_delivery JOIN event ON event_id = event.id"
    )
    assert sorted((row["endpoint"], row["type"]) for row in rows) == sorted(
        [
            (everything, "client.registered"),
            (everything, "session.started"),
            (everything, "session.ended"),
            (ended, "session.ended"),
        ]
    )


async def test_old_events_are_deleted_and_undelivered_ones_counted(hub: Hub) -> None:
    await fetch(
        "INSERT INTO webhook_endpoint (id, origin, types, seen_at)"
        " VALUES ('a', 'http://a', ARRAY['client.registered'], now())"
    )
    ann = await hub.person()
    await pass_time(20 * DAY)
    await fetch("UPDATE webhook_endpoint SET seen_at = now()")
    await hub.person()
    await cleanup.sweep_once(events_kept=timedelta(days=19))

    assert await types_of(ann.id) == []
    assert len(await fetch("SELECT FROM event")) == 2
    assert len(await fetch("SELECT FROM webhook_delivery")) == 1
