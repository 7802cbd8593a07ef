"""What the application's database role can do, and what whoever takes it over can not."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest

from connect_hub.database import embedded
from connect_hub.database.config import DatabaseConfig, migration_config, serving_config
from connect_hub.database.connections import fetch
from connect_hub.database.migrations import migrate
from connect_hub.database.url import parse_url
from connect_hub.security.keys import new_secret
from connect_hub.settings import Settings, StartupError
from tests.support.hub import Hub
from tests.support.processes import run, serving

PASSWORD = "secret"


class Own:
    """A database of one's own, with an owner who is no superuser; passwords are asked for."""

    def __init__(self, data_dir: Path, owner: asyncpg.Connection, name: str) -> None:
        self.folder = data_dir
        self.owner = owner  # a connection of the superuser
        self.name = name  # of the database and its owner, and the owner's password
        self.application = f"app_{name}"

    def url(self, user: str, password: str) -> str:
        socket = quote(str(embedded.socket_folder(self.folder)), safe="")
        return f"postgresql://{user}:{quote(password, safe='')}@/{self.name}?host={socket}"

    def config(self, user: str, password: str | None = None) -> DatabaseConfig:
        url = self.url(user, password or user)
        return serving_config(
            Settings(_env_file=None, database_url=url, secret_key="x", sms_urls=("simulated://",))
        )

    def settings(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.url(self.application, PASSWORD),
            "SECRET_KEY": new_secret(),
        }


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Path]:
    """A PostgreSQL that takes passwords from all but its superuser."""
    data_dir = folder / "own"
    with embedded.running(data_dir):
        hba = data_dir / "postgres" / "pg_hba.conf"
        hba.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        yield data_dir


@pytest.fixture
async def own(server: Path) -> AsyncIterator[Own]:
    name = f"o{uuid4().hex}"
    host = str(embedded.socket_folder(server))
    connection = await asyncpg.connect(host=host, user="postgres", database="postgres")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD '{name}'")
    await connection.execute(f"CREATE DATABASE {name} OWNER {name}")
    await connection.close()
    connection = await asyncpg.connect(host=host, user="postgres", database=name)
    yield Own(server, connection, name)
    await connection.close()


@pytest.fixture
async def stolen(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the running server's role."""
    assert settings.database_url
    connection = await asyncpg.connect(**parse_url(settings.database_url.get_secret_value()))
    yield connection
    await connection.close()


async def migrated(own: Own, *, password: str = PASSWORD) -> list[str]:
    settings = Settings(
        _env_file=None,
        database_url=own.url(own.application, password),
        migration_database_url=own.url(own.name, own.name),
        secret_key="x",
        sms_urls=("simulated://",),
    )
    return await migrate(migration_config(settings), served_by=serving_config(settings))


REFUSED = [
    "DROP TABLE client",
    "DROP FUNCTION client_no_ring CASCADE",
    "DROP OWNED BY postgres",
    "ALTER TABLE client DROP CONSTRAINT client_not_own_inviter",
    "ALTER TABLE client OWNER TO connect_hub",
    "ALTER TABLE client DISABLE TRIGGER client_no_ring",
    "ALTER TABLE client DISABLE TRIGGER ALL",
    "ALTER TABLE client ENABLE ROW LEVEL SECURITY",
    "DROP TRIGGER client_no_ring ON client",
    "CREATE TRIGGER taken AFTER DELETE ON client EXECUTE FUNCTION session_ended()",
    "CREATE RULE r AS ON DELETE TO session DO INSTEAD NOTHING",
    "CREATE INDEX ON client (created_at)",
    "TRUNCATE client",
    "TRUNCATE session",
    "CREATE TABLE taken ()",
    "CREATE TABLE taken AS SELECT FROM client",
    "CREATE SCHEMA taken",
    "CREATE VIEW taken AS SELECT FROM client",
    "CREATE FUNCTION taken() RETURNS int LANGUAGE sql RETURN 1",
    "CREATE OR REPLACE FUNCTION session_ended() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION file_fdw",
    "CREATE EVENT TRIGGER taken ON sql_drop EXECUTE FUNCTION client_no_ring()",
    "CREATE PUBLICATION taken FOR ALL TABLES",
    "CREATE SUBSCRIPTION taken CONNECTION 'host=127.0.0.1' PUBLICATION taken",
    "SELECT pg_create_logical_replication_slot('taken', 'pgoutput')",
    "COPY client TO PROGRAM 'cat'",
    "COPY client FROM PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/taken'",
    "CREATE TEMP TABLE read (line text); COPY read FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_stat_file('PG_VERSION')",
    "SELECT pg_ls_waldir()",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(0, '/tmp/taken')",
    "LOAD 'auto_explain'",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "ALTER SYSTEM SET fsync = off",
    "ALTER DATABASE postgres SET session_replication_role = replica",
    "ALTER ROLE connect_hub SUPERUSER",
    "ALTER ROLE connect_hub SET session_replication_role = replica",
    "ALTER ROLE connect_hub BYPASSRLS",
    "ALTER ROLE connect_hub CONNECTION LIMIT 0",
    "ALTER ROLE connect_hub VALID UNTIL '2000-01-01'",
    "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON TABLES TO connect_hub",
    "REASSIGN OWNED BY postgres TO connect_hub",
    "ALTER FUNCTION client_no_ring OWNER TO connect_hub",
    "ALTER FUNCTION client_no_ring RESET ALL",
    "CREATE STATISTICS taken ON id, phone FROM client",
    "CREATE TABLESPACE taken LOCATION '/tmp/taken'",
    "CREATE FOREIGN DATA WRAPPER taken",
    "CREATE CAST (text AS uuid) WITH INOUT AS IMPLICIT",
    "REINDEX TABLE client",
    "CLUSTER client USING client_pkey",
    "SELECT pg_promote()",
    "SELECT pg_backup_start('taken')",
    "CREATE ROLE taken SUPERUSER",
    "CREATE DATABASE taken",
    "GRANT postgres TO connect_hub",
    "GRANT pg_execute_server_program TO connect_hub",
    "GRANT ALL ON client TO connect_hub; TRUNCATE client",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SET session_replication_role = replica",
    "SELECT set_config('session_replication_role', 'replica', false)",
    "SET log_statement = 'none'",
    "UPDATE pg_trigger SET tgenabled = 'D'",
    "DELETE FROM aerich",
    "UPDATE aerich SET version = 'x'",
    "INSERT INTO aerich (version, app, content) VALUES ('999_x.py', 'models', '{}')",
]


@pytest.mark.parametrize("sql", REFUSED)
@pytest.mark.usefixtures("hub")
async def test_stolen_connection_may_do_only_what_serving_needs(
    sql: str, stolen: asyncpg.Connection
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await stolen.execute(sql)


async def test_stolen_connection_cannot_close_a_ring(hub: Hub, stolen: asyncpg.Connection) -> None:
    ann, ben = await hub.people(2)
    await ben.apply(ann.invitation_code)
    with pytest.raises(asyncpg.CheckViolationError, match="invited by this client"):
        await stolen.execute("UPDATE client SET inviter_id = $1 WHERE id = $2", ben.id, ann.id)


@pytest.mark.parametrize(
    "trick",
    [
        (
            "CREATE TEMP TABLE client (LIKE public.client);"
            " CREATE TEMP TABLE invited_count (LIKE public.invited_count INCLUDING ALL)"
        ),
        "CREATE FUNCTION pg_temp.pg_advisory_xact_lock(bigint) RETURNS void LANGUAGE sql AS ''",
        (
            "CREATE FUNCTION pg_temp.always(uuid, uuid) RETURNS bool LANGUAGE sql RETURN false;"
            " CREATE OPERATOR pg_temp.="
            " (FUNCTION = pg_temp.always, LEFTARG = uuid, RIGHTARG = uuid)"
        ),
        "SET default_transaction_isolation = 'repeatable read'",
    ],
)
@pytest.mark.parametrize("path", ["public", "pg_temp, pg_catalog, public", "pg_temp, public"])
async def test_stolen_connection_cannot_bypass_the_trigger(
    hub: Hub, stolen: asyncpg.Connection, trick: str, path: str
) -> None:
    ann, ben = await hub.people(2)
    await ben.apply(ann.invitation_code)
    await stolen.execute(trick)
    await stolen.execute(f"SET search_path = {path}")
    with pytest.raises(asyncpg.PostgresError, match=r"invited by this client|READ COMMITTED"):
        await stolen.execute(
            "UPDATE public.client SET inviter_id = $1 WHERE id OPERATOR(pg_catalog.=) $2",
            ben.id,
            ann.id,
        )


async def test_embedded_server_does_not_serve_as_superuser(hub: Hub) -> None:
    await hub.person()
    (row,) = await fetch("SELECT usename, usesuper FROM pg_user WHERE usename = current_user")
    assert (row["usename"], row["usesuper"]) == (embedded.APP_USER, False)


async def test_migrate_creates_the_role_with_the_password_of_its_url(own: Own) -> None:
    password = "a 'b\" $c%"
    assert await migrated(own, password=password)
    for right in (password, "wrong"):
        url = own.url(own.application, right)
        if right == "wrong":
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(**parse_url(url))
        else:
            await (await asyncpg.connect(**parse_url(url))).close()
    stored = await own.owner.fetchval(
        "SELECT rolpassword FROM pg_authid WHERE rolname = $1", own.application
    )
    assert stored.startswith("SCRAM-SHA-256$4096:")


async def test_existing_database_with_one_role_gets_a_second_role(own: Own) -> None:
    await migrate(own.config(own.name))
    assert await migrated(own) == []
    for _ in range(2):  # the second time changes nothing
        application = await asyncpg.connect(**parse_url(own.url(own.application, PASSWORD)))
        for table in await application.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ):
            await application.execute(f"SELECT * FROM {table['tablename']}")
        await application.execute("DELETE FROM session")
        await application.close()
        await migrated(own)


async def test_table_of_a_later_migration_is_granted_at_once(own: Own) -> None:
    await migrated(own)
    owner = await asyncpg.connect(**parse_url(own.url(own.name, own.name)))
    application = await asyncpg.connect(**parse_url(own.url(own.application, PASSWORD)))
    await owner.execute("CREATE TABLE later (number int)")
    await application.execute("INSERT INTO later VALUES (1)")
    for connection in (application, owner):
        await connection.close()


async def test_hardened_database_is_granted_what_serving_needs(own: Own) -> None:
    await own.owner.execute(
        f"""
        REVOKE ALL ON DATABASE "{own.name}" FROM PUBLIC;
        REVOKE ALL ON SCHEMA public FROM PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE "{own.name}" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC
        """
    )
    await migrated(own)
    with serving(own.folder, port=0, **own.settings()) as server:
        assert server.knows(server.register())


async def test_role_that_cannot_migrate_serves_a_migrated_database(own: Own) -> None:
    settings = own.settings()
    await own.owner.execute(f"CREATE ROLE \"{own.application}\" LOGIN PASSWORD '{PASSWORD}'")
    refused = run("serve", "--port", "0", **settings)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Error: The user {own.application} may not change the data")
    assert "run connect-hub migrate with MIGRATION_DATABASE_URL" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    done = run("migrate", **settings, MIGRATION_DATABASE_URL=own.url(own.name, own.name))
    assert done.returncode == 0, done
    with serving(own.folder, port=0, **settings) as server:
        assert server.knows(server.register())
        examined = run("doctor", **settings)
        assert re.search(r"^privileges +ok ", examined.stdout, re.MULTILINE), examined


async def test_one_role_for_both_serves_with_a_warning(own: Own) -> None:
    settings = own.settings() | {"DATABASE_URL": own.url(own.name, own.name)}
    with serving(own.folder, port=0, **settings) as server:
        assert server.knows(server.register())
        examined = run("doctor", **settings)
    assert examined.returncode == 0
    assert re.search(rf"^privileges +warning +{own.name} owns", examined.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("REVOKE DELETE ON session FROM {}", "FAILED +{} may not delete rows of session: run"),
        ("ALTER ROLE {} SUPERUSER", "warning +{} is a superuser"),
        ("ALTER ROLE {} CREATEROLE", "warning +{} may create roles"),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "warning +{} may create tables and functions"),
        ("GRANT pg_execute_server_program TO {}", "warning +{} is a member of pg_execute_server"),
        ("GRANT postgres TO {}", "warning +{} is a member of postgres"),
    ],
)
async def test_doctor_reports_a_role_with_too_few_or_too_many_privileges(
    own: Own, change: str, told: str
) -> None:
    await migrated(own)
    await own.owner.execute(change.format(own.application))
    examined = run("doctor", **own.settings())
    assert examined.returncode == ("FAILED" in told), examined
    found = rf"^privileges +{told.format(own.application)}"
    assert re.search(found, examined.stdout, re.MULTILINE), examined.stdout


async def test_message_names_a_role_that_migrate_cannot_create(own: Own) -> None:
    await own.owner.execute(f"ALTER ROLE {own.name} NOCREATEROLE")
    with pytest.raises(StartupError, match=rf"^The user {own.name} may not change .* create role"):
        await migrated(own)


async def test_password_that_is_not_ascii_is_rejected_in_a_sentence(own: Own) -> None:
    with pytest.raises(StartupError, match="not ASCII") as refusal:
        await migrated(own, password="пароль")
    assert "пароль" not in str(refusal.value)


async def test_embedded_database_of_the_previous_release_works_with_both_releases(
    folder: Path,
) -> None:
    data_dir = folder / "former"
    socket = quote(str(embedded.socket_folder(data_dir)), safe="")
    as_before = {"DATABASE_URL": f"postgresql://postgres@/postgres?host={socket}"}
    as_before["SECRET_KEY"] = new_secret()
    with embedded.running(data_dir), serving(data_dir, port=0, **as_before) as former:
        assert former.knows(former.register())
    with serving(data_dir, SECRET_KEY=as_before["SECRET_KEY"]) as server:
        client = server.register()
        owned = await asyncpg.connect(
            host=str(embedded.socket_folder(data_dir)), user="postgres", database="postgres"
        )
        users = await owned.fetch(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'connect-hub'"
        )
        await owned.close()
        assert [user["usename"] for user in users] == ["connect_hub"]
    with embedded.running(data_dir), serving(data_dir, port=0, **as_before) as former:
        assert former.knows(client)
        assert former.knows(former.register())
