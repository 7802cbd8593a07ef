"""The operator's backend may refuse a registration; without a valid answer, nobody registers."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from connect_hub.app import create_app
from connect_hub.database.connections import fetch
from connect_hub.security.keys import load_keys
from connect_hub.settings import Rate, Settings
from connect_hub.sms import SimulatedSender
from connect_hub.webhooks import signing
from connect_hub.webhooks.registration_hook import RegistrationHook
from tests.support import receivers
from tests.support.hub import Hub, changed, wrong
from tests.support.receivers import Receiver

PHONE = "+79995550001"
REGISTER = """mutation($phone: String!, $code: String!, $invitation: String) {
  register(phone: $phone, code: $code, invitationCode: $invitation) {
    __typename
    ... on SignedIn { client { id } }
    ... on UserError { message }
  }
}"""
UNCHECKED = "The registration could not be checked; try again in a minute."


def says(**content: Any) -> receivers.Answer:
    return receivers.status(200, json.dumps(content).encode())


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receivers.receiving() as receiver:
        receiver.answer = says(allow=True)
        yield receiver


@pytest.fixture
async def asking(
    hub: Hub,
    receiver: Receiver,
    settings: Settings,
    sender: SimulatedSender,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Hub]:
    """Serve beside the other server, on the same database, and ask the receiver."""
    assert hub  # has emptied the tables
    with_hook = settings.model_copy(update={"before_register_url": receiver.url})
    hook = RegistrationHook.of(with_hook, load_keys(settings))
    assert hook
    monkeypatch.setattr(RegistrationHook, "of", lambda *_: hook)
    transport = httpx.ASGITransport(create_app(with_hook, sender), raise_app_exceptions=False)
    async with (
        hook.running(),  # as the lifespan does, which would open another pool
        httpx.AsyncClient(transport=transport, base_url="http://hub") as http,
    ):
        yield Hub(http)


async def register(hub: Hub, code: str, *, invitation: str | None = None) -> Any:
    answer = await hub.post(
        REGISTER,
        phone=PHONE,
        code=code,
        invitation=invitation,
        headers={"User-Agent": "An app 1.0"},
    )
    return answer.json()["data"]["register"]


async def test_the_hook_is_asked_with_a_signature_what_it_needs_to_decide(
    asking: Hub, receiver: Receiver, settings: Settings
) -> None:
    owner = await asking.person()
    receiver.requests.clear()
    code = await asking.code_for(PHONE)
    answer = await register(asking, code, invitation=owner.invitation_code)

    assert answer["__typename"] == "SignedIn"
    (request,) = receiver.requests
    secret, *_ = signing.secrets_of(receiver.url, keys=load_keys(settings))
    asked = Webhook(signing.printable_secret(secret)).verify(request.body, request.headers)
    assert asked["type"] == "before_register"
    assert asked["data"].pop("network").startswith("10.0.0.")
    assert asked["data"] == {
        "phone": PHONE,
        "country": "RU",
        "inviter": owner.id,
        "campaign": None,
        "user_agent": "An app 1.0",
    }


async def test_a_refusal_shows_the_message_and_leaves_the_code_valid(
    asking: Hub, receiver: Receiver
) -> None:
    receiver.answer = says(allow=False, message="Not\x00 you,\u202e\nAnn.")
    code = await asking.code_for(PHONE)
    before = await fetch("SELECT * FROM sign_in_code")
    answer = await register(asking, code)

    assert answer == {"__typename": "RegistrationRefusedError", "message": "Not you, Ann."}
    assert await fetch("SELECT * FROM sign_in_code") == before
    assert not await fetch("SELECT FROM client")
    receiver.answer = says(allow=True)
    assert (await register(asking, code))["__typename"] == "SignedIn"


async def test_a_long_message_is_cut(asking: Hub, receiver: Receiver) -> None:
    receiver.answer = says(allow=False, message="é" * 500)
    answer = await register(asking, await asking.code_for(PHONE))
    assert answer["message"] == "é" * 200


@pytest.mark.parametrize(
    "answer",
    [
        receivers.status(500, b'{"allow": true}'),
        receivers.status(302, Location="http://127.0.0.1:1/"),
        receivers.status(204),
        receivers.status(200, b"true"),
        receivers.status(200, b'{"allow": "true"}'),
        receivers.status(200, b'{"allow": 1}'),
        receivers.status(200, b'{"allow": "false"}'),
        receivers.status(200, b'[{"allow": true}]'),
        receivers.status(200, b'{"allow": false, "allow": true}'),
        receivers.status(200, b'{"allow": true, "score": NaN}'),
        receivers.status(200, b'{"allow": true} {"allow": false}'),
        receivers.status(200, b'{"allow": true, "message": "\xff"}'),
        receivers.status(200, b"[" * 4000),
        receivers.status(200, b'{"a":' * 800),
        receivers.status(200, b'{"allow": true, "filler": "' + b"x" * 5000 + b'"}'),
        receivers.respond(b"garbage\r\n\r\n"),
        receivers.respond(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"allow": true}'),
        receivers.stall,
        receivers.die,
    ],
)
async def test_without_a_valid_answer_nobody_registers(
    asking: Hub, receiver: Receiver, answer: receivers.Answer
) -> None:
    receiver.answer = answer
    code = await asking.code_for(PHONE)

    assert await register(asking, code) == {
        "__typename": "RegistrationRefusedError",
        "message": UNCHECKED,
    }
    assert not await fetch("SELECT FROM client")
    receiver.answer = says(allow=True)
    assert (await register(asking, code))["__typename"] == "SignedIn"


async def test_the_hook_is_asked_three_times_for_a_code(asking: Hub, receiver: Receiver) -> None:
    receiver.answer = says(allow=False)
    code = await asking.code_for(PHONE)
    messages = {(await register(asking, code))["message"] for _ in range(3)}
    assert UNCHECKED not in messages
    assert (await register(asking, code))["message"] == UNCHECKED
    assert len(receiver.requests) == 3


async def test_parallel_calls_for_one_code_are_limited_too(asking: Hub, receiver: Receiver) -> None:
    receiver.answer = says(allow=False)
    code = await asking.code_for(PHONE)
    await asyncio.gather(*(register(asking, code) for _ in range(8)))
    assert len(receiver.requests) <= 3


async def test_at_most_twenty_calls_are_open_and_others_are_refused_at_once(
    asking: Hub, receiver: Receiver
) -> None:
    receiver.answer = receivers.stall
    phones = [f"+7999444{number:04}" for number in range(30)]
    codes = [await asking.code_for(phone) for phone in phones]
    answers = await asyncio.gather(*map(asking.register, phones, codes))

    assert {answer["message"] for answer in answers} == {UNCHECKED}
    assert receiver.most_open == 20


async def test_no_connection_is_held_while_the_hook_is_silent(
    asking: Hub, receiver: Receiver
) -> None:
    receiver.answer = receivers.stall
    phones = [f"+7999444{number:04}" for number in range(20)]
    codes = [await asking.code_for(phone) for phone in phones]
    registering = asyncio.gather(*map(asking.register, phones, codes))
    await receiver.wait_for(20)
    (row,) = await fetch(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'connect-hub' AND state <> 'idle' AND pid <> pg_backend_pid()"
    )
    assert row["count"] == 0
    assert await asyncio.wait_for(asking.code_for(PHONE), 1)
    await registering


async def test_a_wrong_code_and_a_registered_phone_are_refused_without_the_hook(
    asking: Hub, receiver: Receiver
) -> None:
    ann = await asking.person(PHONE)
    receiver.requests.clear()
    code = await asking.code_for(PHONE)
    assert (await register(asking, wrong(code)))["__typename"] == "InvalidCodeError"
    assert (await register(asking, code))["__typename"] == "PhoneAlreadyRegisteredError"
    assert (await asking.login(PHONE, code))["client"]["id"] == ann.id
    assert receiver.requests == []


async def test_an_unknown_invitation_is_refused_without_the_hook(
    asking: Hub, receiver: Receiver
) -> None:
    answer = await register(asking, await asking.code_for(PHONE), invitation="ZZZZZZ")
    assert answer["__typename"] == "InvitationCodeNotFoundError"
    assert receiver.requests == []


async def test_a_refused_registration_does_not_count_as_an_unknown_invitation(
    asking: Hub, receiver: Receiver, settings: Settings
) -> None:
    owner = await asking.person()
    receiver.answer = says(allow=False)
    with changed(settings, unknown_invitations=(Rate(1, timedelta(days=1)),)):
        code = await asking.code_for(PHONE)
        for _ in range(2):
            answer = await register(asking, code, invitation=owner.invitation_code)
            assert answer["__typename"] == "RegistrationRefusedError"
