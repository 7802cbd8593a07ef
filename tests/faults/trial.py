"""One trial: load, a fault, load again, and what was found."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass

from tests.faults.faults import Fault
from tests.faults.stand import Stand

_BEFORE = 4  # seconds
_RECOVERY = 5
_AFTER = 4
_FULL = 0.8  # of the rate before: the machine has other work
_FLAT = 5  # % that memory and connections may grow
_SETTLED = 120  # seconds, until memory is compared
_LOOK_EVERY = 30


@dataclass
class Trial:
    """The result of a trial."""

    before: float  # answers a second
    after: float
    slowest: float  # seconds
    outcomes: Counter[str]  # of requests while the fault lasted, and in the recovery
    told: int  # events sent to followers
    late: float  # seconds, of the last event after the fault
    findings: list[str]


async def trial(stand: Stand, fault: Fault) -> Trial:
    """Bring a fault about under load, and check everything afterwards."""
    settings = await fault.prepare(stand) if fault.prepare else {}
    if settings or fault.of_one:
        for number, server in enumerate(stand.servers):
            await server.restart(**settings, **({} if number else fault.of_one))
    async with stand.load(clocks_differ=fault.clocks_differ):
        await asyncio.sleep(_BEFORE)
        before, began = stand.rate(_BEFORE - 1), time.monotonic()
        await fault.bring(stand)
        await asyncio.sleep(_RECOVERY)
        recovered = time.monotonic()
        await asyncio.sleep(_AFTER)
        after = stand.rate(_AFTER)
    meanwhile = list(stand.record.between(began, recovered))
    afterwards = list(stand.record.between(recovered, time.monotonic()))
    result = Trial(
        before,
        after,
        max(took for took, _ in meanwhile + afterwards),
        Counter(outcome for _, outcome in meanwhile),
        sum(at >= began for at, _ in stand.record.told),
        max((late for at, late in stand.record.told if at >= recovered), default=0),
        await stand.findings(),
    )
    result.findings += _meanwhile(result, fault, Counter(outcome for _, outcome in afterwards))
    if unsent := sum(asked >= recovered for asked in stand.record.unsent):
        asked_for = f"{unsent} codes asked for later than {_RECOVERY} s after the cause's end"
        result.findings.append(f"{asked_for} were not sent")
    stand.proxy.target = stand.database.socket  # which may be the former standby
    if settings or fault.of_one:
        for server in stand.servers:
            await server.restart()
    return result


def _meanwhile(result: Trial, fault: Fault, afterwards: Counter[str]) -> list[str]:
    found = []
    if result.outcomes["none"] and not fault.kills:
        found.append(f"{result.outcomes['none']} requests had no answer, and no server was killed")
    if bad := afterwards["none"] + afterwards["unavailable"]:
        found.append(f"{bad} requests failed later than {_RECOVERY} s after the cause's end")
    if result.late > _RECOVERY:
        found.append(f"somebody was told {result.late:.1f} s late who came")
    if result.after < result.before * _FULL:
        found.append(f"no full speed {_RECOVERY} s after the cause's end")
    return found


async def flatness(stand: Stand, seconds: int) -> bool:
    """Run load for a time; return whether memory and connections stay constant once settled."""
    for server in stand.servers:
        await server.restart()  # memory that a fault took and left would hide what grows
    async with stand.load():
        await asyncio.sleep(_SETTLED)
        looks = [_sizes(stand)]
        while len(looks) * _LOOK_EVERY + _SETTLED <= seconds:
            await asyncio.sleep(_LOOK_EVERY)
            looks.append(_sizes(stand))
        rate = stand.rate(_LOOK_EVERY)
    flat = True
    _say(f"{rate:.0f}/s at the end")
    for name, first in looks[0].items():
        sizes = [look[name] for look in looks]
        least, most = ((size / first - 1) * 100 for size in (min(sizes), max(sizes)))
        flat &= least >= -_FLAT and most <= _FLAT
        _say(f"{name}: {first:.1f} → {sizes[-1]:.1f} (from {least:+.1f} to {most:+.1f} %)")
    for finding in await stand.findings():
        flat = False
        _say(f"    {finding[:1000]}")
    return flat


def _sizes(stand: Stand) -> dict[str, float]:
    sizes = {f"MB of server {n}": server.memory for n, server in enumerate(stand.servers, 1)}
    return {**sizes, "connections to PostgreSQL": float(stand.proxy.connections)}


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command
