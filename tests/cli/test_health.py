"""The image's HEALTHCHECK: the very command of the Dockerfile, beside a real server."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connect_hub.database import embedded
from connect_hub.security.keys import new_secret
from tests.support.documentation import REPOSITORY
from tests.support.processes import environment, eventually, run, starting

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()


def healthcheck(**settings: str) -> subprocess.CompletedProcess[str]:
    (written,) = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    python, *arguments = json.loads(written)
    assert python == "python"
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(**settings),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


@contextmanager
def server(**settings: str) -> Iterator[str]:
    """Serve at a HOST, and return the port."""
    with starting("serve", PORT="0", SIMULATION_IS_PUBLIC="true", **settings) as process:
        assert process.stdout
        output = ""
        for line in process.stdout:
            output += line
            if "Stop with" in line:
                break
        found = re.search(r"http://.*:(\d+)/graphql", output)
        assert found, output + str(process.stderr and process.stderr.read())
        yield found[1]
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[dict[str, str]]:
    data_dir = folder / "health"
    with embedded.running(data_dir):
        url = f"postgresql://postgres@/postgres?host={embedded.socket_folder(data_dir)}"
        settings = {"DATABASE_URL": url, "SECRET_KEY": new_secret()}
        assert run("migrate", **settings).returncode == 0
        yield settings


HOSTS = ["", "0.0.0.0", "127.0.0.1", "127.0.0.2", "localhost", "::", "::1", "[::1]"]  # noqa: S104 (also any)


@pytest.mark.parametrize("host", HOSTS)
def test_health_check_finds_the_server_at_any_host(database: dict[str, str], host: str) -> None:
    with server(**database, HOST=host) as port:
        found = healthcheck(**database, HOST=host, PORT=port)
        assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
    eventually(lambda: healthcheck(**database, HOST=host, PORT=port).returncode == 1)
    dead = healthcheck(**database, HOST=host, PORT=port)
    assert len(dead.stderr.splitlines()) == 1


def test_server_on_another_address_is_not_healthy(database: dict[str, str]) -> None:
    with server(**database, HOST="127.0.0.1") as port:
        assert healthcheck(**database, HOST="127.0.0.2", PORT=port).returncode == 1


def test_settings_that_stop_the_server_are_unhealthy() -> None:
    found = healthcheck(PORT="http")
    assert found.returncode == 1
    assert re.fullmatch(r"PORT: .*\.\n", found.stderr)
