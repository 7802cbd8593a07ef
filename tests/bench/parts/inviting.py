"""Registrations with an invitation code, while others apply codes."""

import random
import time
from collections.abc import Iterator
from itertools import islice, takewhile
from statistics import median
from threading import Event, Thread

from tests.bench import inputs
from tests.bench.bench import Bench
from tests.bench.client import connected
from tests.bench.inputs import Input
from tests.bench.measure import Contender
from tests.bench.operations import (
    APPLY_INVITE,
    REGISTER,
    REGISTER_WITH_INVITATION,
    Operation,
)
from tests.bench.parts.recording import Result

_CONNECTIONS = 8  # of those who register, and of those who apply codes
_TURNS = 5
_REQUESTS = 400  # in a turn
_APPLICATIONS = 4_000  # more than are sent in a turn


def register_with_invitation(bench: Bench, result: Result) -> None:
    """Count what completes in a second: registrations with and without a code, and applications."""
    registering = {
        "register_with_invitation": (
            REGISTER_WITH_INVITATION,
            inputs.invited_registrations(bench),
        ),
        "register": (REGISTER, inputs.registrations(bench)),
    }
    rates: dict[str, list[float]] = {name: [] for name in (*registering, "apply_invite")}
    applications = inputs.applications(bench)
    for _ in range(_TURNS):
        for name in random.sample(list(registering), len(registering)):
            operation, asked = registering[name]
            registrations = _prepare(bench, operation, asked, _REQUESTS)
            others = _prepare(bench, APPLY_INVITE, applications, _APPLICATIONS)
            registered, applied = _measure(registrations, others)
            rates[name].append(registered)
            if name == "register_with_invitation":
                rates["apply_invite"].append(applied)
    for name, values in rates.items():
        result[f"{name}_per_s"] = round(median(values), 1)


def _prepare(bench: Bench, operation: Operation, asked: Iterator[Input], count: int) -> Contender:
    """Make requests before they are sent, so that this does not count."""
    contender = bench.each_once({"ours": bench.server("ours")}, operation, asked)["ours"]
    requests = list(islice(contender.requests, count))
    return Contender(contender.server, iter(requests), contender.is_right)


def _measure(registrations: Contender, others: Contender) -> tuple[float, float]:
    """Return how many registrations and applications complete in a second."""
    port, is_over, applied = registrations.server.port, Event(), 0

    def apply() -> None:
        nonlocal applied
        going_on = takewhile(lambda _: not is_over.is_set(), others.requests)
        with connected(port, _CONNECTIONS) as connections:
            applied = len(connections.ask(going_on, _APPLICATIONS, others.is_right))

    applying = Thread(target=apply)
    began = time.perf_counter()
    applying.start()
    with connected(port, _CONNECTIONS) as connections:
        took = connections.ask(registrations.requests, _REQUESTS, registrations.is_right)
    seconds = time.perf_counter() - began
    is_over.set()
    applying.join()
    return len(took) / seconds, applied / seconds
