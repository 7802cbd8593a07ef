"""Databases that others set up: what we set ourselves, and what stops the start in one line."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from connect_hub.database.migrations import MIGRATION_LOCK
from connect_hub.database.url import parse_url
from connect_hub.security.keys import new_secret
from tests.support import databases
from tests.support.databases import Database
from tests.support.processes import PATIENCE, finished, run, serving, starting

# Each of them breaks something where it is inherited.
INHERITED = {
    "default_transaction_deferrable": "on",
    "statement_timeout": "1",  # milliseconds
    "lock_timeout": "1",
    "idle_in_transaction_session_timeout": "1",
    "idle_session_timeout": "20",
    "transaction_timeout": "10s",  # holds for requests; see the next test for migrations
    "timezone": "Asia/Kathmandu",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "row_security": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_indexscan": "off",
    "jit": "on",
    "jit_above_cost": "0",
    "lc_messages": "C",
    "client_min_messages": "debug1",
    "search_path": "elsewhere, pg_catalog",
    "plpgsql.extra_errors": "all",
    "plpgsql.variable_conflict": "use_column",
    "check_function_bodies": "off",
}


@pytest.fixture
def database(postgres: str) -> Database:
    return databases.create(postgres)


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable", "read uncommitted"])
def test_inherited_defaults_change_nothing(
    database: Database, folder: Path, isolation: str
) -> None:
    database.execute("CREATE SCHEMA elsewhere AUTHORIZATION {name}")
    database.execute(f"ALTER DATABASE {{name}} SET default_transaction_isolation = '{isolation}'")
    for name, value in INHERITED.items():
        written = value if name in {"search_path", "datestyle"} else f"'{value}'"
        database.execute(f"ALTER ROLE {{name}} IN DATABASE {{name}} SET {name} = {written}")
    with serving(
        folder / "inherited",
        DATABASE_URL=database.url,
        SECRET_KEY=new_secret(),
        SENDS_PER_ADDRESS="9999/hour",
        GUESSES_PER_ADDRESS="9999/hour",
    ) as server:

        async def sign_in(_: int) -> bool:
            return server.knows(await asyncio.to_thread(server.register))

        async def people() -> list[bool]:
            return await asyncio.gather(*map(sign_in, range(60)))

        assert all(asyncio.run(people()))
    assert database.tables == set()
    constraint = "SELECT pg_get_constraintdef(oid) AS is FROM pg_constraint WHERE conname = $1"
    (row,) = database.execute(constraint, "client_phone_is_e164")
    assert r"^\+[1-9]" in row["is"]


_WAITING = """
    SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))
    AND waitstart < clock_timestamp() - interval '1 second'
"""
ANOTHER_MIGRATION = f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"


@pytest.mark.parametrize("blocking", [ANOTHER_MIGRATION, "CREATE TABLE client ()"])
async def test_migration_may_take_longer_than_the_transaction_timeout(
    database: Database, folder: Path, blocking: str
) -> None:
    blocker = await asyncpg.connect(**parse_url(f"{database.server}&dbname={database.name}"))
    await blocker.execute(f"ALTER ROLE {database.name} SET transaction_timeout = '500ms'")
    await blocker.execute(f"BEGIN; {blocking}")
    with starting("migrate", DATA_DIR=str(folder / "unused"), **database.settings) as process:
        async with asyncio.timeout(PATIENCE):
            while process.poll() is None and not await blocker.fetch(_WAITING):  # noqa: ASYNC110 - of another
                await asyncio.sleep(0.05)
        await blocker.execute("ROLLBACK")
        await blocker.close()
        done = await asyncio.to_thread(finished, process)
    assert (done.returncode, done.stderr) == (0, ""), done


def test_codes_applied_at_once_close_no_ring_under_another_default_isolation_level(
    database: Database, folder: Path
) -> None:
    database.execute("ALTER ROLE {name} SET default_transaction_isolation = 'serializable'")
    apply = """mutation Apply($code: String!) {
        applyInvite(invitationCode: $code) { __typename }
    }"""
    code = "query { me { invitationCode } }"
    with serving(folder / "rings", DATABASE_URL=database.url, SECRET_KEY=new_secret()) as server:
        people = [server.register() for _ in range(6)]
        codes = [server.ask(code, token=each.token)["invitationCode"] for each in people]

        async def applied() -> list[str]:
            pairs = zip(people, codes[1:] + codes[:1], strict=True)
            requests = [
                asyncio.to_thread(server.ask, apply, token=each.token, code=other)
                for each, other in pairs
            ]
            return [answer["__typename"] for answer in await asyncio.gather(*requests)]

        names = asyncio.run(applied())
    assert sorted(names) == ["InvitationRingError", *["InviteApplied"] * 5]


OF_SERVE = {
    "ALTER ROLE {name} CONNECTION LIMIT 5": r"opens 11, and \w+ may open 5: .*CONNECTION LIMIT",
    "ALTER DATABASE {name} CONNECTION LIMIT 3": "opens 11, and .* may open 3: raise",
}
OF_MIGRATE = {"ALTER ROLE {name} CONNECTION LIMIT 1": "too many connections for role"}
OF_ANY = {
    "ALTER ROLE {name} SET search_path = nowhere": r"search_path \(nowhere\) names no schema",
    "ALTER DATABASE {name} SET search_path = ''": "names no schema .* SET search_path = public",
    "ALTER ROLE {name} SET session_replication_role = replica": "session_replication_role is",
    "ALTER ROLE {name} CONNECTION LIMIT 0": "too many connections for role",
    "ALTER ROLE {name} NOLOGIN": "not permitted to log in",
    "ALTER DATABASE {name} ALLOW_CONNECTIONS off": "not currently accepting connections",
    "ALTER SCHEMA public OWNER TO CURRENT_USER; ALTER DATABASE {name} OWNER TO CURRENT_USER": (
        "may not change the database .* MIGRATION_DATABASE_URL"
    ),
    "ALTER ROLE {name} SET default_transaction_read_only = on": "is read-only: name the primary",
}
FOREIGN = [
    "CREATE TABLE client (id int)",
    "CREATE TABLE session (id int)",
    "CREATE TABLE aerich (id int)",
    "CREATE TABLE number_block (id int)",
    "CREATE VIEW allowance AS SELECT 1",
    "CREATE SEQUENCE sign_in_code",
    "CREATE TYPE session AS ENUM ('on')",
    "CREATE FUNCTION session_ended() RETURNS int LANGUAGE sql RETURN 1",
]


@pytest.mark.parametrize(("sql", "said"), [*(OF_SERVE | OF_MIGRATE | OF_ANY).items()])
def test_unusable_database_stops_the_start_with_one_line(
    database: Database, folder: Path, sql: str, said: str
) -> None:
    url = f"{database.server}&dbname=postgres"
    for part in sql.format(name=database.name).split(";"):
        databases.execute(url if "ALLOW" in part else f"{url}&dbname={database.name}", part)
    commands = (
        {"serve", "migrate"} if sql in OF_ANY else {"serve" if sql in OF_SERVE else "migrate"}
    )
    for command in commands:
        done = run(command, DATA_DIR=str(folder / "unused"), PORT="0", **database.settings)
        assert re.fullmatch(rf"Error: .*{said}.*\.\n", done.stderr), done
        assert (done.returncode, done.stdout) == (1, "")
    databases.execute(url, f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS on")
    assert sql in OF_SERVE or database.tables == set()


@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.parametrize("sql", FOREIGN)
def test_nothing_is_created_if_a_name_is_taken(
    database: Database, folder: Path, sql: str, command: str
) -> None:
    database.execute(sql)
    before = database.tables
    done = run(command, DATA_DIR=str(folder / "unused"), PORT="0", **database.settings)
    assert re.fullmatch(r"Error: .* already exists.* schema of its own\.\n", done.stderr), done
    assert (done.returncode, done.stdout) == (1, "")
    assert database.tables == before


@pytest.mark.parametrize("encoding", ["WIN1251", "LATIN1", "SQL_ASCII"])
def test_database_of_another_encoding_is_rejected(
    postgres: str, folder: Path, encoding: str
) -> None:
    locale = "LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    database = databases.create(postgres, f"ENCODING '{encoding}' {locale}")
    for command in ("serve", "migrate", "doctor"):
        done = run(command, DATA_DIR=str(folder / "unused"), PORT="0", **database.settings)
        assert done.returncode == 1
        said = done.stderr or done.stdout
        assert f"its encoding is {encoding}: create it with ENCODING 'UTF8'" in said
    assert database.tables == set()


@pytest.mark.parametrize("command", ["stats", "clients block +79991234567"])
def test_command_on_an_unusable_database_prints_one_line(
    database: Database, folder: Path, command: str
) -> None:
    environment = {"DATA_DIR": str(folder / "unused"), **database.settings}
    assert run("migrate", **environment).returncode == 0
    database.execute("ALTER TABLE client OWNER TO CURRENT_USER")
    done = run(*command.split(), **environment)
    assert re.fullmatch(r"Error: .*permission denied .* DATABASE_URL is right\.\n", done.stderr)
    assert (done.returncode, done.stdout) == (1, "")


def test_role_with_a_limit_of_two_connections_can_migrate(database: Database, folder: Path) -> None:
    database.execute("ALTER ROLE {name} CONNECTION LIMIT 2")
    environment = {"DATA_DIR": str(folder / "unused"), **database.settings}
    for command in ("migrate", "stats"):
        done = run(command, **environment)
        assert (done.returncode, done.stderr) == (0, ""), done


def test_url_of_prisma_serves_from_its_schema_on_one_connection(
    database: Database, folder: Path
) -> None:
    url = f"{database.url}&schema=my_hub&connection_limit=1&pgbouncer=true&pool_timeout=2"
    environment = {"DATA_DIR": str(folder / "unused"), **database.settings, "DATABASE_URL": url}
    refused = run("serve", PORT="0", **environment)
    assert 'search_path ("my_hub") names no schema that' in refused.stderr
    database.execute("CREATE SCHEMA my_hub AUTHORIZATION {name}")
    database.execute("ALTER ROLE {name} CONNECTION LIMIT 4")  # those that end count for a moment
    with serving(
        folder / "prisma", DATABASE_URL=url, SECRET_KEY=environment["SECRET_KEY"]
    ) as server:
        with ThreadPoolExecutor(10) as people:
            registered = list(people.map(lambda _: server.register(), range(20)))
        assert all(map(server.knows, registered))
    assert database.tables == set()
