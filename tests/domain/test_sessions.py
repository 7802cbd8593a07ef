import asyncio
import hmac
import json
import socket
from base64 import urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from connect_hub.database.connections import fetch
from connect_hub.database.models import Client
from connect_hub.database.url import parse_url
from connect_hub.domain import cleanup, sessions
from connect_hub.domain.refusals import InvalidCode
from connect_hub.security.keys import Keys, new_secret
from connect_hub.settings import Settings
from tests.support.hub import (
    CLIENT,
    EVENTS_KEPT,
    ME,
    REFRESH,
    Hub,
    Person,
    counted_statements,
    pass_time,
)
from tests.support.processes import serving

MINUTE, HOUR, DAY = 60, 3600, 86400


def _name(answer: Any) -> str:
    name: str = answer["__typename"]
    return name


async def _generations() -> list[int]:
    return [row["generation"] for row in await fetch("SELECT generation FROM session")]


async def test_a_refresh_gives_a_new_pair_for_the_same_client(hub: Hub) -> None:
    person = await hub.person()
    first_token, first_refresh = person.token, person.refresh_token
    answer = await person.refresh()
    assert answer["client"] == await person.me()
    assert person.refresh_token != first_refresh
    assert person.token != first_token
    assert await person.works()
    assert await _generations() == [1]


async def test_old_access_token_stays_valid_after_a_refresh(hub: Hub) -> None:
    person = await hub.person()
    former = person.token
    await person.refresh()
    await person.refresh()
    person.token = former
    assert await person.works()


async def test_refreshing_does_not_look_at_the_bearer_token(hub: Hub) -> None:
    person = await hub.person()
    for token in ("bad", person.token):
        answer = await hub.data(REFRESH + CLIENT, token=token, refreshToken=person.refresh_token)
        assert _name(answer["refreshSession"]) == "SignedIn"


async def test_concurrent_refreshes_all_succeed_and_any_token_can_be_refreshed(hub: Hub) -> None:
    person = await hub.person()
    token = person.refresh_token
    answers = await asyncio.gather(*(person.refresh(token) for _ in range(20)))
    assert {_name(answer) for answer in answers} == {"SignedIn"}
    assert len({answer["refreshToken"] for answer in answers}) == 20
    assert await _generations() == [1]
    for answer in answers:
        person.token = answer["accessToken"]
        assert await person.works()
    assert _name(await person.refresh(answers[7]["refreshToken"])) == "SignedIn"
    assert await person.works()


async def test_refresh_whose_response_was_lost_can_be_repeated_an_hour_later(hub: Hub) -> None:
    person = await hub.person()
    await person.refresh(first := person.refresh_token)
    await pass_time(HOUR)
    with capture_logs() as logged:
        again = await person.refresh(first)
    assert _name(again) == "SignedIn"
    assert await person.works()
    (line,) = (line for line in logged if line["event"] == "refresh token used again")
    assert line["client"] == person.id
    assert first not in str(line)


@pytest.mark.parametrize("seen_by", ["access token", "refresh token"])
async def test_old_refresh_token_is_a_replay_once_its_successor_was_seen(
    hub: Hub, seen_by: str
) -> None:
    person = await hub.person()
    await person.refresh(first := person.refresh_token)
    if seen_by == "access token":
        assert await person.works()
        await pass_time(31)
    else:
        await person.refresh()  # which makes the first one two generations old
    with capture_logs() as logged:
        assert _name(await person.refresh(first)) == "InvalidRefreshTokenError"
    (line,) = (line for line in logged if "replayed" in line["event"])
    assert line["log_level"] == "warning"
    assert line["client"] == person.id
    assert first not in str(line)
    assert not await person.works()
    assert _name(await person.refresh()) == "InvalidRefreshTokenError"
    assert await _generations() == []


async def test_old_refresh_token_is_accepted_for_half_a_minute_after_its_successor_was_seen(
    hub: Hub,
) -> None:
    person = await hub.person()
    await person.refresh(first := person.refresh_token)
    assert await person.works()
    await pass_time(25)
    second = await person.refresh(first)
    assert _name(second) == "SignedIn"
    await pass_time(6)  # which a second use has not made longer
    assert _name(await person.refresh(first)) == "InvalidRefreshTokenError"


async def test_tokens_of_a_former_generation_do_not_make_the_present_one_seen(hub: Hub) -> None:
    person = await hub.person()
    former, first = person.token, person.refresh_token
    await person.refresh()
    person.token = former
    await pass_time(2 * MINUTE)
    assert await person.works()
    assert (await fetch("SELECT seen_at FROM session"))[0]["seen_at"] is None
    await pass_time(HOUR)
    assert _name(await person.refresh(first)) == "SignedIn"


async def test_stolen_refresh_token_is_detected_when_its_second_user_refreshes(
    hub: Hub,
) -> None:
    owner = await hub.person()
    thief = Person(**vars(owner))
    await thief.refresh()
    assert await thief.works()
    await pass_time(50 * MINUTE)
    assert _name(await owner.refresh()) == "InvalidRefreshTokenError"
    assert not await thief.works()
    assert _name(await thief.refresh()) == "InvalidRefreshTokenError"


@pytest.mark.parametrize("apart", [0, 1, 40, 50 * MINUTE])
@pytest.mark.parametrize("first", ["thief", "owner"])
async def test_quiet_thief_is_detected_at_the_second_refresh(
    hub: Hub, apart: int, first: str
) -> None:
    owner = await hub.person()
    thief = Person(**vars(owner))
    order = [thief, owner] if first == "thief" else [owner, thief]
    for holder in order:  # neither uses its new tokens
        assert _name(await holder.refresh()) == "SignedIn"
        await pass_time(apart)
    assert _name(await order[0].refresh()) == "SignedIn"
    await pass_time(apart)
    assert _name(await order[1].refresh()) == "InvalidRefreshTokenError"
    assert not await owner.works()
    assert not await thief.works()
    assert await _generations() == []


async def test_one_of_two_concurrent_holders_ends_the_session_at_the_next_refresh(
    hub: Hub,
) -> None:
    for _ in range(20):
        owner = await hub.person()
        thief = Person(**vars(owner))
        await asyncio.gather(thief.refresh(), owner.refresh())
        answers = await asyncio.gather(thief.refresh(), owner.refresh())
        assert sorted(map(_name, answers)) == ["InvalidRefreshTokenError", "SignedIn"]
        assert not await owner.works()


async def test_a_session_that_was_moved_to_another_client_has_no_tokens(hub: Hub) -> None:
    thief, victim = await hub.people(2)
    await fetch("UPDATE session SET client_id = $1 WHERE client_id = $2", victim.id, thief.id)
    assert not await thief.works()
    assert _name(await thief.refresh()) == "InvalidRefreshTokenError"
    await fetch(
        "UPDATE session SET nonce = victims.nonce FROM session AS victims"
        " WHERE victims.id <> session.id"
    )
    assert _name(await thief.refresh()) == "InvalidRefreshTokenError"


async def test_a_nonce_that_contains_branch_and_client_does_not_move_a_session(hub: Hub) -> None:
    thief, victim = await hub.people(2)
    session_id, generation, branch, tag = thief.refresh_token.split(".")
    prefix = f"{branch}.".encode() + UUID(thief.id).bytes
    await fetch(
        "UPDATE session SET client_id = $1, nonce = $2 || nonce WHERE client_id = $3",
        victim.id,
        prefix,
        thief.id,
    )
    thief.refresh_token = f"{session_id}.{generation}.{tag}"
    assert _name(await thief.refresh()) == "InvalidRefreshTokenError"


async def test_tokens_of_the_previous_release_are_accepted(hub: Hub, settings: Settings) -> None:
    person = await hub.person()
    (row,) = await fetch("SELECT id, nonce FROM session")
    assert settings.secret_key
    (key,) = Keys(settings.secret_key.get_secret_value()).derive("refresh token")
    session_id = urlsafe_b64encode(row["id"].bytes).decode().rstrip("=")
    tag = hmac.digest(key, f"{session_id}.0.".encode() + row["nonce"], "sha256")
    old = f"{session_id}.0.{urlsafe_b64encode(tag).decode().rstrip('=')}"
    assert _name(await person.refresh(old)) == "SignedIn"
    assert len(person.refresh_token) > len(old)
    assert _name(await person.refresh(old)) == "SignedIn"
    await person.refresh()
    assert _name(await person.refresh(old)) == "InvalidRefreshTokenError"


async def test_login_ends_the_session_of_its_token(hub: Hub) -> None:
    person, other_person = await hub.people(2)
    elsewhere = await person.sign_in()
    again = await person.sign_in(Authorization=f"Bearer {person.token}")
    assert not await person.works()
    assert await again.works()
    assert await elsewhere.works()
    await fetch("DELETE FROM sign_in_code")
    await person.sign_in(Authorization=f"Bearer {other_person.token}")
    await person.sign_in(Authorization="Bearer x")
    assert await other_person.works()
    assert len(await again.sessions()) == 4


async def test_other_sessions_are_ended_only_after_a_fresh_sign_in(hub: Hub) -> None:
    thief = await hub.person()
    await pass_time(10 * MINUTE)
    owner = await thief.sign_in()
    answer = await thief.end_others()
    assert _name(answer) == "ReauthenticationRequiredError"
    assert await owner.works()
    assert (await owner.end_others())["count"] == 1
    assert not await thief.works()


def _changed(token: str, *, part: int, by: str) -> str:
    parts = token.split(".")
    parts[part] = by
    return ".".join(parts)


async def test_invalid_refresh_token_is_rejected_and_ends_no_session(hub: Hub) -> None:
    person, other_person = await hub.people(2)
    token = person.refresh_token
    await person.refresh()
    tag = token.rpartition(".")[2]
    garbage = [
        *("", ".", "..", "x", "\0", "é", "💥" * 9, "A" * 60_000),
        *(token + "=", token + "\n", f" {token}", token[:-1], token.upper()),
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        _changed(token, part=0, by=other_person.refresh_token.split(".")[0]),
        _changed(token, part=0, by=token.split(".")[0][:-1] + "\u0661"),
        *(
            _changed(token, part=1, by=by)
            for by in ("1", "2", "-1", "00", "\u0660", "9" * 9, "9" * 99)
        ),
        _changed(token, part=2, by=other_person.refresh_token.split(".")[2]),
        _changed(token, part=2, by="A" * len(tag)),
        person.token,
    ]
    for wrong in garbage:
        answer = (await hub.data(REFRESH + CLIENT, refreshToken=wrong))["refreshSession"]
        assert _name(answer) == "InvalidRefreshTokenError", wrong
    assert await person.works()
    assert await other_person.works()
    assert sorted(await _generations()) == [0, 1]


async def test_no_part_of_a_refresh_token_is_stored(hub: Hub) -> None:
    person = await hub.person()
    (row,) = await fetch("SELECT * FROM session")
    tag = person.refresh_token.rpartition(".")[2]
    assert tag not in str(row)


async def test_a_session_ends_thirty_days_after_its_last_use(hub: Hub) -> None:
    person = await hub.person()
    for _ in range(3):
        await pass_time(29 * DAY)
        assert await person.works()
    await pass_time(29 * DAY)
    await person.refresh()
    await pass_time(30 * DAY)
    assert not await person.works()
    assert _name(await person.refresh()) == "InvalidRefreshTokenError"


async def test_session_ends_180_days_after_the_sign_in_even_if_it_is_used(hub: Hub) -> None:
    person = await hub.person()
    for _ in range(17):
        await pass_time(10 * DAY)
        assert _name(await person.refresh()) == "SignedIn"
        assert await person.works()
    await pass_time(10 * DAY)
    assert not await person.works()
    assert _name(await person.refresh()) == "InvalidRefreshTokenError"


async def test_lifetimes_can_be_set(hub: Hub, settings: Settings) -> None:
    person = await hub.person()
    client = await Client.get(id=person.id)
    short = settings.model_copy(update={"session_lifetime": timedelta(hours=1)})
    session = await sessions.start(client, device="", address="local", settings=short)
    assert session.expires_at - session.created_at == timedelta(hours=1)


async def test_expired_sessions_are_swept_and_listed_nowhere(hub: Hub) -> None:
    person = await hub.person()
    await pass_time(29 * DAY)
    other = await person.sign_in()
    (first,) = [session for session in await other.sessions() if not session["current"]]
    await pass_time(2 * DAY)
    assert len(await other.sessions()) == 1
    assert _name(await other.end(first["id"])) == "SessionNotFoundError"
    newest = await person.sign_in()
    assert await newest.end_others() == {"__typename": "OtherSessionsEnded", "count": 1}
    await pass_time(40 * DAY)
    await cleanup.sweep_once(events_kept=EVENTS_KEPT)
    assert await _generations() == []


async def test_client_can_list_its_sessions(hub: Hub) -> None:
    person = await hub.person()
    await pass_time(HOUR)
    phone = await person.sign_in(**{"User-Agent": "Hub/1 (Phone)", "X-Forwarded-For": "192.0.2.7"})
    here, there = await phone.sessions()
    assert (here["current"], there["current"]) == (True, False)
    assert (here["device"], here["address"]) == ("Hub/1 (Phone)", "192.0.2.7")
    assert there["lastUsedAt"] == there["createdAt"] < here["createdAt"]
    person.hub = hub.at("2001:db8:1:2:3::4")
    there, here = await person.sessions()
    assert (there["current"], here["current"]) == (True, False)
    assert there["address"] == "2001:db8:1:2::/64"
    assert there["lastUsedAt"] > here["lastUsedAt"]


async def test_the_session_just_started_is_the_current_one(hub: Hub) -> None:
    person = await hub.person()
    query = REFRESH.replace("...Client", "sessions { current }")
    answer = await hub.data(query, refreshToken=person.refresh_token)
    assert answer["refreshSession"]["client"]["sessions"] == [{"current": True}]


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        ("", None),
        (" \t ", None),
        ("a\u00a0 \tb\x7f\x85c", "a b c"),
        ("x" * 119 + " yz", "x" * 119),
        ("x" * 5000, "x" * 120),
        ("<script>", "<script>"),
        (
            "Телефон 📱 (Ännes Gerät; 日本)".encode().decode("latin-1"),
            "Телефон 📱 (Ännes Gerät; 日本)",
        ),
        ("Ж".encode().decode("latin-1") * 200, "Ж" * 120),
        ("Gerät", "Gerät"),  # in Latin-1
        ("\u202eevil\u200b".encode().decode("latin-1"), "evil"),
        ("\xc0\xae\xff", "\xc0\xae\xff"),  # an overlong form, which is not UTF-8
    ],
)
async def test_device_is_the_printable_part_of_its_user_agent(
    hub: Hub, user_agent: str, device: str | None
) -> None:
    person = await hub.person()
    there = await person.sign_in(**{"User-Agent": user_agent})
    (current,) = (each for each in await there.sessions() if each["current"])
    assert current["device"] == device


async def test_ended_session_is_rejected_at_once(hub: Hub) -> None:
    person = await hub.person()
    other = await person.sign_in()
    (there,) = (each for each in await person.sessions() if not each["current"])
    assert await person.end(there["id"]) == {"__typename": "SessionEnded", "id": there["id"]}
    assert not await other.works()
    assert _name(await other.refresh()) == "InvalidRefreshTokenError"
    assert await person.works()
    assert _name(await person.end(there["id"])) == "SessionNotFoundError"


async def test_signing_out_ends_this_session(hub: Hub) -> None:
    person = await hub.person()
    other = await person.sign_in()
    assert _name(await person.end_this()) == "SessionEnded"
    assert not await person.works()
    assert await other.works()


async def test_all_other_sessions_are_ended_at_once(hub: Hub) -> None:
    person, other_person = await hub.people(2)
    others = [await person.sign_in() for _ in range(2)]
    assert (await person.end_others())["count"] == 2
    assert [await other.works() for other in others] == [False, False]
    assert await person.works()
    assert await other_person.works()
    assert (await person.end_others())["count"] == 0


@pytest.mark.parametrize("session_id", ["", " ", "x", "1", str(UUID(int=7)), "\0", "é" * 36])
async def test_an_unknown_session_is_not_found(hub: Hub, session_id: str) -> None:
    person = await hub.person()
    assert _name(await person.end(session_id)) == "SessionNotFoundError"
    assert await person.works()


async def test_session_of_another_client_is_not_found(hub: Hub) -> None:
    person, other_person = await hub.people(2)
    (theirs,) = await other_person.sessions()
    assert await person.end(theirs["id"]) == await person.end(str(uuid4()))
    assert await other_person.works()


async def test_twenty_first_session_replaces_the_one_longest_unused(hub: Hub) -> None:
    first = await hub.person("+79991234567")
    await pass_time(HOUR)
    second = await first.sign_in()
    for _ in range(18):
        await fetch("DELETE FROM sign_in_code")
        await fetch("DELETE FROM allowance")
        await pass_time(2 * MINUTE)
        await second.sign_in()
    assert await first.works()  # and is now the last one used
    await fetch("DELETE FROM allowance")
    last = await first.sign_in()
    assert len(await last.sessions()) == 20
    assert await first.works()
    assert not await second.works()


async def test_concurrent_sign_ins_leave_at_most_twenty_sessions(
    hub: Hub, settings: Settings
) -> None:
    person = await hub.person()
    client = await Client.get(id=person.id)
    for _ in range(5):
        await asyncio.gather(
            *(
                sessions.start(client, device="", address="local", settings=settings)
                for _ in range(30)
            )
        )
        assert len(await _generations()) == 20


async def test_client_that_changed_its_phone_meanwhile_gets_no_session(
    hub: Hub, settings: Settings
) -> None:
    person = await hub.person()
    client = await Client.get(id=person.id)
    await Client.filter(id=person.id).update(phone="+79998887766")
    with pytest.raises(InvalidCode):
        await sessions.start(client, device="", address="local", settings=settings)
    assert await _generations() == [0]


async def test_token_of_a_future_generation_is_rejected(hub: Hub) -> None:
    person = await hub.person()
    await person.refresh()
    await fetch("UPDATE session SET generation = 0")  # a backup is restored
    assert not await person.works()
    assert _name(await person.refresh()) == "InvalidRefreshTokenError"
    assert await _generations() == [0]


async def test_a_session_is_written_once_a_minute_and_when_tokens_are_first_seen(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def writes() -> list[bool]:
        with counted_statements(monkeypatch) as sent:
            assert await person.works()
            assert await person.works()
        return ["UPDATE" in sql for sql in sent]

    person = await hub.person()
    assert await writes() == [False, False]
    await person.refresh()
    assert await writes() == [False, True, False]
    await pass_time(61)
    assert await writes() == [False, True, False]


@pytest.mark.parametrize(
    ("operation", "round_trips"),
    [
        ("query { me { id sessions { id } } }", 2),
        ("mutation { endOtherSessions { __typename } }", 3),
    ],
)
async def test_viewer_is_read_with_one_statement(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, operation: str, round_trips: int
) -> None:
    person = await hub.person()
    with counted_statements(monkeypatch) as sent:
        await hub.data(operation, token=person.token)
    assert len(sent) == round_trips


def test_refresh_whose_response_was_lost_by_kill_9_can_be_repeated(
    postgres: str, folder: Path
) -> None:
    environment = {"DATABASE_URL": postgres, "SECRET_KEY": new_secret()}
    with serving(folder / "killed", port=0, **environment) as server:
        client = server.register()
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(_refreshing(client.refresh_token))
            asyncio.run(_until_refreshed(postgres, client.id))
            server.process.kill()
            server.process.wait()
    with serving(folder / "killed", port=0, **environment) as server:
        answer = server.ask(REFRESH + CLIENT, refreshToken=client.refresh_token)
        assert server.ask(ME + CLIENT, token=answer["accessToken"])["id"] == client.id


def _refreshing(token: str) -> bytes:
    body = json.dumps({"query": REFRESH + CLIENT, "variables": {"refreshToken": token}})
    head = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def _until_refreshed(postgres: str, client_id: str) -> None:
    database = await asyncpg.connect(**parse_url(postgres))
    refreshed = "SELECT FROM session WHERE client_id = $1 AND generation = 1"
    async with asyncio.timeout(10):
        while not await database.fetch(refreshed, client_id):  # noqa: ASYNC110 - by others
            await asyncio.sleep(0.005)
    await database.close()
