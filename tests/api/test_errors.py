"""Rejections by a limit say in machine-readable form which limit it is, and until when."""

from datetime import datetime, timedelta
from typing import Any

from connect_hub.database.connections import fetch
from connect_hub.database.models import Client
from connect_hub.domain import account
from connect_hub.settings import Rate, Settings
from tests.support.hub import Hub, Person, changed, pass_time, wrong

PHONE = "+79991234567"
REFUSED = """
    __typename
    ... on TooManyRequestsError {
        retryAt retryIn limit liveCode { codeLength expiresAt expiresIn }
    }
"""
REQUEST = f"mutation($phone: String!) {{ answer: requestCode(phone: $phone) {{ {REFUSED} }} }}"
LOGIN = f"""mutation($phone: String!, $code: String!) {{
    answer: login(phone: $phone, code: $code) {{ {REFUSED} }}
}}"""
APPLY = f"mutation($code: String!) {{ answer: applyInvite(invitationCode: $code) {{ {REFUSED} }} }}"


async def refused(hub: Hub, query: str, **variables: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await hub.data(query, **variables))["answer"]
    assert answer["__typename"] == "TooManyRequestsError"
    return answer


def reveals_no_code(answer: dict[str, Any]) -> bool:
    return answer["liveCode"] is None


async def test_resend_wait_shows_the_live_code(hub: Hub) -> None:
    sent = await hub.request_code(PHONE)
    answer = await refused(hub.at("192.0.2.1"), REQUEST, phone=PHONE)
    assert answer["limit"] == "RESEND_WAIT"
    assert (answer["retryAt"], answer["retryIn"]) == (sent["resendAt"], 30)
    assert answer["liveCode"] == {
        "codeLength": 4,
        "expiresAt": sent["expiresAt"],
        "expiresIn": 299,
    }


async def test_resend_wait_shows_the_long_code(hub: Hub, settings: Settings) -> None:
    with changed(settings, guesses_per_phone=(Rate(1, timedelta(days=1)),)):
        await hub.login(PHONE, wrong(await hub.code_for(PHONE)))
        assert reveals_no_code(await refused(hub, REQUEST, phone=PHONE))  # the short one is void
        await pass_time(30)
        await hub.request_code(PHONE)
        assert (await refused(hub, REQUEST, phone=PHONE))["liveCode"]["codeLength"] == 8


async def test_resend_wait_does_not_show_a_guessed_or_expired_code(hub: Hub) -> None:
    code = await hub.code_for(PHONE)
    for _ in range(3):
        await hub.login(PHONE, wrong(code))
    answer = await refused(hub, REQUEST, phone=PHONE)
    assert answer["limit"] == "RESEND_WAIT"
    assert reveals_no_code(answer)
    await hub.request_code("+79990000000")
    await fetch("UPDATE sign_in_code SET expires_at = now()")
    assert reveals_no_code(await refused(hub, REQUEST, phone="+79990000000"))


async def test_resend_wait_is_the_same_for_registered_and_unregistered_phones(hub: Hub) -> None:
    known, unknown = "+79990000001", "+79990000002"
    await hub.person(known)
    answers = []
    for phone in (known, unknown):
        await hub.request_code(phone)
        answer = await refused(hub, REQUEST, phone=phone)
        for moments in (answer, answer["liveCode"]):
            for name in ("retryAt", "expiresAt"):
                moments.pop(name, None)
        answers.append(answer)
    assert answers[0] == answers[1]


async def test_only_resend_wait_reveals_a_live_code(hub: Hub, settings: Settings) -> None:
    once = (Rate(1, timedelta(hours=1)),)
    for setting, limit in {
        "sends_per_phone": "SENDS",
        "sends_per_address": "NETWORK",
        "sends_total": "SERVER",
    }.items():
        await fetch("DELETE FROM allowance")
        await fetch("DELETE FROM sign_in_code")
        one = hub.at("192.0.2.1")
        with changed(settings, **{setting: once}):
            await one.request_code(PHONE)
            answer = await refused(one, REQUEST, phone=PHONE)
        assert answer["limit"] == limit
        assert 3590 < answer["retryIn"] <= 3600
        assert reveals_no_code(answer)


async def test_limits_of_a_network_and_a_client_are_distinct(hub: Hub) -> None:
    ann = await hub.person()
    one = hub.at("192.0.2.1")
    for _ in range(30):
        await one.login(PHONE, "1234")
    assert (await refused(one, LOGIN, phone=PHONE, code="1234"))["limit"] == "GUESSES"
    for _ in range(10):
        await ann.apply("ABC234")
    assert (await _applied(ann))["limit"] == "INVITATIONS"


async def _applied(person: Person) -> dict[str, Any]:
    return await refused(person.hub, APPLY, token=person.token, code="ABC234")


async def test_only_the_right_code_reveals_that_a_client_is_blocked(hub: Hub) -> None:
    ann = await hub.person()
    await account.block(await Client.get(id=ann.id))
    code = await hub.code_for(ann.phone)
    assert (await hub.login(ann.phone, wrong(code)))["__typename"] == "InvalidCodeError"
    answer = await refused(hub, LOGIN, phone=ann.phone, code=code)
    assert (answer["limit"], answer["retryIn"]) == ("BLOCKED", 86400)


async def test_suspicious_numbers_are_refused_as_a_limit_of_the_server(
    hub: Hub, settings: Settings
) -> None:
    with changed(settings, pumping_guard="block"):
        await hub.request_code(PHONE)
        await fetch("UPDATE number_block SET sent = 300, alarmed_at = now()")
        answer = await refused(hub, REQUEST, phone="+79991234568")
    assert answer["limit"] == "SERVER"
    assert 3590 < answer["retryIn"] <= 3600
    assert reveals_no_code(answer)


async def test_retry_in_is_never_too_early(hub: Hub) -> None:
    await hub.request_code(PHONE)
    await pass_time(28.5)
    answer = await refused(hub, REQUEST, phone=PHONE)
    left = datetime.fromisoformat(answer["retryAt"]) - datetime.now().astimezone()
    assert answer["retryIn"] == 2
    assert left < timedelta(seconds=2)
