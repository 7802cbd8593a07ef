import asyncio
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from connect_hub.database import embedded
from tests.support.processes import command, environment, run

TABLES = """
    CREATE TABLE auth_user (id int PRIMARY KEY, date_joined timestamptz NOT NULL);
    CREATE TABLE clients_client (
        id bigint PRIMARY KEY, user_id int UNIQUE, phone varchar(20) NOT NULL,
        invitation_code varchar(6) NOT NULL, someone_invitation_code varchar(6)
    );
    CREATE TABLE clients_clientconnections (
        id bigint PRIMARY KEY, invited_client_id bigint UNIQUE, inviter_client_id bigint
    );
    INSERT INTO auth_user VALUES (1, '2024-12-01 10:00Z');
    INSERT INTO clients_client VALUES
        (1, 1, '+79991230001', 'aB3dE5', NULL),
        (2, 2, '+79991230002', 'Ab3De5', 'aB3dE5'),
        (3, 3, '+123456789', 'QQQQQQ', 'aB3dE5'),
        (4, 4, '+79991230004', 'FFFFFF', 'GGGGGG'),
        (5, 5, '+79991230005', 'GGGGGG', 'FFFFFF'),
        (6, 6, '89991230006', 'hhhhhh', 'hhhhhh');
    INSERT INTO clients_clientconnections VALUES (1, 2, 1), (2, 3, 1), (3, 4, 5), (4, 5, 4);
"""


async def execute(data_dir: Path, sql: str, database: str = "postgres") -> list[Any]:
    socket = str(embedded.socket_folder(data_dir))
    connection = await asyncpg.connect(host=socket, user="postgres", database=database)
    try:
        if sql.lstrip().startswith("SELECT"):
            return [tuple(row) for row in await connection.fetch(sql)]
        await connection.execute(sql)
        return []
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def data_dir(folder: Path) -> Iterator[Path]:
    made = folder / "import"
    assert run("migrate", DATA_DIR=str(made)).returncode == 0
    with embedded.running(made):
        asyncio.run(execute(made, "CREATE DATABASE demo"))
        asyncio.run(execute(made, TABLES, "demo"))
        yield made


def test_repeated_import_of_the_demo_changes_nothing(data_dir: Path) -> None:
    url = f"postgresql://postgres@/demo?host={embedded.socket_folder(data_dir)}"
    clients = """
        SELECT client.phone, client.invitation_code, inviter.phone, client.created_at::text
        FROM client LEFT JOIN client AS inviter ON inviter.id = client.inviter_id ORDER BY 1
    """
    first = run("import-demo", url, DATA_DIR=str(data_dir), DEFAULT_COUNTRY="RU")
    assert first.returncode == 0, first
    after_first = asyncio.run(execute(data_dir, clients))
    codes = [code for _, code, *_ in after_first]
    assert codes[0] == "AB3DE5" != codes[1]  # which is the same in capitals
    assert codes[2:] == ["FFFFFF", "GGGGGG", "HHHHHH"]
    inviters = [inviter for _, _, inviter, _ in after_first]
    assert inviters == [None, "+79991230001", "+79991230005", None, None]
    assert after_first[0][3].startswith("2024-12-01 10:00:00")
    for line in (
        "clients left: client 3 of the demo, whose phone is not a mobile number",
        "invitations left: client 3 of the demo, since it or its inviter was left",
        "invitations left: client 5 of the demo, since it would close a ring",
        "invitations left: client 6 of the demo, since it would close a ring",
        "clients added: 5",
        "invitations added: 2",
    ):
        assert line in first.stdout.splitlines()
    replaced = r"^codes replaced: client 2 of the demo, .* now [2-9A-Z]{6}$"
    assert re.search(replaced, first.stdout, re.MULTILINE)
    assert "+7999" not in first.stdout + first.stderr

    second = run("import-demo", url, DATA_DIR=str(data_dir), DEFAULT_COUNTRY="RU")
    assert second.returncode == 0, second
    assert asyncio.run(execute(data_dir, clients)) == after_first
    assert {"clients here already: 5", "invitations here already: 2"} <= set(
        second.stdout.splitlines()
    )
    assert "added" not in second.stdout

    assert run("clients", "delete", "+79991230001", "--yes", DATA_DIR=str(data_dir)).returncode == 0
    third = run("import-demo", url, DATA_DIR=str(data_dir))
    assert "clients left: client 1 of the demo, who deleted the account here" in third.stdout
    assert "added" not in third.stdout


def test_database_of_another_program_is_rejected(data_dir: Path) -> None:
    url = f"postgresql://postgres@/postgres?host={embedded.socket_folder(data_dir)}"
    refused = run("import-demo", url, DATA_DIR=str(data_dir))
    assert refused.returncode == 1
    assert "The demo's database cannot be read" in refused.stderr
    refused = run("import-demo", "sqlite:///demo", DATA_DIR=str(data_dir))
    assert refused.stderr.startswith("Error: URL takes postgresql://")


def with_passwords(data_dir: Path) -> str:
    """Let PostgreSQL require a password of the demo's user; return the URL without one."""
    (data_dir / "postgres" / "pg_hba.conf").write_text(
        "local demo reader scram-sha-256\nlocal all all trust\n"
    )
    asyncio.run(
        execute(
            data_dir,
            "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN SUPERUSER PASSWORD 'hunter2';"
            " SELECT pg_reload_conf()",
        )
    )
    return f"postgresql://{{}}@/demo?host={embedded.socket_folder(data_dir)}"


@pytest.mark.parametrize("user", ["reader:hunter2", "reader:hunter2%21", "reader"])
def test_a_password_on_the_command_line_is_refused(data_dir: Path, user: str) -> None:
    url = with_passwords(data_dir).format(user) + "&password=hunter2" * (":" not in user)
    refused = run("import-demo", url, DATA_DIR=str(data_dir))
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: URL has a password, which other users see")
    assert "DEMO_PASSWORD" in refused.stderr
    assert "hunter2" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_the_password_comes_from_the_environment(data_dir: Path) -> None:
    url = with_passwords(data_dir).format("reader")
    read = run("import-demo", url, DATA_DIR=str(data_dir), DEMO_PASSWORD="hunter2")
    assert read.returncode == 0, read
    refused = run("import-demo", url, DATA_DIR=str(data_dir), DEMO_PASSWORD="wrong")
    assert "The demo's database cannot be read (password authentication failed" in refused.stderr


def test_the_password_is_asked_for_at_a_terminal(data_dir: Path) -> None:
    url = with_passwords(data_dir).format("reader")
    ours, theirs = os.openpty()
    with subprocess.Popen(
        command("import-demo", url),
        env=environment(DATA_DIR=str(data_dir)),
        cwd="/",
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while b"Password of the demo" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, b"hunter2\n")
        assert process.wait(timeout=60) == 0
    with suppress(OSError):  # the terminal is gone
        while more := os.read(ours, 1000):
            shown += more
    os.close(ours)
    assert b"hunter2" not in shown


def test_a_malformed_url_is_refused_without_advice_to_write_a_password(data_dir: Path) -> None:
    refused = run("import-demo", "postgresql://reader:hun@ter2@host/demo", DATA_DIR=str(data_dir))
    assert refused.stderr.startswith("Error: URL takes postgresql://user@host")
    assert "ter2" not in refused.stderr
