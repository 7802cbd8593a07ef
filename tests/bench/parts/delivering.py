"""Webhooks: how soon they come under load, and what a receiver that never answers costs others."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice, repeat
from statistics import median, quantiles

from tests.bench import inputs
from tests.bench.bench import Bench
from tests.bench.load import ask_at_rate
from tests.bench.measure import Contender, Server, latencies, measure, warm
from tests.bench.operations import LOGIN, ME
from tests.bench.parts.recording import CYCLES, Result, ratio
from tests.bench.receiving import create_database, receiving, serving, silent

_RATE = 200  # requests a second, half of them sign-ins
_SECONDS = 20
_CLIENTS = 10_000
_BUSY = 8  # connections
_SILENT_AFTER = 30  # seconds until all that a server sends to a silent receiver is on its way


def webhooks(bench: Bench, result: Result) -> None:
    """Measure the time from each sign-in to its event, and a receiver that never answers."""
    tokens = {name: create_database(bench, name) for name in ("hooked", "unhooked")}
    _delays(bench, result, tokens["hooked"])
    with (
        silent() as url,
        serving(bench, "hooked", webhook_urls=url) as hooked,
        serving(bench, "unhooked", webhook_urls="") as unhooked,
    ):
        servers = {"hooked": hooked, "unhooked": unhooked}
        _beside_a_silent_receiver(bench, result, servers, tokens)


def _delays(bench: Bench, result: Result, token: str) -> None:
    requests = list(_mix(bench, token))
    with receiving() as receiver, serving(bench, "hooked", webhook_urls=receiver.url) as server:
        warm(Contender(server, iter(requests), bool), _RATE)
        receiver.requests.clear()
        took = asyncio.run(ask_at_rate(server.port, requests[_RATE:], rate=_RATE))
        asyncio.run(receiver.wait_for(_RATE * _SECONDS // 2))
    delays = [
        request.at - datetime.fromisoformat(request.content["timestamp"]).timestamp()
        for request in receiver.requests
    ]
    _record(result, "webhook", delays)  # from the start of the statement, shortly before its commit
    _record(result, "webhook_load", took)


def _mix(bench: Bench, token: str) -> Iterator[bytes]:
    """Ask for a viewer and sign in, in turns; each sign-in writes an event."""
    count = _RATE * (_SECONDS + 1) // 2
    for login in islice(_logins(bench, "hooked"), count):
        yield bench.asking("ours", LOGIN, **login.variables)
        yield bench.asking("ours", ME, token=token)


def _beside_a_silent_receiver(
    bench: Bench, result: Result, servers: Mapping[str, Server], tokens: Mapping[str, str]
) -> None:
    viewing = {
        name: Contender(
            server,
            repeat(bench.asking("ours", ME, token=tokens[name])),
            lambda body: ME.right in body,
        )
        for name, server in servers.items()
    }
    signing_in = {
        name: bench.each_once({name: server}, LOGIN, _logins(bench, name))[name]
        for name, server in servers.items()
    }
    for contender in (*viewing.values(), *signing_in.values()):
        warm(contender, 500)
    time.sleep(_SILENT_AFTER)
    for what, contenders in (("me", viewing), ("login", signing_in)):
        slices = measure(contenders, cycles=CYCLES)
        cpus = ([turn.cpu for turn in slices[name]] for name in ("hooked", "unhooked"))
        ratio(result, f"{what}_beside_silent_receiver", *cpus)
        for name, took in latencies(contenders, turns=3, connections=_BUSY).items():
            _record(result, f"{name}_{what}", took)


def _logins(bench: Bench, database: str) -> Iterator[inputs.Input]:
    return inputs.logins(bench.url_of(database), bench.keys, clients=_CLIENTS)


def _record(result: Result, what: str, seconds: list[float]) -> None:
    result[f"{what}_p50_ms"] = round(median(seconds) * 1e3, 1)
    result[f"{what}_p99_ms"] = round(quantiles(seconds, n=100)[98] * 1e3, 1)
