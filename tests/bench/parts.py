"""What is measured, part by part; each writes its figures into the result."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count, cycle
from statistics import median, quantiles
from uuid import UUID

from tests.bench import data, fleet
from tests.bench.bench import ME, PAGE, Bench
from tests.bench.client import WrongAnswerError, request
from tests.bench.measure import Contender, Ratio, Server, Slice, latencies, measure, warm

Result = dict[str, float | str]

CYCLES = 40
_WARM_UP = 5_000  # requests
_LOAD = 2_000  # of each operation
_DISTINCT = 50_000  # documents, and tokens
_BUSY = 32  # connections
_STARTS = 5
ANONYMOUS = request("/graphql", b'{"query": "{ me { id } }"}')


def me(bench: Bench, result: Result) -> None:
    """Ask for the viewer with 10 invited: the floor and ours."""
    _me(bench, result, ["floor", "ours"])


def peers(bench: Bench, result: Result) -> None:
    """Ask all servers for the same."""
    _me(bench, result, ["floor", "ours", *fleet.PEERS])


def _me(bench: Bench, result: Result, names: list[str]) -> None:
    contenders = bench.same(names, ME, token=bench.token(10))
    for name in names:
        warm(contenders[name], _WARM_UP if name in fleet.WARMED else 300)
    _record(result, "me", measure(contenders, cycles=CYCLES))
    for name in ("floor", "ours"):
        result[f"{name}_me_statements"] = bench.statements(contenders[name])


def page(bench: Bench, result: Result) -> None:
    """Ask for the first 100 of all invited."""
    names = ["floor", "ours"]
    contenders = bench.same(names, PAGE, token=bench.token(bench.clients), first=100)
    for contender in contenders.values():
        warm(contender, 300)
    _record(result, "page_of_1m", measure(contenders, cycles=CYCLES))


def login(bench: Bench, result: Result) -> None:
    """Sign in with a live code.

    Raises:
        WrongAnswerError: the floor sends more or fewer statements than ours.
    """
    servers = {name: bench.server(name) for name in ("floor", "ours")}
    contenders = bench.logins(servers, bench.url, bench.clients)
    sent = {name: bench.statements(contender) for name, contender in contenders.items()}
    if sent["floor"] != sent["ours"]:
        raise WrongAnswerError(f"statements of a login {sent}: bring servers/floor.py up to date")
    _record(result, "login", measure(contenders, cycles=CYCLES))


def latency(bench: Bench, result: Result) -> None:
    """Keep each server busy with 32 connections."""
    contenders = bench.same(["floor", "ours", *fleet.PEERS], ME, token=bench.token(10))
    for name in fleet.WARMED:
        warm(contenders[name], _WARM_UP)
    for name, took in latencies(contenders, turns=3, connections=_BUSY).items():
        result[f"{name}_p50_ms"] = round(median(took) * 1e3, 2)
        result[f"{name}_p99_ms"] = round(quantiles(took, n=100)[98] * 1e3, 2)


def growth(bench: Bench, result: Result) -> None:
    """Compare few and many invited, and few and many clients: until the answer, one at a time."""
    contenders = {}
    for invited in bench.inviters:
        asked = bench.same(["ours"], PAGE, token=bench.token(invited), first=10)
        contenders[f"growth_me_{invited}"] = asked["ours"]
    slices = measure(contenders, cycles=CYCLES, connections=1)
    _record_growth(result, slices)
    few, many = f"growth_me_{min(bench.inviters)}", f"growth_me_{max(bench.inviters)}"
    _ratio(result, "me_of_many_to_few", _walls(slices[many]), _walls(slices[few]))

    data.create_database(bench.url, "few")
    url = bench.url_of("few")
    bench.fill(url, [1_000])
    surroundings = fleet.environment(bench.secret, DATABASE_URL=url)
    with fleet.running("ours", surroundings, ready=ANONYMOUS, folder=bench.folder) as server:
        _few_and_many(bench, result, url, server)


def _few_and_many(bench: Bench, result: Result, url: str, server: Server) -> None:
    many = bench.server("ours")
    contenders = {
        "growth_viewer_1000": _viewers(bench, server, data.some_clients(url, 200)),
        "growth_viewer_1000000": _viewers(bench, many, data.some_clients(bench.url, 200)),
    }
    slices = measure(contenders, cycles=CYCLES, connections=1)
    _record_growth(result, slices)
    pair = slices["growth_viewer_1000000"], slices["growth_viewer_1000"]
    _ratio(result, "viewer_of_1m_to_1k", *map(_walls, pair))

    contenders = {
        **bench.logins({"growth_login_1000": server}, url, 1_000),
        **bench.logins({"growth_login_1000000": many}, bench.url, bench.clients),
    }
    slices = measure(contenders, cycles=CYCLES, connections=1)
    _record_growth(result, slices)
    pair = slices["growth_login_1000000"], slices["growth_login_1000"]
    _ratio(result, "login_of_1m_to_1k", *map(_walls, pair))


def _viewers(bench: Bench, server: Server, clients: list[UUID]) -> Contender:
    asked = [bench.asking("ours", ME, token=bench.token_of(client)) for client in clients]
    return Contender(server, cycle(asked), lambda body: b'"nodes":[]' in body)


def memory(bench: Bench, result: Result) -> None:
    """Look at ours after load, and after many documents and tokens that came once."""
    server = bench.server("ours")
    for document, variables in ((ME, {}), (PAGE, {"first": 100})):
        token = bench.token(bench.clients)
        warm(bench.same(["ours"], document, token=token, **variables)["ours"], _LOAD)
    warm(bench.logins({"ours": server}, bench.url, bench.clients)["ours"], _LOAD)
    before = server.memory
    distinct = Contender(server, _distinct(bench), lambda body: body.startswith(b'{"data":{"me":'))
    warm(distinct, _DISTINCT)
    result["memory_mb"] = round(before, 1)
    result["memory_growth_mb"] = round(server.memory - before, 1)


def _distinct(bench: Bench) -> Iterator[bytes]:
    for number in count():
        invited = "" if number % 10 else "invitedClients { nodes { id phone invitedAt } }"
        document = f"query Q{number} {{ me {{ id a{number}: phone {invited} }} }}"
        body = json.dumps({"query": document}).encode()
        yield request("/graphql", body, token=bench.token(10))


def start(bench: Bench, result: Result) -> None:
    """Start ours on an existing database until the first answer, on all CPUs."""
    given = fleet.environment(bench.secret, DATABASE_URL=bench.url)
    starts = [_start(bench, given) for _ in range(_STARTS)]
    result["cold_start_s"] = round(median(starts), 2)
    with tempfile.TemporaryDirectory(prefix="ch-bench-") as folder:
        embedded = fleet.environment(bench.secret, DATA_DIR=folder)
        starts = [_start(bench, embedded) for _ in range(_STARTS)]
    result["cold_start_embedded_s"] = round(median(starts[1:]), 2)  # the first makes the database


def _start(bench: Bench, surroundings: Mapping[str, str]) -> float:
    began = time.perf_counter()
    with fleet.running(
        "ours", surroundings, ready=ANONYMOUS, folder=bench.folder, cpus=fleet.ALL_CPUS
    ):
        return time.perf_counter() - began


PARTS: dict[str, Callable[[Bench, Result], None]] = {
    "start": start,
    "me": me,
    "peers": peers,
    "page": page,
    "login": login,
    "latency": latency,
    "growth": growth,
    "memory": memory,
}


def _record(result: Result, what: str, slices: Mapping[str, list[Slice]]) -> None:
    ours = [turn.cpu for turn in slices["ours"]]
    for name, turns in slices.items():
        cpus = [turn.cpu for turn in turns]
        result[f"{name}_{what}_us"] = round(median(cpus), 1)
        if name != "ours":
            _ratio(result, f"{what}_to_{name}", ours, cpus)


def _record_growth(result: Result, slices: Mapping[str, list[Slice]]) -> None:
    for name, turns in slices.items():
        result[f"{name}_us"] = round(median(_walls(turns)), 1)


def _walls(turns: list[Slice]) -> list[float]:
    return [turn.wall for turn in turns]


def _ratio(result: Result, name: str, values: list[float], others: list[float]) -> None:
    ratio = Ratio.of(values, others)
    result[name] = round(ratio.median, 3)
    result[f"{name}_low"], result[f"{name}_high"] = round(ratio.low, 3), round(ratio.high, 3)
