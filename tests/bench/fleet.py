"""Starts the servers and ends them: each fresh from this checkout, all on one CPU."""

import os
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connect_hub.security.keys import Keys
from tests.bench import builds
from tests.bench.builds import CHECKOUT, HERE
from tests.bench.client import WrongAnswerError, ask_once
from tests.bench.measure import Server

SERVERS = HERE / "servers"

ALL_CPUS = os.sched_getaffinity(0)
OF_SERVERS = {min(ALL_CPUS)}
OF_OTHERS = ALL_CPUS - OF_SERVERS or ALL_CPUS

COMMANDS = {
    "floor": [sys.executable, "-m", "tests.bench.servers.floor"],
    "ours": [sys.executable, "-m", "connect_hub", "serve"],
    "mercurius": ["node", str(SERVERS / "mercurius.mjs")],
    "yoga": ["node", str(SERVERS / "yoga.mjs")],
    "ariadne": [sys.executable, "-m", "tests.bench.servers.ariadne_server"],
    "strawberry": [sys.executable, "-m", "tests.bench.servers.strawberry_server"],
}
PEERS = ["mercurius", "yoga", "ariadne", "strawberry"]
WARMED = {"mercurius", "yoga"}  # are compiled while they run

_READY_WITHIN = 30  # seconds
_ENDS_WITHIN = 15
_LIMITS = {  # raised, or the bench would be refused; servers/floor/limits.py has the same
    "GUESSES_PER_ADDRESS": "99999/hour",
    "GUESSES_PER_PHONE": "99999/day;99999/180days",
    "SENDS_PER_ADDRESS": "2000/s",
}


def install() -> None:
    """Install what the peers of Node need, unless it is there."""
    commands = [["npm", "ci", "--silent"]]
    builds.install([SERVERS / "package-lock.json"], SERVERS / "node_modules", commands)


def environment(secret: str, **settings: str) -> dict[str, str]:
    """Set the environment of all servers."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    token_key = Keys(secret).derive("access token")[0]
    public_key = Ed25519PrivateKey.from_private_bytes(token_key).public_key()
    return {
        **kept,
        **_LIMITS,
        "PYTHONPATH": f"{CHECKOUT / 'src'}:{CHECKOUT}",
        "NODE_ENV": "production",
        "SECRET_KEY": secret,
        "SMS_URLS": "simulated://?delay=0-0",
        "TOKEN_KEY": b64encode(token_key).decode(),
        "TOKEN_PUBLIC_KEY": b64encode(
            public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ).decode(),
        **settings,
    }


@contextmanager
def running(
    name: str,
    surroundings: Mapping[str, str],
    *,
    ready: bytes,
    folder: Path,
    cpus: set[int] = OF_SERVERS,
) -> Iterator[Server]:
    """Run a server until the context ends; it is ready once it answers the request `ready`.

    What ours logs goes to /dev/null, what others say to a file in the folder.
    """
    port = _free_port()
    said = Path(os.devnull) if name == "ours" else folder / f"{name}.log"
    with said.open("wb") as output, _on(cpus):
        process = subprocess.Popen(
            COMMANDS[name],
            env={**surroundings, "PORT": str(port)},
            cwd=folder,  # where there is no .env
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us
        )
    with process:
        try:
            _wait(port, ready, process, said)
            yield Server(process.pid, port)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_ENDS_WITHIN)
            process.kill()


@contextmanager
def _on(cpus: set[int]) -> Iterator[None]:
    """Run on these CPUs while a child is started; the child stays there."""
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


def _wait(port: int, ready: bytes, process: "subprocess.Popen[bytes]", said: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(ConnectionRefusedError):
            ask_once(port, ready)
            return
        time.sleep(0.005)
    raise WrongAnswerError(f"{process.args!r} does not serve: {said.read_text()}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
