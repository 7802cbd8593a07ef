"""Timestamps come with the seconds until then, for devices whose clocks are wrong."""

import re
from datetime import datetime, timedelta
from typing import Any

from connect_hub.database.connections import fetch
from connect_hub.settings import Settings
from tests.support.documentation import REPOSITORY
from tests.support.hub import Hub, changed, pass_time

PHONE = "+79991234567"
REQUEST = """mutation($phone: String!) { requestCode(phone: $phone) {
    ... on CodeSent { smsCode expiresAt expiresIn resendAt resendIn }
    ... on TooManyRequestsError { retryAt retryIn }
} }"""
REGISTER = """mutation($phone: String!, $code: String!) { register(phone: $phone, code: $code) {
    ... on SignedIn { expiresAt expiresIn refreshToken }
} }"""
REFRESH = """mutation($refreshToken: String!) { refreshSession(refreshToken: $refreshToken) {
    ... on SignedIn { expiresAt expiresIn }
} }"""
SCHEMA = (REPOSITORY / "schema.graphql").read_text()


async def request_code(hub: Hub) -> dict[str, Any]:
    answer: dict[str, Any] = (await hub.data(REQUEST, phone=PHONE))["requestCode"]
    return answer


async def database_time() -> datetime:
    (row,) = await fetch("SELECT clock_timestamp() AS now")
    now: datetime = row["now"]
    return now


def until(moment: str, now: datetime) -> float:
    return (datetime.fromisoformat(moment) - now).total_seconds()


async def test_sent_code_has_seconds_by_the_database_clock(hub: Hub) -> None:
    before = await database_time()
    sent = await request_code(hub)
    after = await database_time()
    assert (
        until(sent["expiresAt"], after) - 1 < sent["expiresIn"] <= until(sent["expiresAt"], before)
    )
    assert until(sent["resendAt"], after) <= sent["resendIn"] < until(sent["resendAt"], before) + 1
    assert (sent["expiresIn"], sent["resendIn"]) == (299, 30)


async def test_code_sent_again_has_its_remaining_seconds(hub: Hub) -> None:
    await request_code(hub)
    await pass_time(100)
    sent = await request_code(hub)
    assert (sent["expiresIn"], sent["resendIn"]) == (199, 60)


async def test_client_that_waits_the_seconds_is_never_too_early(
    hub: Hub, settings: Settings
) -> None:
    with changed(settings, resend_after=(timedelta(seconds=1.5),)):
        wait = (await request_code(hub))["resendIn"]
        assert wait == 2
        await pass_time(0.7)
        wait = (await request_code(hub))["retryIn"]
        assert wait == 1
        await pass_time(wait)
        assert "smsCode" in await request_code(hub)


async def test_access_token_has_its_lifetime_in_seconds(hub: Hub) -> None:
    code = (await request_code(hub))["smsCode"]
    signed_in = (await hub.data(REGISTER, phone=PHONE, code=code))["register"]
    refreshed = (await hub.data(REFRESH, refreshToken=signed_in["refreshToken"]))["refreshSession"]
    for answer in (signed_in, refreshed):
        assert 3598 <= answer["expiresIn"] <= 3600
        assert answer["expiresIn"] <= until(answer["expiresAt"], datetime.now().astimezone()) + 1


def test_each_time_in_a_result_has_its_seconds() -> None:
    for body in re.findall(r"^type \w+[^{]*{(.*?)^}", SCHEMA, re.MULTILINE | re.DOTALL):
        for name in re.findall(
            r"^  (\w*(?:[eE]xpires|resend|retry))At: DateTime", body, re.MULTILINE
        ):
            assert f"  {name}In: Int" in body


def test_no_object_has_the_same_id_in_two_types() -> None:
    """Relay takes an id for one object; a viewer meets no person as both kinds of client."""
    with_id = {
        name
        for name, body in re.findall(r"^type (\w+)[^{]*{(.*?)^}", SCHEMA, re.MULTILINE | re.DOTALL)
        if re.search(r"^  id: ID!(?! @deprecated)", body, re.MULTILINE)
    }
    assert with_id == {"Client", "InvitedClient", "Session"}


async def test_ended_session_is_named_by_session_id(hub: Hub) -> None:
    ann = await hub.person()
    (session,) = await ann.sessions()
    query = "mutation { endSession { ... on SessionEnded { sessionId id } } }"
    ended = (await hub.data(query, token=ann.token))["endSession"]
    assert ended == {"sessionId": session["id"], "id": session["id"]}
