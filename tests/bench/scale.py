"""What operations cost PostgreSQL with few clients and with many: `python tests/bench/scale.py`.

It prints a line for each operation and each statement, as docs/scaling.md quotes them. 10,000,000
clients take 12 GB of disk and some 10 minutes. It needs Linux.
"""

import argparse
import asyncio
import hashlib
import json
import random
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

CHECKOUT = Path(__file__).parents[2]
sys.path[:1] = [str(CHECKOUT), str(CHECKOUT / "src")]  # this checkout, whatever is installed

import asyncpg  # noqa: E402
from pydantic import SecretStr  # noqa: E402

from connect_hub.database import embedded  # noqa: E402
from connect_hub.database.config import serving_config  # noqa: E402
from connect_hub.database.migrations import migrate  # noqa: E402
from connect_hub.database.url import parse_url  # noqa: E402
from connect_hub.security.access_tokens import AccessTokens  # noqa: E402
from connect_hub.security.keys import Keys, new_secret  # noqa: E402
from connect_hub.settings import Settings  # noqa: E402
from tests.bench import scale_data  # noqa: E402
from tests.bench.client import Connections, ask_once, request  # noqa: E402
from tests.support.processes import serving  # noqa: E402

_CONFIGURATION = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",  # those of triggers too
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "max_connections": "200",
}
_LIMITS = {
    "SENDS_PER_ADDRESS": "99999/hour",
    "GUESSES_PER_ADDRESS": "99999/hour",
    "TRUSTED_PROXIES": "127.0.0.1/32",
    "RESEND_AFTER": "0",
    "SENDS_PER_PHONE": "9999/hour",
    "SENDS_PER_PHONE_AND_ADDRESS": "9999/hour",
}
_TURNS = 8
_REQUESTS = 40  # of a turn
_CONNECTIONS = 16  # of a server, under load
_ACTIVE = 1000  # clients
_QUERIES = ("me", "page of 100")
_PREPARED = 600  # requests of a load

_ME = "{ me { id phone invitationCode someoneInvitationCode invitedClients { nodes { id } } } }"
_PAGE = "{ me { invitedClients(first: 100) { totalCount nodes { id phone invitedAt } } } }"
_CODE = """mutation($p: String!) { requestCode(phone: $p) {
    ... on CodeSent { smsCode } ... on UserError { message } } }"""
_SIGN_IN = """mutation($p: String!, $c: String!) { %s(phone: $p, code: $c) {
    ... on SignedIn { accessToken client { id phone } } ... on UserError { message } } }"""
_APPLY = """mutation($c: String!) { applyInvite(invitationCode: $c) {
    ... on InviteApplied { client { id } } ... on UserError { message } } }"""


_ONE_NETWORK = re.compile(rb"\r\nX-Forwarded-For: [\d.]+\r\n")


class Cost(NamedTuple):
    """Of one operation, in milliseconds."""

    wall: float
    database: float  # CPU of PostgreSQL


class Site:
    """One database, with its servers and what they are asked."""

    def __init__(
        self, stack: ExitStack, folder: Path, *, secret: str, url: str, clients: int
    ) -> None:
        self.url, self.clients = url, clients
        self.ports: list[int] = []
        self._stack, self._folder, self._secret = stack, folder, secret
        # As many are active in each database: a session that is used again within a minute costs
        # less, and a phone is not used again while its code is valid.
        active = random.sample(range(1, clients + 1), _ACTIVE)
        self._numbers, self._signing_in_again = cycle(active), cycle(active)
        self._inviters = cycle(random.sample(range(1, clients // 10 + 1), _ACTIVE // 10))
        self._phones = count(random.randint(0, 9000) * 1000)  # noqa: S311 (no secret)
        self._tokens = AccessTokens(
            Keys(secret), issuer="connect-hub", audience="connect-hub", lifetime=timedelta(hours=1)
        )
        self.requests: dict[str, Callable[[], bytes]] = {
            "me": lambda: _post(_ME, self._token(next(self._numbers))),
            "page of 100": lambda: _post(_PAGE, self._token(next(self._inviters))),
            "requestCode": lambda: _post(_CODE, p=self._phone()),
            "login": lambda: self._signing_in("login", self._phone()),
            "register": lambda: self._signing_in("register", self._new_phone()),
            "applyInvite": self._applying,
            "requestCode from one network": lambda: _ONE_NETWORK.sub(
                b"\r\nX-Forwarded-For: 10.9.9.9\r\n", _post(_CODE, p=self._phone())
            ),
        }

    def start(self, servers: int) -> None:
        """Start servers until there are so many."""
        while len(self.ports) < servers:
            name = f"{self.clients}-{len(self.ports)}"
            started = serving(
                self._folder / name,
                port=0,
                DATABASE_URL=self.url,
                SECRET_KEY=self._secret,
                **_LIMITS,
            )
            self.ports.append(self._stack.enter_context(started).port)

    def ask(self, asked: bytes) -> Any:
        """Send a request that is not measured."""
        answer = json.loads(ask_once(self.ports[0], asked))
        return next(iter(answer["data"].values()))

    def warm(self, operation: str) -> None:
        """Read what a query of any active client reads, so that no disk is measured."""
        if operation in _QUERIES:
            connections = Connections(self.ports[0], _CONNECTIONS)
            asked = (self.requests[operation]() for _ in range(_ACTIVE))
            connections.ask(asked, _ACTIVE, _is_right)
            connections.close()

    def _any(self) -> int:
        return random.randint(1, self.clients)  # noqa: S311 (no secret)

    def _phone(self) -> str:
        return f"+79{next(self._signing_in_again):09}"

    def _new_phone(self) -> str:
        return f"+7916{next(self._phones):07}"

    def _token(self, number: int) -> str:
        digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
        now, client = datetime.now(UTC), UUID(digest)  # the session has the client's id
        return self._tokens.issue(client, session_id=client, generation=0, now=now).value

    def _signing_in(self, mutation: str, phone: str) -> bytes:
        code = self.ask(_post(_CODE, p=phone))["smsCode"]
        return _post(_SIGN_IN % mutation, p=phone, c=code)

    def _applying(self) -> bytes:
        newcomer = self.ask(self._signing_in("register", self._new_phone()))
        return _post(_APPLY, newcomer["accessToken"], c=f"{self._any():06X}")


def _post(query: str, token: str | None = None, **variables: str) -> bytes:
    body = json.dumps({"query": query, "variables": variables}).encode()
    return _from(random.getrandbits(24), request("/graphql", body, token=token))


def _from(network: int, asked: bytes) -> bytes:
    """Let a request come from a network of its own, as most do."""
    address = ".".join(map(str, network.to_bytes(3)))
    return asked.replace(b"\r\n", f"\r\nX-Forwarded-For: 10.{address}\r\n".encode(), 1)


def _is_right(body: bytes) -> bool:
    return b'"message"' not in body and b'"me":null' not in body


class Machine:
    """The PostgreSQL of all databases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, name: str) -> str:
        socket = quote(str(embedded.socket_folder(self.folder)), safe="")
        return f"postgresql://{embedded.USER}@/{name}?host={socket}"

    def execute(self, sql: str, *values: object, database: str = embedded.DATABASE) -> list[Any]:
        """Run a statement as superuser."""

        async def executed() -> list[Any]:
            connection = await asyncpg.connect(**parse_url(self.url(database)))
            try:
                return [*await connection.fetch(sql, *values)]
            finally:
                await connection.close()

        return asyncio.run(executed())

    def make(self, clients: int, secret: str) -> str:
        """Create and fill a database, unless it is there; return its URL."""
        name = f"clients_{clients}"
        if not self.execute("SELECT FROM pg_database WHERE datname = $1", name):
            began = time.monotonic()
            self.execute(f"CREATE DATABASE {name}")
            settings = Settings(
                _env_file=None,
                database_url=SecretStr(self.url(name)),
                secret_key=SecretStr(secret),
                sms_urls=("simulated://",),
            )
            asyncio.run(migrate(serving_config(settings)))
            asyncio.run(scale_data.fill(self.url(name), clients))
            self.execute("CREATE EXTENSION pg_stat_statements", database=name)
            _say(f"{name}: filled in {time.monotonic() - began:.0f} s")
        return self.url(name)

    @property
    def cpu(self) -> float:
        """Seconds of CPU that all processes of PostgreSQL took so far."""
        file = next(self.folder.rglob("postmaster.pid"))
        parent = int(file.read_text().split()[0])
        took = 0.0
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it may end meanwhile
                if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    took += int((process / "schedstat").read_text().split()[0]) / 1e9
        return took


def costs(machine: Machine, sites: list[Site], operation: str) -> dict[int, Cost]:
    """Let all databases take turns with one operation, one request at a time."""
    for site in sites:
        site.warm(operation)
    slices: dict[int, list[Cost]] = {site.clients: [] for site in sites}
    for turn in range(_TURNS + 1):
        for site in random.sample(sites, len(sites)):
            asked = [site.requests[operation]() for _ in range(_REQUESTS)]
            connection = Connections(site.ports[0], 1)
            before = machine.cpu
            took = connection.ask(iter(asked), len(asked), _is_right)
            cpu = (machine.cpu - before) / len(asked)
            connection.close()
            if turn:  # the first one warms caches
                slices[site.clients].append(Cost(median(took) * 1e3, cpu * 1e3))
    return {
        clients: Cost(*(median(values) for values in zip(*found, strict=True)))
        for clients, found in slices.items()
    }


_STATEMENTS = r"""
    SELECT query, calls, total_exec_time / calls AS mean, wal_bytes / calls AS wal
    FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
    WHERE datname = current_database() AND calls >= $1
        AND query ~* '^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)'
"""


def statements(machine: Machine, sites: list[Site]) -> None:
    """Print the time, WAL and plan of each statement that was run often."""
    few, many = (
        {
            row["query"]: row
            for row in machine.execute(_STATEMENTS, _REQUESTS, database=f"clients_{site.clients}")
        }
        for site in sites
    )
    _say("\nstatement: ms with few, ms with many, ratio, WAL bytes, same plan")
    for query in sorted(few.keys() & many.keys(), key=lambda query: -many[query]["mean"]):
        plans = [_plan(site, query) for site in sites]
        row, other = few[query], many[query]
        same = "same" if plans[0] == plans[1] else f"{plans[0]} / {plans[1]}"
        ratio = other["mean"] / row["mean"]
        times = f"{row['mean']:.3f} {other['mean']:.3f} {ratio:.2f} {float(other['wal']):.0f}"
        _say(f"{times} {same}: {' '.join(query.split())[:110]}")


def _plan(site: Site, query: str) -> str:
    """Name the scans of a statement's generic plan."""
    parameters = max(map(int, re.findall(r"\$(\d+)", query)), default=0)
    values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""

    async def planned() -> list[Any]:
        connection = await asyncpg.connect(**parse_url(site.url))
        try:
            await connection.execute("SET plan_cache_mode = force_generic_plan")
            await connection.execute(f"PREPARE statement AS {query}")
            return [*await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE statement{values}")]
        finally:
            await connection.close()

    try:
        lines = asyncio.run(planned())
    except asyncpg.PostgresError as error:  # the statistics put parameters where none can be
        return f"no plan ({type(error).__name__})"
    nodes = (re.search(r"[\w ]*Scan[\w ]*", row[0]) for row in lines)
    return "; ".join(node[0].strip() for node in nodes if node)


def load(machine: Machine, site: Site, operation: str, servers: int) -> None:
    """Print how many operations a second so many servers answer, and what each costs."""
    site.start(servers)
    asked = [site.requests[operation]() for _ in range(_PREPARED)]
    parts = [asked[each::servers] for each in range(servers)]
    before, began = machine.cpu, time.monotonic()
    wal = machine.execute("SELECT pg_current_wal_lsn() AS lsn")[0]["lsn"]

    def ask(number: int) -> None:
        connections = Connections(site.ports[number], _CONNECTIONS)
        connections.ask(iter(parts[number]), len(parts[number]), _is_right)
        connections.close()

    with ThreadPoolExecutor(servers) as pool:
        list(pool.map(ask, range(servers)))
    took, cpu = time.monotonic() - began, machine.cpu - before
    sql = "SELECT pg_current_wal_lsn() - $1::pg_lsn AS bytes"
    written = machine.execute(sql, wal)[0]["bytes"]
    each = f"{cpu / len(asked) * 1e3:.3f} ms of PostgreSQL's CPU, {written / len(asked):.0f} B WAL"
    _say(f"{servers} servers, {operation}: {len(asked) / took:.0f}/s, {each}")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", nargs=2, type=int, default=[1000, 10_000_000])
    parser.add_argument("--folder", type=Path, help="keeps the databases for another run")
    parser.add_argument("--only", nargs="+", default=[], help="operations; no load afterwards")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        made = TemporaryDirectory(prefix="ch-scale-")
        folder = arguments.folder or Path(stack.enter_context(made))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        machine = Machine(folder / "postgres")
        with embedded.running(machine.folder):
            for name, value in _CONFIGURATION.items():
                machine.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        stack.enter_context(embedded.running(machine.folder))
        secret = _secret(folder)
        sites = [
            Site(stack, folder, secret=secret, url=machine.make(each, secret), clients=each)
            for each in arguments.clients
        ]
        _measure(machine, sites, arguments.only)


def _measure(machine: Machine, sites: list[Site], only: list[str]) -> None:
    for site in sites:
        site.start(1)
        sizes = "SELECT pg_size_pretty(pg_database_size(current_database())) AS size"
        size = machine.execute(sizes, database=f"clients_{site.clients}")[0]["size"]
        _say(f"{site.clients} clients: {size}")
        machine.execute("SELECT pg_stat_statements_reset()", database=f"clients_{site.clients}")
    _say("\noperation: ms, and ms of PostgreSQL's CPU, with few and with many clients")
    for operation in only or sites[0].requests:
        few, many = costs(machine, sites, operation).values()
        ratios = f"{many.wall / few.wall:.2f}, {many.database / few.database:.2f}"
        figures = f"{few.wall:.2f} {many.wall:.2f}, {few.database:.3f} {many.database:.3f}"
        _say(f"{operation}: {figures}, ratios {ratios}")
    if only:
        return
    statements(machine, sites)
    _say("")
    for operation in sites[-1].requests:
        for servers in (1, 2, 4):
            load(machine, sites[-1], operation, servers)


def _secret(folder: Path) -> str:
    file = folder / "secret"
    if not file.exists():
        file.write_text(new_secret())
    return file.read_text()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    main()
