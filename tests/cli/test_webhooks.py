"""Commands about events and webhooks, beside a running server and a real receiver."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from standardwebhooks import Webhook

from tests.support import receivers
from tests.support.processes import Client, Server, run, serving
from tests.support.receivers import Receiver

END = "mutation { endSession { __typename } }"


@dataclass
class Backend:
    """A server and the receiver of its events; both answer while a test waits."""

    server: Server
    receiver: Receiver

    async def run(self, *arguments: str) -> CompletedProcess[str]:
        settings = {"DATA_DIR": str(self.server.data_dir), "WEBHOOK_URLS": self.receiver.url}
        done: CompletedProcess[str] = await asyncio.to_thread(run, *arguments, **settings)
        return done

    async def register(self) -> Client:
        return await asyncio.to_thread(self.server.register)


@pytest.fixture
async def backend(folder: Path) -> AsyncIterator[Backend]:
    async with receivers.receiving() as receiver:
        starting = serving(folder / "webhooks", WEBHOOK_URLS=receiver.url)
        server = await asyncio.to_thread(starting.__enter__)
        try:
            yield Backend(server, receiver)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


async def test_printed_secret_verifies_the_deliveries_of_a_server(backend: Backend) -> None:
    client = await backend.register()
    requests = await backend.receiver.wait_for(2)
    printed = (await backend.run("webhooks", "secret", backend.receiver.url)).stdout.strip()

    assert printed.startswith("whsec_")
    for request in requests:
        assert Webhook(printed).verify(request.body, request.headers)["data"]["client"] == client.id
    done = await backend.run("clients", "block", client.phone)
    assert done.returncode == 0, done
    await backend.receiver.wait_for(4)
    (blocked,) = backend.receiver.of_type("client.blocked")
    assert blocked.content["data"] == {"client": client.id, "actor": "operator"}


async def test_ping_is_signed_and_its_answer_is_printed(backend: Backend) -> None:
    url = backend.receiver.url
    secret = (await backend.run("webhooks", "secret", url)).stdout.strip()
    done = await backend.run("webhooks", "test", url)
    assert done.stdout.startswith("HTTP 204, ")
    assert done.returncode == 0
    (request,) = backend.receiver.requests
    assert Webhook(secret).verify(request.body, request.headers)["type"] == "ping"
    backend.receiver.answer = receivers.status(500)
    done = await backend.run("webhooks", "test", url)
    assert (done.returncode, done.stdout.partition(",")[0]) == (1, "HTTP 500")
    done = await backend.run("webhooks", "test", "http://127.0.0.1:1/")
    assert done.returncode == 1
    assert done.stdout.startswith("ClientConnectorError, ")


async def test_status_names_failures_until_the_endpoint_works_again(backend: Backend) -> None:
    backend.receiver.answer = receivers.status(410)
    await backend.register()
    await backend.receiver.wait_for(2)
    done = await backend.run("webhooks", "status")
    assert done.returncode == 1
    assert backend.receiver.url in done.stdout
    assert "2 waiting, 0 failed" in done.stdout
    assert "HTTP 410" in done.stdout
    assert "run webhooks enable URL" in done.stdout
    assert "disabled: run connect-hub webhooks status" in (await backend.run("doctor")).stdout
    backend.receiver.answer = receivers.status(200)
    enabled = await backend.run("webhooks", "enable", backend.receiver.url)
    assert enabled.stdout == "Enabled.\n"
    await backend.receiver.wait_for(4)
    done = await backend.run("webhooks", "retry")
    assert done.stdout == "0 failed events are sent again.\n"
    done = await backend.run("webhooks", "status")
    assert (done.returncode, "0 waiting, 0 failed" in done.stdout) == (0, True), done


@pytest.mark.parametrize("command", ["enable", "test", "secret"])
async def test_text_that_is_not_a_url_is_rejected(command: str, folder: Path) -> None:
    done = await asyncio.to_thread(
        run, "webhooks", command, "https://user:password@host/", DATA_DIR=str(folder / "none")
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: URL takes URLs such as"), done


async def test_events_show_what_happened_to_a_client_and_export_everything_kept(
    backend: Backend,
) -> None:
    client = await backend.register()
    await asyncio.to_thread(backend.server.ask, END, token=client.token)
    for named in (client.phone, client.id):
        lines = (await backend.run("events", named)).stdout.splitlines()
        assert [line.split()[3] for line in lines] == [
            "client.registered",
            "session.started",
            "session.ended",
        ]
        assert "reason signed_out" in lines[2]
        assert "address 127.0.0.1" in lines[2]
    exported = json.loads((await backend.run("clients", "export", client.phone)).stdout)
    assert exported["client"]["phone"] == client.phone
    assert exported["events"][0]["type"] == "client.registered"
    assert exported["limits"]["sends to a phone"]
    assert exported["sessions"] == []
    await backend.run("clients", "delete", client.phone, "--yes")
    exported = json.loads((await backend.run("clients", "export", client.id)).stdout)
    assert exported["client"]["phone"] is None
    assert {event["address"] for event in exported["events"]} == {None}
    assert "client.deleted" in (await backend.run("events", client.id)).stdout
    done = await backend.run("events", client.phone)
    assert "No client has this phone" in done.stderr
