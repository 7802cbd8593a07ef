"""A database that takes no writes, or not from us, is unavailable until it takes them again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from connect_hub.database.connections import fetch
from connect_hub.database.errors import UNAVAILABLE
from connect_hub.security.keys import new_secret
from tests.support import databases
from tests.support.databases import Database
from tests.support.processes import REQUEST_CODE, Server, eventually, numbers, serving

ON = "ALTER ROLE {name} SET default_transaction_read_only = on"
OFF = "ALTER ROLE {name} RESET default_transaction_read_only"


@pytest.fixture(scope="module")
def database(postgres: str) -> Database:
    return databases.create(postgres)


@pytest.fixture(scope="module")
def server(database: Database, folder: Path) -> Iterator[Server]:
    with serving(
        folder / "read-only",
        DATABASE_URL=database.url,
        SECRET_KEY=new_secret(),
        SENDS_PER_ADDRESS="9999/hour",
    ) as server:
        yield server


@pytest.mark.parametrize(
    ("closed", "opened"),
    [
        (ON, OFF),
        (
            "ALTER DATABASE {name} SET default_transaction_read_only = on",
            "ALTER DATABASE {name} RESET default_transaction_read_only",
        ),
        (
            "ALTER TABLE session OWNER TO CURRENT_USER",  # so that its owner has no rights on it
            "ALTER TABLE session OWNER TO {name}",
        ),
    ],
    ids=["role", "database", "rights"],
)
def test_writes_are_unavailable_until_the_database_accepts_them_again(
    server: Server, database: Database, closed: str, opened: str
) -> None:
    client = server.register()
    database.execute(closed)
    database.disconnect()
    eventually(lambda: server.get("/readyz").status_code == 503)
    assert server.get("/healthz").status_code == 200
    if "TABLE" not in closed:
        refused = server.post(REQUEST_CODE, phone=f"+7{next(numbers)}")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json()["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
        assert server.knows(client)  # reads go on
    database.execute(opened)
    eventually(lambda: server.is_ready)
    with ThreadPoolExecutor(20) as people:  # more than the pool has connections
        registered = list(people.map(lambda _: server.register(), range(40)))
    assert all(map(server.knows, registered))


def test_server_becomes_ready_again_without_requests(server: Server, database: Database) -> None:
    database.execute(ON)
    database.disconnect()
    eventually(lambda: server.get("/readyz").status_code == 503)
    database.execute(OFF)
    eventually(lambda: server.is_ready)


def test_read_only_sessions_are_replaced_at_the_first_write(
    server: Server, database: Database
) -> None:
    """The connections that a pool opened meanwhile stay read-only for as long as they live."""
    database.execute(ON)
    database.disconnect()
    phones = [f"+7{next(numbers)}" for _ in range(20)]
    with ThreadPoolExecutor(20) as people:
        refused = people.map(lambda phone: server.post(REQUEST_CODE, phone=phone), phones)
    assert {response.status_code for response in refused} == {503}
    database.execute(OFF)
    eventually(lambda: server.post(REQUEST_CODE, phone=phones[0]).status_code == 200)
    for phone in phones[1:]:
        assert server.ask(REQUEST_CODE, phone=phone)["smsCode"]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    "code",
    [
        *("08000", "08006", "08P01"),  # the connection, and what PgBouncer says
        *("25006", "25P03", "25P04", "28000", "28P01", "3D000", "40001", "40003", "40P01"),
        *("42501", "53000", "53100", "53200", "53300", "53400"),
        *("54000", "55000", "55P03", "57014", "57P01", "57P02", "57P03", "57P04", "57P05"),
        *("58000", "58030"),
    ],
)
async def test_errors_of_a_database_that_cannot_serve_are_unavailable(code: str) -> None:
    with pytest.raises(UNAVAILABLE):
        await fetch(f"DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$")


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("code", ["22012", "23505", "42601", "42P01", "P0001", "XX000"])
async def test_errors_of_our_own_are_internal_errors(code: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as error:
        await fetch(f"DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$")
    assert not isinstance(error.value, UNAVAILABLE)
