import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from aerich import Command
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext
from tortoise.exceptions import OperationalError, TransactionManagementError
from tortoise.transactions import in_transaction

from connect_hub.database.config import DatabaseConfig, serving_config
from connect_hub.database.connections import fetch
from connect_hub.database.errors import UNAVAILABLE
from connect_hub.database.migrations import MIGRATION_LOCK, is_migrated, migrate
from connect_hub.database.url import parse_url
from connect_hub.settings import Settings, StartupError
from tests.support.documentation import REPOSITORY

MIGRATIONS = sorted(
    (file.name for file in (REPOSITORY / "migrations/models").glob("[0-9]*_*.py")),
    key=lambda name: int(name.partition("_")[0]),
)
NUMBERS = count(79160000000)
REPLICA = """
import asyncio, json
from connect_hub import settings
from connect_hub.database import config, migrations
print(json.dumps(asyncio.run(migrations.migrate(config.serving_config(settings.load())))))
"""

# What no model can declare, and a migration makes by hand.
BY_HAND = frozenset(
    {
        "constraint client.client_phone_is_e164",
        "constraint client.client_invitation_code_is_capital",
        "constraint client.client_not_own_inviter",
        "constraint campaign.campaign_code_is_capital",
        "constraint campaign.campaign_uses_within_limit",
        "constraint client.client_invited_at_with_invitation",
        "constraint client.client_phone_until_deleted",
        "constraint invited_count.invited_count_not_negative",
        "constraint sign_in_code.sign_in_code_guesses_not_negative",
        "function allowance_free_at(timestamp with time zone[],integer[],interval[])",
        "function campaign_used()",
        "function check_invitations_left(uuid,integer)",
        "function client_counted()",
        "function client_invited()",
        "function client_inviter_lives()",
        "function client_name_erased()",
        "function client_no_ring()",
        "function client_root(uuid,uuid)",
        "function client_uncounted()",
        "function invitation_code_retired()",
        "function invitation_code_unique()",
        "function invited_count_once()",
        "function reserve_hits(bytea,integer,interval,integer[],interval[])",
        "function session_ended()",
        "index client_invited",
        "index client_invited_deleted",
        "index event_inviter",
        "index sign_in_code_of_phone",
        "trigger campaign.campaign_code_unique",
        "trigger client.client_campaign",
        "trigger client.client_campaign_insert",
        "trigger client.client_counted",
        "trigger client.client_counted_insert",
        "trigger client.client_invited",
        "trigger client.client_invited_insert",
        "trigger client.client_invitation_code_retired",
        "trigger client.client_invitation_code_unique",
        "trigger client.client_invitation_code_unique_update",
        "trigger client.client_inviter_lives",
        "trigger client.client_name_erased",
        "trigger client.client_no_ring",
        "trigger client.client_no_ring_insert",
        "trigger client.client_uncounted",
        "trigger invited_count.invited_count_once",
        "trigger session.session_ended",
    }
)

# All there is in a schema, a row each: a name and what it is.
CATALOGUE = """
    SELECT 'relation ' || relname, relkind::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'I')
    UNION ALL
    SELECT 'column ' || relname || '.' || attname, concat_ws(' ',
            format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
            'default ' || pg_get_expr(adbin, adrelid), 'identity ' || nullif(attidentity::text, ''),
            'collate ' || nullif(attcollation, 0)::regcollation::text)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
            AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 'constraint ' || conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL
    SELECT 'index ' || indexrelid::regclass, pg_get_indexdef(indexrelid)
            || CASE WHEN indisvalid THEN '' ELSE ' invalid' END
        FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
        WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'trigger ' || tgrelid::regclass || '.' || tgname
            || CASE tgenabled WHEN 'D' THEN ' (disabled)' ELSE '' END, pg_get_triggerdef(oid)
        FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'function ' || oid::regprocedure, pg_get_functiondef(oid)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


def drift(declared: dict[str, str], actual: dict[str, str]) -> list[str]:
    """Say where a migrated database is not what the models and BY_HAND declare."""
    expected = declared.keys() | BY_HAND
    return [
        *(f"{name} is not in the database" for name in sorted(expected - actual.keys())),
        *(f"{name} is not declared" for name in sorted(actual.keys() - expected)),
        *(
            f"{name} is declared as {declared[name]} but is {actual[name]}"
            for name in sorted(declared.keys() & actual.keys())
            if declared[name] != actual[name]
        ),
    ]


async def test_eight_replicas_that_start_together_migrate_once(database: str) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    blocker = await asyncpg.connect(**parse_url(database))
    try:
        await blocker.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        replicas = [await _start_replica(database) for _ in range(8)]
        async with asyncio.timeout(15):
            while await blocker.fetchval(waiting) < len(replicas):  # noqa: ASYNC110 - of others
                await asyncio.sleep(0.05)
        await blocker.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)
        said = [await replica.communicate() for replica in replicas]
        rows = await blocker.fetch("SELECT version FROM aerich ORDER BY id")
    finally:
        await blocker.close()

    assert [replica.returncode for replica in replicas] == [0] * 8, said
    assert sorted(json.loads(out) for out, _ in said) == [[]] * 7 + [MIGRATIONS]
    assert [row["version"] for row in rows] == MIGRATIONS


# What servers of the first migration ask, on statements that stay prepared: `*` among them.
OF_THE_FIRST = (
    """
    INSERT INTO sign_in_code
        (phone, key_id, nonce, length, expires_at, resend_at, sends, guesses)
    SELECT $1, '', '', 4, now(), now(), 1, 0 WHERE $2::uuid IS NOT NULL AND $3 <> ''
    ON CONFLICT (phone) DO UPDATE SET sends = sign_in_code.sends + 1 RETURNING *
    """,
    """
    WITH spent AS (DELETE FROM sign_in_code WHERE phone = $1 RETURNING phone)
    INSERT INTO client (id, phone, invitation_code, created_at)
    SELECT $2, phone, $3, now() FROM spent RETURNING *
    """,
    """
    UPDATE client SET inviter_id = (
        SELECT id FROM client WHERE created_at < (SELECT created_at FROM client WHERE id = $2)
        ORDER BY created_at DESC LIMIT 1
    ) WHERE phone = $1 AND id = $2 AND invitation_code = $3 AND inviter_id IS NULL RETURNING *
    """,
    """
    SELECT client.*, inviter.invitation_code AS applied_code
    FROM client LEFT JOIN client AS inviter ON inviter.id = client.inviter_id
    WHERE client.phone = $1 AND client.id = $2 AND client.invitation_code = $3
    """,
)


async def test_database_of_the_first_release_is_migrated_while_its_queries_run(
    database: str, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(REPOSITORY / "migrations/models" / MIGRATIONS[0], tmp_path / "models")
    async with TortoiseContext() as context:
        await context.init(_config(database).aerich)
        command = Command(_config(database).tortoise, location=str(tmp_path))
        await command.init()
        assert await command.upgrade() == MIGRATIONS[:1]
    done, registered = asyncio.Event(), asyncio.Event()

    async def register() -> int:
        connection = await asyncpg.connect(**parse_url(database))
        people = 0
        while not done.is_set():
            person = (f"+{next(NUMBERS)}", uuid4(), f"{next(NUMBERS) % 10**6:06}")
            for sql in OF_THE_FIRST:
                assert len(await connection.fetch(sql, *person)) == 1
            people += 1
            registered.set()
        await connection.close()
        return people

    servers = [asyncio.create_task(register()) for _ in range(4)]
    await registered.wait()
    assert await migrate(_config(database)) == MIGRATIONS[1:]
    done.set()
    people = sum(await asyncio.gather(*servers))
    async with _serving(database):
        (row,) = await fetch("SELECT count(*), count(inviter_id) AS invited FROM client")
        (counted,) = await fetch("SELECT sum(count)::int AS sum FROM invited_count")
    assert people == row["count"]
    assert counted["sum"] == row["invited"] > 0


async def test_second_migration_changes_nothing_and_logs_nothing(
    database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = _config(database)

    assert await migrate(config) == MIGRATIONS
    assert await migrate(config) == []
    assert capfd.readouterr() == ("", "")


async def test_database_of_a_newer_version_is_unchanged(database: str) -> None:
    await migrate(_config(database))
    newer = "INSERT INTO aerich (version, app, content) VALUES ('999_x.py', 'models', '{}')"
    async with _serving(database):
        await get_connection("default").execute_script(newer)

        assert await migrate(_config(database)) == []
        assert await is_migrated()


async def test_migration_does_not_disturb_connected_clients(database: str) -> None:
    async with _serving(database):
        assert not await is_migrated()
        async with in_transaction() as transaction:
            await transaction.execute_script("CREATE TABLE other ()")
            assert await migrate(_config(database)) == MIGRATIONS
            await transaction.execute_script("SELECT FROM other")
        assert await is_migrated()


async def test_migration_may_take_longer_than_the_timeouts_for_serving(database: str) -> None:
    bounds = "-c%20statement_timeout=1%20-c%20lock_timeout=1"
    assert await migrate(_config(f"{database}&options={bounds}")) == MIGRATIONS


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql://ann:hunter2@127.0.0.1:1/hub",
            "at 127.0.0.1, port 1, .* as ann .*Connect call",
        ),
        ("postgresql://ann:hunter2@/hub?host=/nowhere", "at /nowhere, port 5432, .* as ann .*No"),
        ("postgresql://ann:hunter2@a..b/hub", r"at a\.\.b, port 5432, .* as ann"),
        ("{server}&dbname=nothing", 'as postgres .*database "nothing" does not exist'),
        ("{server}&user=nobody", 'as nobody .*role "nobody" does not exist'),
        ("{server}&options=-c%20nothing=1", "unrecognized configuration parameter"),
    ],
)
async def test_unreachable_database_is_reported_in_a_sentence(
    url: str, said: str, postgres: str
) -> None:
    with pytest.raises(StartupError, match=said) as refusal:
        await migrate(_config(url.format(server=postgres)))

    assert str(refusal.value).endswith("check that it runs there and that DATABASE_URL is right.")
    assert "hunter2" not in str(refusal.value)


async def test_user_without_permission_to_migrate_gets_a_message(database: str) -> None:
    async with _serving(database):
        await get_connection("default").execute_script("CREATE ROLE reader LOGIN")

    with pytest.raises(StartupError, match=r"user reader may not change .*permission denied"):
        await migrate(_config(f"{database}&user=reader"))


async def test_open_transaction_is_rolled_back_at_release(database: str) -> None:
    async with _serving(database):
        with suppress(TransactionManagementError):  # at which Tortoise does not roll back
            async with in_transaction() as transaction:
                await transaction.execute_script("CREATE TABLE other ()")
                raise TransactionManagementError
        (row,) = await get_connection("default").execute_query_dict(
            "SELECT to_regclass('other') AS other"
        )
    assert row["other"] is None


@pytest.mark.parametrize(
    "sql",
    [
        "SET statement_timeout = 1; SELECT pg_sleep(1)",
        "SELECT pg_cancel_backend(pg_backend_pid())",
        "SELECT pg_terminate_backend(pg_backend_pid())",
    ],
)
async def test_database_that_times_out_is_unavailable(database: str, sql: str) -> None:
    async with _serving(database):
        with pytest.raises(UNAVAILABLE):
            await get_connection("default").execute_script(sql)


async def test_wrong_statement_is_an_internal_error(database: str) -> None:
    async with _serving(database):
        with pytest.raises(OperationalError) as error:
            await get_connection("default").execute_script("SELECT nothing")

    assert not isinstance(error.value, UNAVAILABLE)


async def test_migrated_database_equals_the_models_and_migrations(
    migrated: asyncpg.Connection, declared: dict[str, str]
) -> None:
    assert len(declared) > 20
    assert drift(declared, await _catalogue(migrated)) == []


async def test_times_of_uses_are_not_compressed(migrated: asyncpg.Connection) -> None:
    """To compress 100,000 of them takes 15 times as long as to store them."""
    sql = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'allowance'::regclass"
    assert await migrated.fetchval(f"{sql} AND attname = 'uses'") == b"e"


@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        ("ALTER TABLE client ALTER phone TYPE varchar(17)", "column client.phone is declared as"),
        ("ALTER TABLE client ALTER phone TYPE text", "column client.phone is declared as"),
        (
            'ALTER TABLE client ALTER phone TYPE varchar(16) COLLATE "C"',
            "column client.phone is declared as",
        ),
        (
            "ALTER TABLE sign_in_code ALTER nonce DROP NOT NULL",
            "column sign_in_code.nonce is declared as bytea not null but is bytea",
        ),
        (
            "ALTER TABLE client ALTER invited_at SET NOT NULL",
            "column client.invited_at is declared as",
        ),
        (
            "ALTER TABLE sign_in_code ALTER sends SET DEFAULT 0",
            "column sign_in_code.sends is declared as smallint not null but is",
        ),
        ("ALTER TABLE aerich ALTER id DROP DEFAULT", "column aerich.id is declared as"),
        ("ALTER TABLE client ADD more int", "column client.more is not declared"),
        (
            "ALTER TABLE client DROP created_at",
            "column client.created_at is not in the database",
        ),
        ("CREATE TABLE more ()", "relation more is not declared"),
        ("CREATE VIEW more AS SELECT", "relation more is not declared"),
        ("CREATE SEQUENCE more", "relation more is not declared"),
        ("DROP TABLE sign_in_code", "relation sign_in_code is not in the database"),
        (
            "ALTER TABLE sign_in_code DROP CONSTRAINT sign_in_code_pkey",
            "constraint sign_in_code.sign_in_code_pkey is not in the database",
        ),
        (
            "ALTER TABLE client DROP CONSTRAINT client_phone_key",
            "constraint client.client_phone_key is not in the database",
        ),
        (
            "ALTER TABLE client ADD UNIQUE (created_at)",
            "constraint client.client_created_at_key is not declared",
        ),
        (
            "ALTER TABLE client DROP CONSTRAINT client_inviter_id_fkey",
            "constraint client.client_inviter_id_fkey is not in the database",
        ),
        (
            """
            ALTER TABLE client DROP CONSTRAINT client_inviter_id_fkey,
                ADD FOREIGN KEY (inviter_id) REFERENCES client ON DELETE CASCADE
            """,
            "constraint client.client_inviter_id_fkey is declared as",
        ),
        (
            "ALTER TABLE client ALTER CONSTRAINT client_inviter_id_fkey DEFERRABLE",
            "constraint client.client_inviter_id_fkey is declared as",
        ),
        (
            "DROP INDEX idx_sign_in_cod_expires_19f58a",
            "index idx_sign_in_cod_expires_19f58a is not in the database",
        ),
        (
            """
            DROP INDEX idx_sign_in_cod_expires_19f58a;
            CREATE INDEX idx_sign_in_cod_expires_19f58a ON sign_in_code (expires_at DESC)
            """,
            "index idx_sign_in_cod_expires_19f58a is declared as",
        ),
        ("CREATE INDEX more ON client (created_at)", "index more is not declared"),
        (
            "ALTER TABLE client ADD CONSTRAINT more CHECK (phone <> '')",
            "constraint client.more is not declared",
        ),
        (
            "CREATE FUNCTION more() RETURNS int LANGUAGE sql RETURN 1",
            "function more() is not declared",
        ),
        (
            "ALTER TABLE client DISABLE TRIGGER client_no_ring",
            "trigger client.client_no_ring is not in the database",
        ),
        (
            "CREATE TRIGGER more AFTER DELETE ON client EXECUTE FUNCTION client_no_ring()",
            "trigger client.more is not declared",
        ),
    ],
)
async def test_drift_of_the_models_is_detected(
    change: str, noticed: str, migrated: asyncpg.Connection, declared: dict[str, str]
) -> None:
    found = drift(declared, await _catalogue_after(change, migrated))

    assert any(line.startswith(noticed) for line in found), found


@pytest.mark.parametrize("name", sorted(BY_HAND))
async def test_missing_handwritten_objects_are_detected(
    name: str, migrated: asyncpg.Connection, declared: dict[str, str]
) -> None:
    kind, _, full_name = name.partition(" ")
    table, _, own_name = full_name.partition(".")
    drop = {
        "constraint": f"ALTER TABLE {table} DROP CONSTRAINT {own_name}",
        "trigger": f"DROP TRIGGER {own_name} ON {table}",
        "function": f"DROP FUNCTION {full_name} CASCADE",
        "index": f"DROP INDEX {full_name}",
    }[kind]

    assert f"{name} is not in the database" in drift(
        declared, await _catalogue_after(drop, migrated)
    )


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ("count = fields.BigIntField()", "No changes detected"),
        ("count = fields.BigIntField(null=True)", "Success creating migration file"),
    ],
)
def test_aerich_writes_a_migration_only_if_the_models_change(
    declaration: str, said: str, tmp_path: Path
) -> None:
    for folder in ("src", "migrations"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    models = tmp_path / "src/connect_hub/database/models.py"
    text = models.read_text()
    assert "count = fields.BigIntField()" in text
    models.write_text(text.replace("count = fields.BigIntField()", declaration))

    done = subprocess.run(
        [sys.executable, "-m", "aerich", "migrate", "--offline", "--no-input"],
        check=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        capture_output=True,
        text=True,
    )

    assert done.stdout.startswith(said)


@pytest.fixture
async def database(postgres: str) -> str:
    return await _create_database(postgres)


@pytest.fixture(scope="module")
async def migrated(postgres: str) -> AsyncIterator[asyncpg.Connection]:
    url = await _create_database(postgres)
    await migrate(_config(url))
    connection = await asyncpg.connect(**parse_url(url))
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def declared(postgres: str) -> dict[str, str]:
    url = await _create_database(postgres)
    config = _config(url).aerich
    async with TortoiseContext() as context:
        await context.init(config)
        await context.generate_schemas()
    connection = await asyncpg.connect(**parse_url(url))
    found = await _catalogue(connection)
    await connection.close()
    return found


async def _create_database(server: str) -> str:
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(**parse_url(server))
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{server}&dbname={name}"


def _config(url: str) -> DatabaseConfig:
    return serving_config(
        Settings(_env_file=None, database_url=url, secret_key="x", sms_urls=("simulated://",))
    )


@asynccontextmanager
async def _serving(url: str) -> AsyncIterator[None]:
    async with TortoiseContext() as context:
        await context.init(_config(url).tortoise)
        yield


async def _start_replica(url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", REPLICA),
        env=os.environ | {"DATABASE_URL": url, "SECRET_KEY": "x", "SMS_URLS": "simulated://"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def _catalogue_after(change: str, connection: asyncpg.Connection) -> dict[str, str]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(change)
        return await _catalogue(connection)
    finally:
        await transaction.rollback()


async def _catalogue(connection: asyncpg.Connection) -> dict[str, str]:
    return dict(await connection.fetch(CATALOGUE))
