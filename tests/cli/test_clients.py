"""The commands about one client, beside a running server."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from connect_hub.database.models import Client, Session
from connect_hub.domain import account
from tests.support.hub import Hub, Person
from tests.support.processes import ME, REQUEST_CODE, Server, run, serving

LOGIN = """mutation Login($phone: String!, $code: String!) {
    login(phone: $phone, code: $code) {
        __typename
        ... on SignedIn { accessToken }
        ... on TooManyRequestsError { retryAt message }
        ... on UserError { message }
    }
}"""


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder / "clients", RESEND_AFTER="0") as server:
        yield server


def output_of(server: Server, *arguments: str, returncode: int = 0) -> str:
    done = run("clients", *arguments, DATA_DIR=str(server.data_dir))
    assert done.returncode == returncode, done
    return done.stdout + done.stderr


def test_client_is_shown_for_a_phone_in_any_notation(server: Server) -> None:
    client = server.register()
    typed = f"{client.phone[:5]} ({client.phone[5:8]}) {client.phone[8:]}"
    shown = output_of(server, "show", typed)
    assert re.search(rf"^client +{client.id}$", shown, re.MULTILINE)
    assert re.search(r"^blocked +no$", shown, re.MULTILINE)
    assert re.search(
        r"^sessions +1\n  since 20.* UTC, 127.0.0.1, python-httpx", shown, re.MULTILINE
    )
    for secret in (client.token, client.refresh_token, client.code):
        assert secret not in shown


def test_client_is_found_by_a_national_number(server: Server) -> None:
    client = server.register()
    country, data_dir = client.phone[:2], str(server.data_dir)
    assert country == "+7"
    shown = run("clients", "show", f"8{client.phone[2:]}", DATA_DIR=data_dir, DEFAULT_COUNTRY="RU")
    assert client.id in shown.stdout


def test_a_blocked_client_is_signed_out_and_cannot_sign_in_until_unblocked(server: Server) -> None:
    client = server.register()
    assert "Blocked; 1 session ended.\n" in output_of(server, "block", client.phone)
    assert server.post(ME, token=client.token).status_code == 401
    code = server.ask(REQUEST_CODE, phone=client.phone)["smsCode"]
    refused = server.ask(LOGIN, phone=client.phone, code=code)
    assert refused["__typename"] == "TooManyRequestsError"
    assert refused["message"].startswith("This client is blocked;")
    assert re.search(r"^blocked +20", output_of(server, "show", client.phone), re.MULTILINE)
    output_of(server, "unblock", client.phone)
    code = server.ask(REQUEST_CODE, phone=client.phone)["smsCode"]
    assert server.ask(LOGIN, phone=client.phone, code=code)["__typename"] == "SignedIn"


def test_a_client_is_signed_out_everywhere(server: Server) -> None:
    client = server.register()
    assert "1 session ended.\n" in output_of(server, "end-sessions", client.phone)
    assert server.post(ME, token=client.token).status_code == 401
    assert "0 sessions ended.\n" in output_of(server, "end-sessions", client.phone)


def test_client_is_deleted_after_confirmation(server: Server) -> None:
    client = server.register()
    assert "Aborted!" in output_of(server, "delete", client.phone, returncode=1)  # nobody answers
    assert server.knows(client)
    assert output_of(server, "delete", client.phone, "--yes").startswith("Deleted.\n")
    assert server.post(ME, token=client.token).status_code == 401
    assert "No client has this phone" in output_of(server, "show", client.phone, returncode=1)


def test_invalid_phone_is_rejected(server: Server) -> None:
    assert "not a mobile phone number" in output_of(server, "block", "12", returncode=1)


def test_each_command_is_logged_without_the_phone(server: Server) -> None:
    client = server.register()
    output = output_of(server, "block", client.phone)
    assert '"event":"client blocked"' in output
    assert client.id in output
    assert client.phone[1:] not in output
    assert any(line["client"] == client.id for line in server.lines("signed in"))


async def test_client_that_signs_in_while_it_is_blocked_gets_no_session(hub: Hub) -> None:
    """The lock of the client's row decides the order; no round leaves a session."""
    for _ in range(10):
        person: Person = await hub.person()
        code = await hub.code_for(person.phone)
        client = await Client.get(id=person.id)
        await asyncio.gather(hub.login(person.phone, code), account.block(client))
        assert not await Session.filter(client_id=person.id).count()
