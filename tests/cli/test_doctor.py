import asyncio
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from connect_hub.database import embedded
from connect_hub.security.keys import new_secret
from tests.support.processes import ME, Server, command, environment, run, serving


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder / "doctor") as server:
        yield server


def examined(server: Server, **settings: str) -> tuple[int, dict[str, str]]:
    done = run("doctor", DATA_DIR=str(server.data_dir), **settings)
    assert not done.stderr, done.stderr
    found = re.findall(r"^(\w+) +(ok|warning|FAILED) +.*$", done.stdout, re.MULTILINE)
    assert len(found) == len(done.stdout.splitlines())
    return done.returncode, dict(found)


def execute(server: Server, sql: str) -> None:
    async def executed() -> None:
        socket = str(embedded.socket_folder(server.data_dir))
        connection = await asyncpg.connect(host=socket, user="postgres", database="postgres")
        await connection.execute(sql)
        await connection.close()

    asyncio.run(executed())


def test_all_checks_pass_beside_a_running_server(server: Server) -> None:
    returncode, found = examined(server)
    assert returncode == 0
    assert set(found.values()) == {"ok"}
    assert list(found) == [
        *("settings", "sms", "codes", "behaviour", "database", "encoding", "schema", "session"),
        *("connections", "writes", "clock", "migrations", "privileges", "triggers"),
        *("webhooks", "rings", "campaigns", "counts"),
    ]


def test_rings_and_wrong_counts_are_found(server: Server) -> None:
    one, other = server.register(), server.register()
    execute(
        server,
        f"""
        SET session_replication_role = replica;  -- no triggers
        UPDATE client SET inviter_id = '{one.id}', invited_at = now() WHERE id = '{other.id}';
        UPDATE client SET inviter_id = '{other.id}', invited_at = now() WHERE id = '{one.id}'
        """,
    )
    returncode, found = examined(server)
    assert returncode == 1
    assert (found["rings"], found["counts"], found["migrations"]) == ("FAILED", "FAILED", "ok")
    execute(
        server,
        "SET session_replication_role = replica; UPDATE client SET inviter_id = NULL,"
        " invited_at = NULL, applied_invitation_code = NULL",
    )
    assert examined(server)[0] == 0
    assert server.ask(ME) is None


def test_a_pool_larger_than_the_database_takes_is_found(server: Server) -> None:
    returncode, found = examined(server, WORKERS="64")
    assert returncode == 1
    assert found["connections"] == "FAILED"


def test_a_wrong_setting_is_found(server: Server) -> None:
    assert examined(server, CODE_LENGTH="99") == (1, {"settings": "FAILED"})


@pytest.mark.parametrize(
    ("total", "state", "details"),
    [
        ("100/hour", "ok", "at most 4800 SMS: 2400 codes"),
        ("100/hour;1000/day", "ok", "at most 2000 SMS: 1000 codes"),
        ("100/7hours;9999/30days", "ok", "at most 800 SMS: 400 codes"),  # four times in a day
        ("3000/30days", "ok", "at most 6000 SMS: 3000 codes"),  # all in one day
        ("none", "warning", "any number of SMS"),
    ],
)
def test_what_a_day_may_cost_is_shown(server: Server, total: str, state: str, details: str) -> None:
    gateway = {"SMS_URLS": "json://localhost/?:to={phone}", "SENDS_TOTAL": total}
    done = run("doctor", DATA_DIR=str(server.data_dir), **gateway)
    assert done.returncode == 0
    assert re.search(rf"^sms +{state} .*{details}", done.stdout, re.MULTILINE), done.stdout


def test_gateway_without_a_limit_of_its_cost_is_found(server: Server) -> None:
    gateway = {"SMS_URLS": "json://localhost/?:to={phone}"}
    assert examined(server, **gateway) == (1, {"settings": "FAILED"})


@pytest.mark.parametrize(
    ("setting", "sms_urls", "state"),
    [
        ("optional", "json://localhost/?:to={phone}", "warning"),
        ("required", "json://localhost/?:to={phone}", "ok"),
        ("optional", "simulated://", "ok"),
    ],
)
def test_codes_that_are_not_bound_are_a_warning_beside_a_gateway(
    server: Server, setting: str, sms_urls: str, state: str
) -> None:
    settings = {"SMS_URLS": sms_urls, "SENDS_TOTAL": "100/hour", "REQUEST_ID": setting}
    returncode, found = examined(server, **settings)
    assert (returncode, found["codes"]) == (0, state)


def test_env_file_that_others_may_read_is_a_warning(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".env").touch(mode=0o600)
    for mode, state in ((0o600, "ok"), (0o640, "warning"), (0o604, "warning")):
        (tmp_path / ".env").chmod(mode)
        done = subprocess.run(
            command("doctor"),
            env=environment(DATA_DIR=str(server.data_dir)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert re.search(rf"^settings +{state} ", done.stdout, re.MULTILINE), done


def test_simulated_sms_with_an_own_database_are_a_warning(server: Server) -> None:
    url = f"postgresql://postgres@/postgres?host={embedded.socket_folder(server.data_dir)}"
    returncode, found = examined(server, DATABASE_URL=url, SECRET_KEY=new_secret())
    assert (returncode, found["sms"]) == (0, "warning")


def test_a_database_that_does_not_answer_is_found(server: Server) -> None:
    url = "postgresql://127.0.0.1:1/nowhere?user=nobody"
    returncode, found = examined(server, DATABASE_URL=url, SECRET_KEY=new_secret())
    assert (returncode, found["database"]) == (1, "FAILED")


def test_stats_counts_beside_a_running_server(server: Server) -> None:
    server.register()
    done = run("stats", DATA_DIR=str(server.data_dir))
    assert done.returncode == 0, done
    counted = dict(re.findall(r"^(.*?)  +(\d+)$", done.stdout, re.MULTILINE))
    assert int(counted["clients"]) == int(counted["sessions"]) >= 1
    assert counted["blocked"] == "0"


def test_stats_reports_a_missing_migration(folder: Path) -> None:
    done = run("stats", DATA_DIR=str(folder / "empty"))
    assert done.returncode == 1
    assert done.stderr == "Error: The database is not migrated: run connect-hub migrate first.\n"
