"""Events reach real receivers, which accept, refuse, stall, die or answer garbage."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette

from connect_hub import webhooks
from connect_hub.database.connections import fetch
from connect_hub.security.keys import Keys, new_secret
from connect_hub.settings import Settings
from connect_hub.webhooks import deliveries, endpoints, signing, worker
from tests.support import receivers
from tests.support.hub import Hub, counted_statements, pass_time
from tests.support.receivers import Receiver

HOUR, DAY = 3600, 86400


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receivers.receiving() as receiver:
        yield receiver


def keys_of(settings: Settings) -> Keys:
    assert settings.secret_key
    return Keys(settings.secret_key.get_secret_value())


def sending_to(settings: Settings, *urls: str, keys: Keys | None = None) -> Any:
    """Run what a server with these WEBHOOK_URLS runs."""
    changed = Settings(**{**dict(settings), "webhook_urls": ",".join(urls), "_env_file": None})
    return webhooks.delivering(changed, keys or keys_of(settings))


async def registered(*urls: str) -> None:
    """Know endpoints before any server runs, so that events are written for them."""
    await endpoints.register(Settings(_env_file=None, webhook_urls=",".join(urls)).webhook_urls)


async def waiting() -> list[Any]:
    return await fetch("SELECT * FROM webhook_delivery ORDER BY created_at")


async def until_sent() -> None:
    await until_found("SELECT WHERE NOT EXISTS (SELECT FROM webhook_delivery)")


async def until_found(sql: str, *values: object) -> None:
    """Wait until a statement finds a row."""
    async with asyncio.timeout(20):
        while not await fetch(sql, *values):  # noqa: ASYNC110 (others write the row)
            await asyncio.sleep(0.05)


async def until_failed(attempts: int) -> None:
    await until_found("SELECT FROM webhook_delivery WHERE attempts = $1", attempts)


async def state() -> Any:
    (row,) = await fetch("SELECT * FROM webhook_endpoint")
    return row


async def test_events_arrive_signed_and_are_then_no_longer_kept_for_delivery(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    await registered(receiver.url)
    ann = await hub.person()
    async with sending_to(settings, receiver.url):
        await receiver.wait_for(2)
        await until_sent()

    secret = signing.printable_secret(signing.secrets_of(receiver.url, keys=keys_of(settings))[0])
    for request in receiver.requests:
        event = Webhook(secret).verify(request.body, request.headers)
        assert event["data"]["client"] == ann.id
        assert event["data"]["actor"] == "client"
        assert request.headers["content-type"] == "application/json"
        assert ann.phone[1:] not in request.body.decode()
    assert {request.type for request in receiver.requests} == {
        "client.registered",
        "session.started",
    }
    rows = await fetch("SELECT id FROM event")
    assert {str(row["id"]) for row in rows} == {request.id for request in receiver.requests}


async def test_both_keys_sign_while_secret_key_is_changed(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    old, new = new_secret(), new_secret()
    await registered(receiver.url)
    await hub.person()
    async with sending_to(settings, receiver.url, keys=Keys(f"{new},{old}")):
        (request, *_) = await receiver.wait_for(1)

    for secret in (old, new):
        own = signing.printable_secret(signing.secrets_of(receiver.url, keys=Keys(secret))[0])
        assert Webhook(own).verify(request.body, request.headers)
    other = signing.printable_secret(signing.secrets_of("http://other/", keys=Keys(new))[0])
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(request.body, request.headers)


async def test_an_endpoint_gets_only_its_types(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    url = f"{receiver.url}#session.ended"
    await registered(url)
    ann = await hub.person()
    await ann.end_this()
    async with sending_to(settings, url):
        await receiver.wait_for(1)
        await until_sent()

    assert [request.type for request in receiver.requests] == ["session.ended"]
    assert receiver.requests[0].content["data"]["reason"] == "signed_out"


async def test_endpoints_are_known_before_the_first_request_is_served(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    await registered(receiver.url)
    await pass_time(2 * DAY)  # in which no server ran
    async with sending_to(settings, receiver.url):
        assert await fetch("SELECT FROM webhook_endpoint WHERE seen_at > now() - interval '1 hour'")
        await hub.person()
        await receiver.wait_for(2)


@pytest.mark.parametrize(
    "answer",
    [
        receivers.status(500),
        receivers.status(302, Location="http://127.0.0.1:1/"),
        receivers.respond(b"garbage\r\n\r\n"),
        receivers.respond(b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000),
        receivers.die,
    ],
)
async def test_a_failed_attempt_is_repeated_with_the_same_id(
    hub: Hub, settings: Settings, receiver: Receiver, answer: Any
) -> None:
    url = f"{receiver.url}#client.registered"
    await registered(url)
    await hub.person()
    receiver.answer = answer
    async with sending_to(settings, url):
        await receiver.wait_for(1)
        await until_failed(1)
        (row,) = await waiting()
        assert (await state())["failing_since"]
        receiver.answer = receivers.status(200)
        await pass_time(7)
        await receiver.wait_for(2)
        await until_sent()

    assert row["attempts"] == 1
    assert len({request.id for request in receiver.requests}) == 1
    assert (await state())["failing_since"] is None


async def test_success_with_any_body_counts(
    hub: Hub, settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a body without an end, 4 KiB are read; one that stalls ends with the attempt."""
    monkeypatch.setattr("connect_hub.webhooks.worker.ATTEMPT_TIMEOUT", timedelta(seconds=0.5))
    await registered(receiver.url)
    await hub.person()
    answers = iter(
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 10_000,
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx",
        ]
    )

    async def answer(_: receivers.Received) -> bytes:
        return next(answers)

    receiver.answer = answer
    async with sending_to(settings, receiver.url):
        await until_sent()

    assert len(receiver.requests) == 2


async def test_the_delays_grow_until_the_event_has_failed_and_retry_sends_it_again(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    url = f"{receiver.url}#client.registered"
    receiver.answer = receivers.status(503)
    await registered(url)
    await hub.person()
    delays = []
    async with sending_to(settings, url):
        for attempt in range(1, 9):
            await until_failed(attempt)
            (row,) = await fetch("SELECT due_at - now() AS delay FROM webhook_delivery")
            if row["delay"] is not None:
                delays.append(row["delay"].total_seconds())
                await fetch("UPDATE webhook_delivery SET due_at = now()")
        receiver.answer = receivers.status(200)
        await fetch("UPDATE webhook_delivery SET due_at = due_at - interval '1 day'")
        assert await deliveries.retry_failed() == 1
        await until_sent()

    expected = [5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR]
    assert len(delays) == len(expected)
    for delay, least in zip(delays, expected, strict=True):
        assert least - 3 <= delay <= least * 1.2 + 1
    assert len({request.id for request in receiver.requests}) == 1
    assert len(receiver.requests) == 9


async def test_retry_after_is_honoured_for_the_whole_endpoint(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    receiver.answer = receivers.status(429, Retry_After="3600")
    await registered(receiver.url)
    await hub.person()
    async with sending_to(settings, receiver.url):
        await receiver.wait_for(2)
        await until_failed(1)
        receiver.answer = receivers.status(200)
        await hub.person()
        await asyncio.sleep(1)
        assert len(receiver.requests) == 2
        assert (await state())["paused_until"] > datetime.now(UTC) + timedelta(minutes=55)
        await pass_time(HOUR + 1)
        await until_sent()


@pytest.mark.parametrize(
    "value",
    [
        "99999999999999999999",
        "-1",
        "soon",
        "Sat, 99 Nov 2026",
        "",
        "Sat, 28 Nov 99999999999999999999 10:00:00 GMT",
        "Sat, 28 Nov 2026 10:00:00 +99999999999999999999",
        "Sat, 28 Nov 9999 10:00:00",
        "1.5",
        "\xff",
    ],
)
async def test_invalid_retry_after_neither_stops_the_endpoint_nor_breaks_anything(
    hub: Hub, settings: Settings, receiver: Receiver, value: str
) -> None:
    receiver.answer = receivers.status(503, Retry_After=value)
    await registered(f"{receiver.url}#client.registered")
    await hub.person()
    async with sending_to(settings, f"{receiver.url}#client.registered"):
        await until_failed(1)
        receiver.answer = receivers.status(200)
        await fetch("UPDATE webhook_endpoint SET paused_until = paused_until - interval '25 hours'")
        await fetch("UPDATE webhook_delivery SET due_at = due_at - interval '25 hours'")
        await until_sent()


async def test_endpoint_that_answers_410_is_disabled_and_its_events_wait(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    receiver.answer = receivers.status(410)
    url = f"{receiver.url}#client.registered"
    await registered(url)
    await hub.person()
    async with sending_to(settings, url):
        await receiver.wait_for(1)
        await until_found("SELECT FROM webhook_endpoint WHERE disabled_at IS NOT NULL")
        receiver.answer = receivers.status(200)
        await hub.person()
        await asyncio.sleep(1)
        assert len(receiver.requests) == 1
        assert [row["attempts"] for row in await waiting()] == [0, 0]
        await endpoints.enable((await state())["id"])
        await until_sent()

    assert len(receiver.requests) == 3


async def test_five_days_of_failures_disable_an_endpoint(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    receiver.answer = receivers.status(500)
    url = f"{receiver.url}#client.registered"
    await registered(url)
    await hub.person()
    async with sending_to(settings, url):
        await until_failed(1)
        await fetch(
            "UPDATE webhook_endpoint SET failing_since = now() - interval '4 days 23 hours'"
        )
        await fetch("UPDATE webhook_delivery SET due_at = now()")
        await until_failed(2)
        assert (await state())["disabled_at"] is None
        await fetch("UPDATE webhook_endpoint SET failing_since = now() - interval '5 days 1 min'")
        await fetch("UPDATE webhook_delivery SET due_at = now()")
        await until_failed(3)

    assert (await state())["disabled_at"]


async def test_dead_receiver_does_not_delay_others_and_its_requests_are_limited(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    receiver.answer = receivers.stall
    async with receivers.receiving() as other:
        await registered(receiver.url, other.url)
        await hub.people(20)
        async with sending_to(settings, receiver.url, other.url):
            await other.wait_for(40)
            await receiver.wait_for(worker.CONCURRENCY)
            await asyncio.sleep(0.5)

    assert receiver.most_open == worker.CONCURRENCY


async def test_no_connection_is_held_while_a_receiver_is_silent(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    receiver.answer = receivers.stall
    await registered(receiver.url)
    await hub.people(20)
    async with sending_to(settings, receiver.url):
        await receiver.wait_for(worker.CONCURRENCY)
        (row,) = await fetch(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'connect-hub'"
            " AND state <> 'idle' AND pid <> pg_backend_pid()"
        )
        assert row["count"] == 0


async def test_several_servers_send_each_event_once(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    await registered(receiver.url)
    await hub.people(30)
    async with (
        sending_to(settings, receiver.url),
        sending_to(settings, receiver.url),
        sending_to(settings, receiver.url),
    ):
        await until_sent()

    ids = [request.id for request in receiver.requests]
    assert len(ids) == len(set(ids)) == 60


async def test_events_of_a_killed_server_are_sent_by_another(
    hub: Hub, settings: Settings, receiver: Receiver
) -> None:
    await registered(receiver.url)
    await hub.person()
    receiver.answer = receivers.stall
    async with sending_to(settings, receiver.url):
        await receiver.wait_for(2)
    receiver.answer = receivers.status(200)
    async with sending_to(settings, receiver.url):
        await asyncio.sleep(1)
        assert len(receiver.requests) == 2  # the leases have not expired yet
        await pass_time(31)
        await until_sent()

    assert len(receiver.requests) == 4
    assert len({request.id for request in receiver.requests}) == 2


async def test_the_result_of_an_expired_lease_changes_nothing(hub: Hub, receiver: Receiver) -> None:
    (endpoint,) = Settings(_env_file=None, webhook_urls=receiver.url).webhook_urls
    await registered(receiver.url)
    await hub.person()
    slow = await deliveries.record_and_lease(endpoint, limit=1)
    await pass_time(31)
    leased = await deliveries.record_and_lease(endpoint, limit=9)
    await deliveries.record_failure(slow[0], endpoint, "HTTP 500", retry_after=None)
    await deliveries.record_gone(slow[0], endpoint, "HTTP 410")

    assert {row["due_at"] for row in await waiting()} == {each.leased_until for each in leased}
    assert {row["attempts"] for row in await waiting()} == {0}


async def test_a_server_without_endpoints_runs_no_statements(
    settings: Settings, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app
    with counted_statements(monkeypatch) as sent:
        async with webhooks.delivering(settings, keys_of(settings)):
            await asyncio.sleep(0.3)

    assert not [sql for sql in sent if "webhook" in sql]
