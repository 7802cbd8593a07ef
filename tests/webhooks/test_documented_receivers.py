"""The documented receivers, in Python and Node, verify what a real server sends."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from connect_hub.security.keys import Keys, new_secret
from connect_hub.settings import canonical_url
from connect_hub.webhooks import signing
from tests.support import receivers
from tests.support.documentation import REPOSITORY, blocks, section
from tests.support.processes import eventually, serving


def secret_of(url: str, secret_key: str) -> str:
    secret, *_ = signing.secrets_of(canonical_url(url), keys=Keys(secret_key))
    return signing.printable_secret(secret)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def node_receiver(folder: Path, *, secret: str, port: int) -> Iterator[Path]:
    """Run the documented lines in Node, and give the file of what they print."""
    (lines,) = blocks("js", section("Verification"))
    (folder / "receiver.mjs").write_text(lines.replace("whsec_…", secret))
    (folder / "node_modules").symlink_to(REPOSITORY / "web/node_modules")
    output = folder / "output"
    with (
        output.open("wb") as file,
        subprocess.Popen(
            ["node", "receiver.mjs"],
            cwd=folder,
            env=os.environ | {"PORT": str(port)},
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield output
        finally:
            process.terminate()


async def test_documented_receivers_verify_the_events_of_a_real_server(
    folder: Path, tmp_path: Path
) -> None:
    secret_key, port = new_secret(), free_port()
    node_url = f"http://127.0.0.1:{port}/"
    async with receivers.receiving() as receiver:
        urls = f"{receiver.url},{node_url}"
        secret = secret_of(node_url, secret_key)
        with node_receiver(tmp_path, secret=secret, port=port) as node:
            starting = serving(folder / "documented", SECRET_KEY=secret_key, WEBHOOK_URLS=urls)
            server = await asyncio.to_thread(starting.__enter__)
            try:
                client = await asyncio.to_thread(server.register)
                requests = await receiver.wait_for(2)
                await asyncio.to_thread(eventually, lambda: node.read_text().count(client.id) == 2)
            finally:
                await asyncio.to_thread(starting.__exit__, None, None, None)

    (lines,) = blocks("python", section("Verification"))
    receive: dict[str, Callable[..., Any]] = {}
    exec(lines.replace("whsec_…", secret_of(receiver.url, secret_key)), receive)  # noqa: S102 (ours)
    for request in requests:
        assert receive["receive"](request.headers, request.body) == 204
        forged = orjson.dumps({**request.content, "type": "client.deleted"})
        assert receive["receive"](request.headers, forged) == 401
    told = node.read_text()
    assert "client.registered" in told
    assert all(request.id in told for request in requests)
