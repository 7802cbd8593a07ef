"""The checker of tests/faults finds what is planted; and what faults have shown stays mended."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext

from connect_hub.database import connections
from connect_hub.database.config import serving_config
from connect_hub.database.connections import ConnectionScope, deadline, fetch
from connect_hub.database.connections import pool as pool_module
from connect_hub.database.connections.scopes import current_pool
from connect_hub.settings import Settings
from tests.faults import checker
from tests.faults.client import Connection, Record, UnknownError
from tests.faults.journal import Following, Journal, Life, Person, Subscription
from tests.faults.stand import Stand, standing

LOAD = 6  # seconds

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@pytest.fixture(scope="module")
async def stand() -> AsyncIterator[Stand]:
    """The state after some load in which nothing went wrong."""
    async with standing(servers=1) as stand:
        async with stand.load():
            await asyncio.sleep(LOAD)
        assert await stand.findings() == []
        yield stand


async def test_checker_finds_nothing_in_a_correct_database(stand: Stand) -> None:
    assert await _found(stand) == []


async def test_load_uses_everything_about_invitations(stand: Stand) -> None:
    facts = await checker.read(stand.postgres)
    requests: dict[str, set[str]] = {}
    for event in facts.events.values():
        requests.setdefault(event["type"], set()).add(event["request_id"])
    assert requests["client.registered"] & requests["client.invited"]
    assert any(campaign["uses"] for campaign in facts.campaigns.values())
    assert any(client["name"] for client in facts.clients.values())
    assert facts.retired
    assert stand.journal.used_up


PLANTED = [
    ("DELETE FROM client WHERE id = $1", "is registered and not there"),
    ("UPDATE client SET phone = '+79990000000' WHERE id = $1", "has another phone"),
    ("UPDATE client SET phone = NULL, deleted_at = now() WHERE id = $1", "is deleted"),
    ("UPDATE client SET invitation_code = 'AAAAAA' WHERE id = $1", "another invitation code"),
    (
        (
            "UPDATE client SET inviter_id = NULL, invited_at = NULL, applied_invitation_code = NULL"
            " WHERE id = $1"
        ),
        "has applied another code",
    ),
    (
        (
            "UPDATE client AS inviter SET inviter_id = invited.id, invited_at = now()"
            " FROM client AS invited WHERE invited.id = $1 AND inviter.id = invited.inviter_id"
        ),
        "is in a ring",
    ),
    (
        (
            "UPDATE invited_count SET count = count + 1"
            " WHERE client_id = (SELECT inviter_id FROM client WHERE id = $1)"
        ),
        "are counted",
    ),
    ("UPDATE client SET name = 'Nobody' WHERE id = $1", "has another name"),
    ("UPDATE client SET applied_invitation_code = 'AAAAAA' WHERE id = $1", "its inviter is"),
    (
        "UPDATE client SET inviter_id = NULL WHERE id = $1",
        "its inviter is None",
    ),
    (
        "UPDATE client SET applied_invitation_code = NULL WHERE id = $1",
        "the code that it applied is not stored",
    ),
    (
        ("UPDATE client SET invitation_code = (SELECT code FROM campaign LIMIT 1) WHERE id = $1"),
        "belongs to 2",
    ),
    (
        (
            "INSERT INTO client (id, phone, invitation_code, created_at, inviter_id, invited_at,"
            " applied_invitation_code) SELECT gen_random_uuid(), '+7999000000' || n, 'AAAAA' || n,"
            " now(), id, now(), invitation_code FROM client, generate_series(0, 6) AS n"
            " WHERE id = $1"
        ),
        "times, of 6",
    ),
    (
        (
            "INSERT INTO client (id, phone, invitation_code, created_at, invited_at,"
            " applied_invitation_code) SELECT gen_random_uuid(), '+7999000000' || n, 'AAAAA' || n,"
            " now(), now(), (SELECT min(code) FROM campaign) FROM generate_series(0, 3) AS n"
            " WHERE $1::uuid IS NOT NULL"
        ),
        "times, of 3",
    ),
    (
        "UPDATE campaign SET uses = 0 WHERE uses > 0 AND $1::uuid IS NOT NULL",
        ", and 0 are counted",
    ),
    ("DELETE FROM retired_code WHERE $1::uuid IS NOT NULL", "has replaced 0 codes, not 1"),
    (
        (
            "UPDATE retired_code SET code = 'AAAAAA' WHERE $1::uuid IS NOT NULL"
            " AND code = (SELECT min(code) FROM retired_code)"
        ),
        "has replaced other codes",
    ),
    ("DELETE FROM session WHERE client_id = $1", "is not there"),
    ("DELETE FROM event WHERE client_id = $1", "has 0 events client.registered"),
    (
        "DELETE FROM event WHERE client_id = $1 AND type = 'client.invited'",
        "has 0 events client.invited",
    ),
    (
        (
            "UPDATE event SET data = jsonb_set(data, '{inviter}', 'null')"
            " WHERE client_id = $1 AND type = 'client.invited'"
        ),
        "tells of another invitation",
    ),
    (
        (
            "INSERT INTO event SELECT gen_random_uuid(), type, gen_random_uuid(), data, created_at,"
            " actor FROM event WHERE client_id = $1 AND type = 'client.invited'"
        ),
        "has an event client.invited, and is not there",
    ),
    ("DELETE FROM event WHERE type = 'session.ended' AND client_id <> $1", "events of its end"),
    ("DELETE FROM event WHERE type = 'session.started' AND client_id = $1", "of its start"),
    (
        (
            "INSERT INTO event SELECT gen_random_uuid(), type, client_id, data, created_at, actor"
            " FROM event WHERE client_id = $1 AND type = 'client.registered'"
        ),
        "(client.registered) is lost",
    ),
    ("UPDATE session SET generation = 9 WHERE client_id = $1", "is of generation 9"),
    (
        (
            "INSERT INTO session SELECT gen_random_uuid(), nonce, generation, seen_at, created_at,"
            " last_used_at, expires_at, device, address, client_id"
            " FROM session WHERE client_id = $1"
        ),
        "a code went twice",
    ),
    (
        (
            "INSERT INTO client (id, phone, invitation_code, created_at)"
            " SELECT gen_random_uuid(), '+79990000000', 'AAAAAA', now() WHERE $1::uuid IS NOT NULL"
        ),
        "never registered",
    ),
    (
        "UPDATE sign_in_code SET guesses = 0 WHERE $1::uuid IS NOT NULL",
        "guesses",
    ),
    (
        "UPDATE allowance SET uses = '{}' WHERE $1::uuid IS NOT NULL",
        "has 0 guesses counted",
    ),
]


@pytest.mark.parametrize(("sql", "said"), PLANTED, ids=[said for _, said in PLANTED])
async def test_a_fault_planted_in_the_database_is_found(stand: Stand, sql: str, said: str) -> None:
    someone = _someone(stand.journal)
    connection = await stand.postgres.connect()
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("SET LOCAL session_replication_role = replica")  # no triggers
        await connection.execute(sql, someone.id)
        facts = await checker.facts(connection)
    finally:
        await transaction.rollback()
        await connection.close()
    assert any(said in finding for finding in checker.check(stand.journal, facts, keys=stand.keys))


async def test_ended_session_that_is_still_stored_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        next(iter(_someone(journal).sessions.values())).life = Life.ENDED

    assert any(finding.endswith("is there") for finding in await _found(stand, plant))


async def test_deleted_client_that_is_still_stored_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        _someone(journal).deleted = {True}

    assert any(finding.endswith("is not deleted") for finding in await _found(stand, plant))


async def test_an_event_without_a_change_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        journal.received.add("00000000-0000-0000-0000-000000000000")

    assert any("its change does not exist" in finding for finding in await _found(stand, plant))


async def test_a_code_accepted_twice_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        next(code for code in journal.codes.values() if code.accepted).accepted = 2

    assert any("was accepted 2 times" in finding for finding in await _found(stand, plant))


async def test_code_that_was_refused_before_it_was_used_up_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        journal.used_up.add(_someone(journal).invitation_code or "")

    assert any("was refused as used up after" in finding for finding in await _found(stand, plant))


async def test_unanswered_registration_without_its_invitation_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        person = next(one for one in journal.people if one.inviters == {None} and one.sessions)
        person.id, person.registering, person.inviters = None, True, {"AAAAAA"}

    assert any("is registered, and has applied" in found for found in await _found(stand, plant))


async def test_accepted_code_that_was_not_consumed_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        for code in journal.codes.values():
            code.accepted = 1

    assert any("is still there" in finding for finding in await _found(stand, plant))


async def test_event_that_was_never_sent_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        following, subscription = _told(journal)
        following.known.remove(subscription.heard[0])

    assert any("was never told that" in finding for finding in await _found(stand, plant))


async def test_connected_subscriber_without_an_event_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        _, subscription = _told(journal)
        del subscription.heard[0]
        assert subscription.until
        subscription.until += timedelta(minutes=1)

    assert any("who was connected" in finding for finding in await _found(stand, plant))


async def test_event_that_never_happened_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        following, _ = _told(journal)
        following.known.add(next(iter(journal.following)))

    assert any("who never came" in finding for finding in await _found(stand, plant))


async def test_event_that_was_sent_twice_is_found(stand: Stand) -> None:
    def plant(journal: Journal) -> None:
        _, subscription = _told(journal)
        subscription.heard.append(subscription.heard[0])

    assert any("was told 2 times that" in finding for finding in await _found(stand, plant))


UNAVAILABLE = b'{"errors":[{"extensions":{"code":"SERVICE_UNAVAILABLE"}}]}'


@pytest.mark.parametrize(
    ("status", "header", "body", "wrong"),
    [
        (b"503", b"Retry-After: 1", UNAVAILABLE, False),
        (b"503", b"X-Request-ID: 1", UNAVAILABLE, True),
        (b"500", b"Retry-After: 1", UNAVAILABLE, True),
        (b"502", b"Retry-After: 1", b"Bad Gateway", True),
    ],
)
async def test_an_answer_that_no_server_may_give_is_found(
    status: bytes, header: bytes, body: bytes, *, wrong: bool
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [b"HTTP/1.1 %b No" % status, header, b"Content-Length: %d" % len(body), b"", body]
        writer.write(b"\r\n".join(lines))
        await writer.drain()
        writer.close()

    record = Record()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        connection = Connection([server.sockets[0].getsockname()[1]], record, first=0)
        with pytest.raises(UnknownError):
            await connection.ask("{ me { id } }", address="10.0.0.1")
        connection.close()
    assert bool(record.wrong) == wrong


def test_late_response_is_found() -> None:
    record = Record()
    record.note(time.monotonic() - 16, "answered")
    assert record.wrong == ["an answer took 16.0 s (answered)"]


async def test_a_database_that_stalls_is_not_ready_within_moments(stand: Stand) -> None:
    url = f"http://127.0.0.1:{stand.servers[0].port}/readyz"
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        assert (await http.get(url)).status_code == 200
        stand.proxy.stall()
        try:
            began = time.monotonic()
            assert (await http.get(url)).status_code == 503
            assert time.monotonic() - began < 5
        finally:
            stand.proxy.heal()


async def test_a_connection_whose_other_end_is_gone_is_noticed_by_the_system(stand: Stand) -> None:
    async with TortoiseContext() as context:
        await context.init(serving_config(_settings(stand)).tortoise)
        async with get_connection("default").acquire_connection() as connection:
            opened = connection._transport.get_extra_info("socket")  # noqa: SLF001 (has no public name)
            assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 2
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000


async def test_no_request_waits_for_a_statement_to_be_cancelled(stand: Stand) -> None:
    """The cancellation takes until the database answers again."""
    async with TortoiseContext() as context:
        await context.init(serving_config(_settings(stand)).tortoise)
        watch = asyncio.create_task(connections.enforce_deadlines())
        await fetch("SELECT 1")
        stand.proxy.stall()
        began = time.monotonic()
        try:
            for one in (nullcontext(), ConnectionScope()):
                with pytest.raises(TimeoutError), deadline(timedelta(seconds=0.5)):
                    async with one:
                        await fetch("SELECT 1")
        finally:
            took = time.monotonic() - began
            stand.proxy.heal()
        watch.cancel()
        assert took < 3
        assert [row["one"] for row in await fetch("SELECT 1 AS one")] == [1]


async def test_silent_connections_are_removed_from_the_pool(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their client has given up waiting; new connections replace them."""
    monkeypatch.setattr(pool_module, "_CANCEL_TIMEOUT", timedelta(seconds=0.3))
    async with TortoiseContext() as context:
        await context.init(serving_config(_settings(stand)).tortoise)
        await fetch("SELECT 1")
        pool = await current_pool()
        assert len(pool.open) == 1
        stand.proxy.stall()
        try:
            left = asyncio.create_task(fetch("SELECT 1"))
            await asyncio.sleep(0.1)
            left.cancel()
            await asyncio.sleep(1)
            assert not pool.open
        finally:
            stand.proxy.heal()


def _settings(stand: Stand) -> Settings:
    return Settings(
        _env_file=None,
        database_url=stand.settings["DATABASE_URL"],
        secret_key=stand.settings["SECRET_KEY"],
        sms_urls=("simulated://",),
    )


def _someone(journal: Journal) -> Person:
    """Choose a client whose state is certain: registered, invited by another, and signed in."""
    codes = {person.invitation_code for person in journal.people} - {None}
    return next(
        person
        for person in journal.people
        if person.deleted == {False}
        and person.inviters < codes
        and all(session.life is Life.ALIVE for session in person.sessions.values())
    )


def _told(journal: Journal) -> tuple[Following, Subscription]:
    """Choose a subscriber whose first event is about a client who still exists."""
    there = {person.id for person in journal.people if person.deleted == {False}}
    return next(
        (following, subscription)
        for following in journal.following.values()
        for subscription in following.subscriptions
        if subscription.heard and subscription.heard[0] in there
    )


async def _found(stand: Stand, plant: Callable[[Journal], Any] | None = None) -> list[str]:
    facts = await checker.read(stand.postgres)
    journal = deepcopy(stand.journal)  # after the facts: a late delivery is in one of the two
    if plant:
        plant(journal)
    return checker.check(journal, facts, keys=stand.keys)
