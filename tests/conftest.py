import asyncio
import os
import socket
import sysconfig
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import asyncpg
import httpx
import pytest
import uvicorn
from prometheus_client import generate_latest
from starlette.applications import Starlette

from connect_hub.app import create_app
from connect_hub.database import embedded
from connect_hub.database.config import migration_config, serving_config
from connect_hub.database.connections import fetch
from connect_hub.database.migrations import migrate
from connect_hub.database.url import parse_url
from connect_hub.observability import logs, metrics
from connect_hub.security.keys import new_secret
from connect_hub.server.uvicorn_options import OPTIONS
from connect_hub.settings import Settings
from connect_hub.sms import SimulatedSender
from tests.support.hub import Hub
from tests.support.leaks import codes_in, leaks
from tests.support.sockets import Sockets

# As in an activated environment: wheels of the dev extra bring caddy, node and npm.
os.environ["PATH"] = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test during which a phone, a token or a code is logged."""
    report = yield
    if report.when == "teardown":
        sender = getattr(item, "funcargs", {}).get("sender")
        codes = codes_in(message.text for message in sender.outbox) if sender else set()
        if found := leaks(report.capstderr, codes):
            report.outcome, report.longrepr = "failed", f"found in the log: {found}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _no_metric_tells_of_a_person() -> Iterator[None]:
    yield
    assert leaks(generate_latest(metrics.REGISTRY)) == []


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Run PostgreSQL, and give the URL of its superuser."""
    # Not pytest's folder: if the tests run as root, the user who runs PostgreSQL cannot enter it.
    with TemporaryDirectory(prefix="connect-hub-") as folder, embedded.running(Path(folder)):
        socket = quote(str(embedded.socket_folder(Path(folder))), safe="")
        yield f"postgresql://{embedded.USER}@/{embedded.DATABASE}?host={socket}"


@pytest.fixture
async def untriggered(postgres: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect as the superuser, whose changes fire no triggers."""
    connection = await asyncpg.connect(
        **parse_url(postgres) | {"server_settings": {"session_replication_role": "replica"}}
    )
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def settings(postgres: str) -> Settings:
    return Settings(
        _env_file=None,
        database_url=postgres.replace("postgres@", f"{embedded.APP_USER}@"),
        migration_database_url=postgres,
        secret_key=new_secret(),
        sms_urls=("simulated://?delay=0-0",),
        allowed_hosts=("hub",),
        trusted_proxies=("127.0.0.1/32",),
        audiences="billing:5 min,https://reports.example.com:8443:15 min",
    )


@pytest.fixture(scope="session")
def sender() -> SimulatedSender:
    return SimulatedSender(0, 0)


@pytest.fixture(scope="session")
async def app(settings: Settings, sender: SimulatedSender) -> AsyncIterator[Starlette]:
    logs.configure()
    await migrate(migration_config(settings), served_by=serving_config(settings))
    app = create_app(settings, sender)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def sockets(app: Starlette) -> AsyncIterator[Sockets]:
    """Serve the same application on a port, for tests that need a real connection."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", **OPTIONS))
    serving = asyncio.create_task(server.serve([listening]))
    yield Sockets(listening.getsockname()[1])
    server.should_exit = True
    await serving


@pytest.fixture
async def hub(app: Starlette, sender: SimulatedSender) -> AsyncIterator[Hub]:
    """Return a client of the running server; every table is empty."""
    for table in (
        "invited_count",
        "session",
        "retired_code",
        "client",
        "campaign",
        "sign_in_code",
        "allowance",
        "number_block",
        "event",
        "webhook_endpoint",
    ):
        await fetch(f"DELETE FROM {table}")
    sender.outbox.clear()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        yield Hub(http)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short path that other users can reach, unlike tmp_path."""
    with TemporaryDirectory(prefix="ch-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
