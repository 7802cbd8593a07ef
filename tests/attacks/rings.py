"""What do attackers who close long rings cost others? `python -m tests.attacks.rings`.

Each attacker has its own connection and its own chain of invited clients below it, and applies the
code from the end of the chain as fast as it can: the server walks the chain each time and rejects
the ring. Meanwhile others apply invitation codes at a fixed rate, each client once. Their times
count from the moment at which a request was due, so that a request that has to wait for a former
one is late, too. The time is printed without attackers, with attackers who are not limited, with
attackers under the default limits, which count rejected applications by phone, and beside it with
attackers who just ask for `me`: so much any five clients can cost, as long as the CPU is shared.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import click
import orjson

from connect_hub.database import embedded
from tests.bench.client import request
from tests.support.processes import Client, Server, serving

ATTACKERS = 5
RATE = 25  # applications of others in a second
SECONDS = 5  # of each measurement
CONNECTIONS = 10  # of the other clients, used in turn
CODES = [f"HST{n:03}" for n in range(10)]  # that the others apply

NO_LIMIT = "1000/s"
SETTINGS = {"PUMPING_GUARD": "off", "SENDS_PER_ADDRESS": NO_LIMIT, "GUESSES_PER_ADDRESS": NO_LIMIT}
APPLY = "mutation($code: String!) { applyInvite(invitationCode: $code) { __typename } }"
ME = "{ me { __typename id } }"

# Below client $1, the chain number $2 of $3 clients; the last one is returned.
_CHAIN = """
    WITH link AS (
        SELECT n, CASE n WHEN 0 THEN $1::uuid ELSE gen_random_uuid() END AS id
        FROM generate_series(0, $3::int) AS n
    )
    INSERT INTO client (id, phone, invitation_code, created_at, inviter_id, invited_at)
    SELECT * FROM (
        SELECT id, '+790' || $2::int || lpad(n::text, 7, '0'),
               $2::int || lpad(upper(to_hex(n)), 5, '0'), now(), lag(id) OVER (ORDER BY n), now()
        FROM link ORDER BY n
    ) AS chained OFFSET 1
"""
_HOSTS = """
    INSERT INTO client (id, phone, invitation_code, created_at)
    SELECT gen_random_uuid(), '+7906' || right(code, 3) || '0000', code, now()
    FROM unnest($1::text[]) AS code
"""
_WAITS = """
    SELECT coalesce(wait_event_type || ' ' || wait_event, 'CPU') AS wait
    FROM pg_stat_activity
    WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


@click.command
@click.option("--depth", default=10_000, show_default=True, help="Clients in each chain.")
def main(depth: int) -> None:
    """Measure what attackers cost others."""
    click.echo(f"{ATTACKERS} attackers, chains of {depth:,}; others: {RATE} applications a second")
    with TemporaryDirectory(prefix="ch-") as name:
        Path(name).chmod(0o755)  # PostgreSQL has another user where this one is root
        folder = Path(name, "data")
        with _serving(folder, UNKNOWN_INVITATIONS=NO_LIMIT) as server:
            attackers = [server.register() for _ in range(ATTACKERS)]
            asyncio.run(_fill(folder, attackers, depth))
            attacks = [
                _asking(attacker, APPLY, code=f"{number}{depth:05X}")
                for number, attacker in enumerate(attackers)
            ]
            _measure("without attackers", server, [])
            _measure("attackers without limits", server, attacks)
        with _serving(folder) as server:
            _measure("attackers, default limits", server, attacks)
            _measure("attackers ask for me", server, [_asking(one, ME) for one in attackers])


def _serving(folder: Path, **settings: str) -> AbstractContextManager[Server]:
    environment: dict[str, Any] = SETTINGS | settings
    return serving(folder, **environment)


async def _fill(folder: Path, attackers: list[Client], depth: int) -> None:
    async with _database(folder) as database:
        await database.execute("ALTER TABLE client DISABLE TRIGGER USER")  # they would walk each
        for number, attacker in enumerate(attackers):
            await database.execute(_CHAIN, attacker.id, number, depth)
        await database.execute("ALTER TABLE client ENABLE TRIGGER USER")
        await database.execute(_HOSTS, CODES)
        await database.execute("VACUUM ANALYZE client")


def _measure(what: str, server: Server, attacks: list[bytes]) -> None:
    others = [server.register() for _ in range(RATE * SECONDS)]
    server.secrets.clear()  # a search for them all in all that is logged would take long
    server.codes.clear()
    applications = [
        _asking(other, APPLY, code=CODES[number % len(CODES)])
        for number, other in enumerate(others)
    ]
    took, answers, waits = asyncio.run(_attacked(server, applications, attacks))
    cuts = quantiles(took, n=100)
    times = ", ".join(f"p{n} {cuts[n - 1] * 1000:.1f}" for n in (50, 95, 99))
    rates = ", ".join(f"{count / SECONDS:.0f}/s {name}" for name, count in answers.items())
    click.echo(f"{what}: {times}, max {max(took) * 1000:.1f} ms")
    click.echo(f"    attacks: {rates or 'none'}; PostgreSQL ran or waited for {dict(waits)}")


async def _attacked(
    server: Server, applications: list[bytes], attacks: list[bytes]
) -> tuple[list[float], Counter[str], Counter[str]]:
    """Apply codes under attack: seconds, answers to the attackers, samples of what ran."""
    answers: Counter[str] = Counter()
    waits: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        free: asyncio.Queue[_Connection] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            free.put_nowait(await stack.enter_async_context(_connected(server.port)))
        async with asyncio.TaskGroup() as group:
            endless = [
                group.create_task(_watch(server.data_dir, waits)),
                *(group.create_task(_attack(server.port, one, answers)) for one in attacks),
            ]
            await asyncio.sleep(0.5)
            answers.clear()
            start = time.perf_counter()
            applied = [
                _apply(application, free, due=start + number / RATE)
                for number, application in enumerate(applications)
            ]
            took = await asyncio.gather(*applied)
            for task in endless:
                task.cancel()
    return took, answers, waits


async def _apply(application: bytes, free: "asyncio.Queue[_Connection]", *, due: float) -> float:
    await asyncio.sleep(due - time.perf_counter())
    connection = await free.get()
    answer = await _ask(connection, application)
    free.put_nowait(connection)
    if answer != "InviteApplied":
        raise click.ClickException(f"A code was not applied: {answer}.")
    return time.perf_counter() - due


async def _attack(port: int, attack: bytes, answers: Counter[str]) -> None:
    async with _connected(port) as connection:
        while True:
            answers[await _ask(connection, attack)] += 1


async def _watch(folder: Path, waits: Counter[str]) -> None:
    async with _database(folder) as database:
        while True:
            waits.update(row["wait"] for row in await database.fetch(_WAITS))
            await asyncio.sleep(0.05)


def _asking(client: Client, query: str, **variables: str) -> bytes:
    body = orjson.dumps({"query": query, "variables": variables})
    return request("/graphql", body, token=client.token)


async def _ask(connection: _Connection, asked: bytes) -> str:
    reader, writer = connection
    writer.write(asked)
    length = _LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
    if length is None:
        raise click.ClickException("An answer came in chunks.")
    answer = orjson.loads(await reader.readexactly(int(length[1])))
    (data,) = answer["data"].values()
    return str(data["__typename"])


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[_Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


@asynccontextmanager
async def _database(folder: Path) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        host=str(embedded.socket_folder(folder)),
        user=embedded.USER,
        database=embedded.DATABASE,
    )
    try:
        yield connection
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
