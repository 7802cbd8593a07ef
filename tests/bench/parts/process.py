"""The process itself: its memory, and the time until it answers."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import count
from statistics import median

from tests.bench import fleet, inputs
from tests.bench.bench import Bench
from tests.bench.client import request
from tests.bench.measure import Contender, warm
from tests.bench.operations import LOGIN, ME, PAGE
from tests.bench.parts.recording import Result

_LOAD = 2_000  # of each operation
_DISTINCT = 50_000  # requests
_STARTS = 5
ANONYMOUS = request("/graphql", b'{"query": "{ me { id } }"}')


def memory(bench: Bench, result: Result) -> None:
    """Look at ours after load, and after many documents and tokens that came twice or once."""
    server = bench.server("ours")
    for operation, variables in ((ME, {}), (PAGE, {"first": 100})):
        token = bench.token(bench.clients)
        warm(bench.same(["ours"], operation, token=token, **variables)["ours"], _LOAD)
    asked = inputs.logins(bench.url, bench.keys, clients=bench.clients)
    warm(bench.each_once({"ours": server}, LOGIN, asked)["ours"], _LOAD)
    before = server.memory
    distinct = Contender(server, _distinct(bench), lambda body: body.startswith(b'{"data":{"me":'))
    warm(distinct, _DISTINCT)
    result["memory_mb"] = round(before, 1)
    result["memory_growth_mb"] = round(server.memory - before, 1)


def _distinct(bench: Bench) -> Iterator[bytes]:
    for number in (place // 2 for place in count()):  # what is used once is not cached
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
