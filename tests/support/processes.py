"""Real processes of the command `connect-hub`, started and ended by tests."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx

import connect_hub
from connect_hub.settings import Settings
from connect_hub.settings.sources import RENAMED
from tests.support.leaks import leaks

# Each request on a connection of its own, so that with many workers any may answer.
PATIENCE = 30  # seconds, on a busy machine
HTTP = httpx.Client(trust_env=False, headers={"Connection": "close"}, timeout=20)

REQUEST_CODE = """mutation RequestCode($phone: String!) {
    requestCode(phone: $phone) { ... on CodeSent { smsCode } }
}"""
REGISTER = """mutation Register($phone: String!, $code: String!) {
    register(phone: $phone, code: $code) {
        ... on SignedIn { accessToken refreshToken client { id phone } }
        ... on InvalidCodeError { attemptsLeft }
    }
}"""
ME = "query Me { me { id phone } }"

numbers = count(9161234567)


@dataclass
class Client:
    """A client who registered."""

    phone: str
    code: str
    token: str
    refresh_token: str
    id: str


@dataclass
class Server:
    """A process `connect-hub serve` that is ready."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    output: Path
    errors: Path
    secrets: list[str] = field(default_factory=list)  # must appear in no output
    codes: list[str] = field(default_factory=list)

    @property
    def printed(self) -> str:
        return self.output.read_text()

    @property
    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.errors.read_text().splitlines()]

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.logged if line["event"] == event]

    def line_about(self, response: httpx.Response) -> dict[str, Any]:
        """Wait for the log line of a request, which follows its response."""
        made = response.headers["X-Request-ID"]
        eventually(lambda: any(line["request_id"] == made for line in self.lines("request")))
        (line,) = (line for line in self.lines("request") if line["request_id"] == made)
        return line

    @property
    def port(self) -> int:
        match = re.search(r"http://127\.0\.0\.1:(\d+)/graphql", self.printed)
        assert match, self.printed
        return int(match[1])

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}/graphql"

    def get(self, path: str, **headers: str) -> httpx.Response:
        return HTTP.get(f"http://127.0.0.1:{self.port}{path}", headers=headers)

    def post(self, query: str, *, token: str | None = None, **variables: str) -> httpx.Response:
        return HTTP.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )

    def ask(self, query: str, *, token: str | None = None, **variables: str) -> Any:
        response = self.post(query, token=token, **variables)
        assert response.status_code == 200, response.text
        (answer,) = response.json()["data"].values()
        return answer

    def register(self) -> Client:
        phone = f"+7{next(numbers)}"
        code = self.ask(REQUEST_CODE, phone=phone)["smsCode"]
        signed_in = self.ask(REGISTER, phone=phone, code=code)
        tokens = signed_in["accessToken"], signed_in["refreshToken"]
        self.secrets += [phone[1:], *tokens]
        self.codes.append(code)
        return Client(phone, code, *tokens, signed_in["client"]["id"])

    def knows(self, client: Client) -> bool:
        me = self.ask(ME, token=client.token)
        return bool(me == {"id": client.id, "phone": client.phone})

    @property
    def metrics(self) -> str:
        """What Prometheus reads; empty if it is not served."""
        match = re.search(r"http://[\d.:]+/metrics", self.printed)
        return HTTP.get(match[0]).text if match and self.process.poll() is None else ""

    @property
    def is_ready(self) -> bool:
        return self.get("/readyz").status_code == 200

    @property
    def workers(self) -> set[int]:
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it may end meanwhile
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.process.pid and is_worker(int(process.name)):
                    found.add(int(process.name))
        return found


@contextmanager
def serving(
    data_dir: Path, *options: str, port: int = 0, files: str = "", **settings: str
) -> Iterator[Server]:
    """Serve until the block ends.

    Args:
        data_dir: the setting DATA_DIR.
        options: of the command.
        port: to listen on; 0 takes a free one.
        files: how many files the server may have open; empty: as many as this process.
        settings: in its environment.
    """
    limited = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"] if files else []
    with (
        tempfile.TemporaryDirectory(prefix="ch-") as name,
        Path(name, "output").open("wb") as output,
        Path(name, "errors").open("wb") as errors,
        subprocess.Popen(
            [*limited, *command("serve", "--port", str(port), *options)],
            env=environment(DATA_DIR=str(data_dir), **settings),
            cwd=name,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        ) as process,
    ):
        server = Server(process, data_dir, Path(output.name), Path(errors.name))
        try:
            eventually(lambda: "Stop with" in server.printed or process.poll() is not None)
            assert process.poll() is None, server.errors.read_text()
            assert server.is_ready
            yield server
            metrics = server.metrics
            process.terminate()
            assert process.wait(timeout=10) in {0, -signal.SIGKILL}
            written = server.printed + server.errors.read_text() + metrics
            assert not [secret for secret in server.secrets if secret in written]
            assert leaks(written, server.codes) == []
        finally:
            process.kill()


@contextmanager
def starting(*arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(*arguments),
        env=environment(**settings),
        cwd="/",  # where there is no .env
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "connect_hub", *arguments]


def environment(**settings: str) -> dict[str, str]:
    """Return the environment without the settings of the shell that runs the tests."""
    ours = {name.upper() for name in (*Settings.model_fields, *RENAMED)}
    outer = {name: value for name, value in os.environ.items() if name not in ours}
    source = str(Path(connect_hub.__file__).parents[1])  # PYTHONPATH may be relative
    return outer | {"PYTHONPATH": source, "SMS_URLS": "simulated://?delay=0-0", **settings}


def finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    stdout, stderr = process.communicate(timeout=20)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    with starting(*arguments, **settings) as process:
        return finished(process)


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < deadline, f"This did not happen within {PATIENCE} s."
        time.sleep(0.02)


def is_worker(pid: int) -> bool:
    with suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()  # empty once it is dead
    return False
