"""Servers that only speak PostgreSQL's protocol, and pools before it, are refused in one line."""

import re
from pathlib import Path

import pytest

from tests.support import databases
from tests.support.databases import Database
from tests.support.lookalikes import Lookalike, imitating
from tests.support.processes import run, serving

COMMANDS = ("serve", "migrate", "doctor")
POOLED = "a pool in transaction or statement mode .* DIRECT_DATABASE_URL"
SHARED_LOCK = "two sessions hold the same advisory lock at once"
UNHEARD = "LISTEN hears no notification"
REFUSED = r"it refuses what PostgreSQL does \(.*\): use PostgreSQL itself"
NO_TRIGGERS = "triggers on the table client do not run"

LOOKALIKES = {
    "one connection for all": (Lookalike(shared=1), POOLED),
    "transaction mode": (Lookalike(shared=3), POOLED),
    "transaction mode in turn": (Lookalike(shared=2, longest_idle_first=True), POOLED),
    "many connections in turn": (Lookalike(shared=5, longest_idle_first=True), POOLED),
    "statement mode": (Lookalike(shared=3, per_statement=True), POOLED),
    "no lock holds": (
        Lookalike({r"pg_(try_)?advisory_\w+\(\$1\)": "($1::bigint IS NOT NULL)"}),
        SHARED_LOCK,
    ),
    "no lock of a session holds": (
        Lookalike({r"pg_advisory_lock\(\$1\)": "abs($1::bigint)"}),
        SHARED_LOCK,
    ),
    "no lock of a transaction holds": (
        Lookalike({r"pg_advisory_xact_lock\(\$1\)": "abs($1::bigint)"}),
        SHARED_LOCK,
    ),
    "a lock is acquired by everybody": (
        Lookalike({r"pg_try_advisory_xact_lock\(\$1\)": "($1::bigint IS NOT NULL)"}),
        SHARED_LOCK,
    ),
    "a lock is never released": (
        Lookalike({r"pg_advisory_unlock\(\$1\)": "($1::bigint IS NULL)"}),
        SHARED_LOCK,
    ),
    "locks do not exist": (Lookalike({"pg_advisory_lock": "pg_no_such_lock"}), REFUSED),
    "one snapshot for a transaction": (
        Lookalike({"^BEGIN;": "BEGIN ISOLATION LEVEL REPEATABLE READ;"}),
        "a transaction does not see what was committed since it began",
    ),
    "transactions are refused": (Lookalike({"^BEGIN;": "SELECT no_such();"}), REFUSED),
    "LISTEN is ignored": (
        Lookalike({r'\bLISTEN ("connect_hub_check")': r"SELECT 1 AS \1"}),
        UNHEARD,
    ),
    "LISTEN is refused": (
        Lookalike({r'\bLISTEN ("connect_hub_check")': "SELECT no_such()"}),
        REFUSED,
    ),
    "notifications get lost": (Lookalike(mute=True), UNHEARD),
    "functions are missing": (Lookalike({"pg_encoding_to_char": "no_such"}), r"no_such\("),
}
WITHOUT_TRIGGERS = {
    "created without effect": {
        r"CREATE (OR REPLACE )?TRIGGER (.*?) ON (\w+)\s+FOR EACH ROW( WHEN \(.*?\))?\s+EXECUTE": (
            r"CREATE \1TRIGGER \2 ON \3 FOR EACH ROW WHEN (false) EXECUTE"
        )
    },
    "only one has an effect": {
        r"(TRIGGER client_no_ring BEFORE .*?)\(OLD.inviter_id IS DISTINCT FROM NEW.inviter_id\)": (
            r"\1(false)"
        )
    },
}


@pytest.fixture
def database(postgres: str) -> Database:
    return databases.create(postgres)


@pytest.fixture(scope="module")
def migrated(postgres: str, folder: Path) -> Database:
    database = databases.create(postgres)
    assert run("migrate", DATA_DIR=str(folder), **database.settings).returncode == 0
    return database


def at(port: int, database: Database) -> str:
    return f"postgresql://{database.name}@127.0.0.1:{port}/{database.name}"


def refused(command: str, said: str, **settings: str) -> None:
    done = run(command, PORT="0", **settings)
    assert done.returncode == 1, done
    if command == "doctor":
        assert re.search(rf"^\w+ +FAILED +.*{said}.*$", done.stdout, re.MULTILINE), done
        assert done.stderr == ""
    else:
        assert re.fullmatch(rf"Error: .*{said}.*\.\n", done.stderr), done
        assert done.stdout == ""


@pytest.mark.parametrize("name", LOOKALIKES)
def test_lookalike_is_rejected_in_one_line(
    database: Database, migrated: Database, folder: Path, name: str
) -> None:
    lookalike, said = LOOKALIKES[name]
    with imitating(database.socket, lookalike) as port:
        for command in COMMANDS:
            which = migrated if command == "serve" else database
            settings = which.settings | {"DATABASE_URL": at(port, which)}
            refused(command, said, DATA_DIR=str(folder), **settings)
    assert database.tables == set()


@pytest.mark.parametrize("name", WITHOUT_TRIGGERS)
def test_triggers_that_would_never_run_leave_no_table(
    database: Database, folder: Path, name: str
) -> None:
    with imitating(database.socket, Lookalike(WITHOUT_TRIGGERS[name])) as port:
        for command in ("serve", "migrate"):
            settings = database.settings | {"DATABASE_URL": at(port, database)}
            refused(command, NO_TRIGGERS, DATA_DIR=str(folder), **settings)
    assert database.tables == set()


@pytest.mark.parametrize("trigger", ["ALL", "client_no_ring", "client_counted"])
def test_disabled_trigger_is_found(migrated: Database, folder: Path, trigger: str) -> None:
    migrated.execute(f"ALTER TABLE client DISABLE TRIGGER {trigger}")
    for command in COMMANDS:
        refused(command, NO_TRIGGERS, DATA_DIR=str(folder), **migrated.settings)
    migrated.execute("ALTER TABLE client ENABLE TRIGGER ALL")
    assert run("doctor", DATA_DIR=str(folder), **migrated.settings).returncode == 0


def test_urls_of_two_databases_are_rejected(
    postgres: str, migrated: Database, folder: Path
) -> None:
    other = f"{migrated.name}_other"
    databases.execute(postgres, f"CREATE DATABASE {other} OWNER {migrated.name}")
    settings = migrated.settings | {"DIRECT_DATABASE_URL": f"{migrated.url}&dbname={other}"}
    for command in ("serve", "doctor"):
        refused(command, SHARED_LOCK, DATA_DIR=str(folder), **settings)


def test_pool_in_transaction_mode_serves_with_a_direct_url(
    database: Database, folder: Path
) -> None:
    with imitating(database.socket, Lookalike(shared=3)) as port:
        settings = database.settings | {
            "DATABASE_URL": at(port, database),
            "DIRECT_DATABASE_URL": database.url,
        }
        with serving(folder / "pooled", port=0, **settings) as server:
            people = [server.register() for _ in range(5)]
            assert all(map(server.knows, people))
        assert run("doctor", DATA_DIR=str(folder), **settings).returncode == 0


@pytest.mark.parametrize(
    ("lookalike", "said"),
    [
        (Lookalike(shared=3, per_statement=True, longest_idle_first=True), SHARED_LOCK),
        (Lookalike({"^BEGIN;": "SELECT no_such();"}, shared=3), REFUSED),
    ],
    ids=["silently", "refusing"],
)
def test_pool_in_statement_mode_is_rejected_even_with_a_direct_url(
    database: Database, folder: Path, lookalike: Lookalike, said: str
) -> None:
    with imitating(database.socket, lookalike) as port:
        settings = database.settings | {
            "DATABASE_URL": at(port, database),
            "DIRECT_DATABASE_URL": database.url,
        }
        for command in ("serve", "doctor"):
            refused(command, said, DATA_DIR=str(folder), **settings)


def test_check_leaves_nothing_behind(migrated: Database, folder: Path) -> None:
    for command in ("migrate", "doctor"):
        assert run(command, DATA_DIR=str(folder), **migrated.settings).returncode == 0
    rows = "SELECT (SELECT count(*) FROM client) + (SELECT count(*) FROM invited_count) AS count"
    (found,) = migrated.execute(rows)
    assert found["count"] == 0
    assert migrated.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'") == []
