"""The time of the trigger that rejects rings: after many applications, and in a long chain."""

import asyncio
import time
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg

from tests.bench import data
from tests.bench.bench import Bench
from tests.bench.client import WrongAnswerError
from tests.bench.parts.recording import Result

_LENGTH = 10_000
_TRIES = 50
_APPLY = "UPDATE client SET inviter_id = $2 WHERE id = $1"
_LINK = """
    UPDATE client SET inviter_id = link.inviter_id, invited_at = now()
    FROM unnest($1::uuid[], $2::uuid[]) AS link (id, inviter_id) WHERE client.id = link.id
"""


def chains(bench: Bench, result: Result) -> None:
    """Apply codes that few and many have applied, and that at the end of a chain of 10,000."""
    chain = bench.newcomers(_LENGTH)
    owners = {f"apply_after_{count}_ms": owner for count, owner in bench.inviters.items()}
    owners["apply_after_chain_ms"] = chain[-1]
    guests = {name: bench.newcomers(_TRIES) for name in owners}
    asyncio.run(_measure(bench, result, chain, owners, guests))


async def _measure(
    bench: Bench,
    result: Result,
    chain: list[UUID],
    owners: dict[str, UUID],
    guests: dict[str, list[UUID]],
) -> None:
    async with data.connected(bench.url) as database:
        await database.execute("ALTER TABLE client DISABLE TRIGGER USER")
        await database.execute(_LINK, chain[1:], chain[:-1])
        await database.execute("ALTER TABLE client ENABLE TRIGGER USER")
        await database.execute("VACUUM (ANALYZE) client")
        for name, owner in owners.items():
            times = [await _time(database, guest, owner) for guest in guests[name]]
            result[name] = round(median(times) * 1e3, 2)
        times = [await _time(database, chain[0], chain[-1], refused=True) for _ in range(_TRIES)]
        result["ring_refused_ms"] = round(median(times) * 1e3, 2)


async def _time(database: Any, guest: UUID, owner: UUID, *, refused: bool = False) -> float:
    began, failed = time.perf_counter(), False
    try:
        await database.execute(_APPLY, guest, owner)
    except asyncpg.CheckViolationError:
        failed = True
    if failed is not refused:
        raise WrongAnswerError("A code was applied, or refused, that should not be.")
    return time.perf_counter() - began
