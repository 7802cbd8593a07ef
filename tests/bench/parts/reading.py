"""The operations that read: the floor, ours, and the peers."""

from collections.abc import Iterator
from itertools import count
from statistics import median, quantiles

from tests.bench import fleet
from tests.bench.bench import Bench
from tests.bench.measure import Contender, latencies, measure, warm
from tests.bench.operations import ME, PAGE, Operation
from tests.bench.parts.recording import CYCLES, Result, check_statements, record

_WARM_UP = 5_000  # requests
_BUSY = 32  # connections


def me(bench: Bench, result: Result) -> None:
    """Query the viewer with 10 invited clients: the floor and our server."""
    _me(bench, result, ["floor", "ours"])


def peers(bench: Bench, result: Result) -> None:
    """Send the same query to all servers."""
    _me(bench, result, ["floor", "ours", *fleet.PEERS])


def _me(bench: Bench, result: Result, names: list[str]) -> None:
    contenders = _viewing(bench, names, ME, invited=10)
    record(result, "me", measure(contenders, cycles=CYCLES))
    result["me_statements"] = float(bench.statements(contenders["ours"]))


def page(bench: Bench, result: Result) -> None:
    """Query the first 100 of all invited clients."""
    names = ["floor", "ours", "mercurius"]
    contenders = _viewing(bench, names, PAGE, invited=bench.clients, first=100)
    record(result, "page_of_1m", measure(contenders, cycles=CYCLES))


def unseen(bench: Bench, result: Result) -> None:
    """Query the viewer with 10 invited clients, by new documents."""
    contenders = {name: _unseen(bench, name) for name in ("ours", "mercurius")}
    for contender in contenders.values():
        warm(contender, _WARM_UP)
    slices = measure(contenders, cycles=CYCLES)
    record(result, "unseen", slices)
    for name, turns in slices.items():
        result[f"{name}_unseen_ms"] = round(median(turn.cpu for turn in turns) / 1e3, 2)


def _unseen(bench: Bench, name: str) -> Contender:
    token = bench.token(10)

    def requests() -> Iterator[bytes]:
        for number in count():
            document = ME.document.replace("Me", f"Me{number}", 1)
            yield bench.asking(name, ME._replace(document=document), token=token)

    return Contender(bench.server(name), requests(), lambda body: ME.right in body)


def latency(bench: Bench, result: Result) -> None:
    """Keep each server busy with 32 connections."""
    contenders = _viewing(bench, ["floor", "ours", *fleet.PEERS], ME, invited=10)
    for name, took in latencies(contenders, turns=3, connections=_BUSY).items():
        result[f"{name}_p50_ms"] = round(median(took) * 1e3, 2)
        result[f"{name}_p99_ms"] = round(quantiles(took, n=100)[98] * 1e3, 2)


def _viewing(
    bench: Bench, names: list[str], operation: Operation, *, invited: int, **variables: int
) -> dict[str, Contender]:
    """Warm servers up that answer the same; the floor sends as many statements as ours."""
    contenders = bench.same(names, operation, token=bench.token(invited), **variables)
    for name in names:
        warm(contenders[name], _WARM_UP if name in fleet.WARMED else 300)
    check_statements(bench, contenders)
    return contenders
