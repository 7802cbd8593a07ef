"""Costs that may grow with the number of rows."""

from itertools import cycle
from uuid import UUID

from tests.bench import data, fleet, inputs
from tests.bench.bench import Bench
from tests.bench.measure import Contender, Server, measure
from tests.bench.operations import LOGIN, ME, PAGE
from tests.bench.parts.process import ANONYMOUS
from tests.bench.parts.recording import CYCLES, Result, ratio, record_growth, walls


def growth(bench: Bench, result: Result) -> None:
    """Compare few and many invited, and few and many clients: until the answer, one at a time."""
    contenders = {}
    for invited in bench.inviters:
        asked = bench.same(["ours"], PAGE, token=bench.token(invited), first=10)
        contenders[f"growth_me_{invited}"] = asked["ours"]
    slices = measure(contenders, cycles=CYCLES, connections=1)
    record_growth(result, slices)
    few, many = f"growth_me_{min(bench.inviters)}", f"growth_me_{max(bench.inviters)}"
    ratio(result, "me_of_many_to_few", walls(slices[many]), walls(slices[few]))

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
    record_growth(result, slices)
    pair = slices["growth_viewer_1000000"], slices["growth_viewer_1000"]
    ratio(result, "viewer_of_1m_to_1k", *map(walls, pair))

    contenders = {
        **bench.each_once(
            {"growth_login_1000": server}, LOGIN, inputs.logins(url, bench.keys, clients=1_000)
        ),
        **bench.each_once(
            {"growth_login_1000000": many},
            LOGIN,
            inputs.logins(bench.url, bench.keys, clients=bench.clients),
        ),
    }
    slices = measure(contenders, cycles=CYCLES, connections=1)
    record_growth(result, slices)
    pair = slices["growth_login_1000000"], slices["growth_login_1000"]
    ratio(result, "login_of_1m_to_1k", *map(walls, pair))


def _viewers(bench: Bench, server: Server, clients: list[UUID]) -> Contender:
    asked = [bench.asking("ours", ME, token=bench.token_of(client)) for client in clients]
    return Contender(server, cycle(asked), lambda body: b'"nodes":[]' in body)
