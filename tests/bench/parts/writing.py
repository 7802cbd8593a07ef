"""The operations that write: the floor and ours."""

from collections.abc import Iterator

from tests.bench import inputs
from tests.bench.bench import Bench
from tests.bench.inputs import Input
from tests.bench.measure import measure
from tests.bench.operations import APPLY_INVITE, LOGIN, REFRESH, REGISTER, REQUEST_CODE, Operation
from tests.bench.parts.recording import CYCLES, Result, check_statements, record


def login(bench: Bench, result: Result) -> None:
    """Sign in with a live code."""
    _compare(bench, result, LOGIN, inputs.logins(bench.url, bench.keys, clients=bench.clients))


def register(bench: Bench, result: Result) -> None:
    """Register with a live code."""
    _compare(bench, result, REGISTER, inputs.registrations(bench))


def request_code(bench: Bench, result: Result) -> None:
    """Request a code; no SMS is sent."""
    _compare(bench, result, REQUEST_CODE, inputs.code_requests(bench))


def refresh(bench: Bench, result: Result) -> None:
    """Exchange a refresh token."""
    _compare(bench, result, REFRESH, inputs.refreshes(bench))


def apply_invite(bench: Bench, result: Result) -> None:
    """Apply an invitation code, with a token that was not seen before."""
    _compare(bench, result, APPLY_INVITE, inputs.applications(bench))


def _compare(bench: Bench, result: Result, operation: Operation, asked: Iterator[Input]) -> None:
    servers = {name: bench.server(name) for name in ("floor", "ours")}
    contenders = bench.each_once(servers, operation, asked)
    check_statements(bench, contenders)
    record(result, operation.route, measure(contenders, cycles=CYCLES))
