"""Does the time of a response reveal the kind of a phone? `python tests/bench/timing.py`.

A server of its own is started, with raised limits and no delay of the simulated SMS. Of each
operation, 500 pairs of calls are made in shuffled order, for a known phone and an unknown one, or a
test phone and another, each phone once. All phones have the same history, and for `login` and
`register` a live code each, so that they differ in nothing but their kind. Beside the differences
stands one that is real: a `login` without a live code, which does less work; if it could not be
seen, nothing could.

Other servers have REGISTRATION=invited or closed, and a gateway that takes 2 s. There strangers get
no SMS, except with a live invitation code.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Thread

import asyncpg
import click

import connect_hub
from connect_hub.database import embedded

PAIRS = 500
WARM_UP = 50  # pairs before them
RESAMPLES = 1000
_GATEWAY_TAKES = 2  # seconds
_READY_WITHIN, _ENDS_WITHIN = 60, 15  # seconds

SETTINGS = {
    "SMS_URLS": "simulated://?delay=0-0",
    "TRUSTED_PROXIES": "127.0.0.1",
    "GUESSES_PER_CODE": "100",
    "GUESSES_PER_PHONE": "1000/day",
    "CODE_LIFETIME": "60 min",
    "SENDS_PER_PHONE_AND_ADDRESS": "1/day",
    "PUMPING_GUARD": "off",
}
QUIET = {"SENDS_TOTAL": "none", "SENDS_PER_INVITATION": "100000/hour"}
INVITATION = "A00001"  # of the first known phone
REQUEST_CODE = """mutation($phone: String!, $invitation: String) {
    requestCode(phone: $phone, invitationCode: $invitation) {
        __typename ... on CodeSent { smsCode } ... on TooManyRequestsError { limit }
    }
}"""
SIGN_IN = """mutation($phone: String!, $code: String!) {
    %s(phone: $phone, code: $code) { __typename }
}"""

TEST = [f"+7904{n:07}" for n in range(PAIRS + WARM_UP)]
NO_TEST = [f"+7905{n:07}" for n in range(PAIRS + WARM_UP)]
SETTINGS["TEST_PHONES"] = ",".join(f"{phone}:4821:{datetime.now(UTC).date()}" for phone in TEST)
KNOWN = [f"+7901{n:07}" for n in range(PAIRS + WARM_UP)]
UNKNOWN = [f"+7902{n:07}" for n in range(PAIRS + WARM_UP)]
WITHOUT_CODE = [f"+7903{n:07}" for n in range(PAIRS + WARM_UP)]

random = Random()  # noqa: S311 (an order, no secret)


class Client:
    """One connection, with a new client address for each request."""

    def __init__(self, port: int) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=30)
        self._addresses = map(IPv4Address, count(0x0A000001))

    def ask(
        self, query: str, *, address: str | None = None, **variables: str | None
    ) -> tuple[float, dict[str, str]]:
        """Return the milliseconds until the whole answer was there, and the answer."""
        body = json.dumps({"query": query, "variables": variables})
        headers = {
            "Content-Type": "application/json",
            "X-Forwarded-For": address or self.new_address(),
        }
        start = time.perf_counter()
        self._http.request("POST", "/graphql", body, headers)
        text = self._http.getresponse().read()
        took = (time.perf_counter() - start) * 1000
        (answer,) = json.loads(text)["data"].values()
        return took, answer

    def new_address(self) -> str:
        """Return an address that was not used before."""
        return str(next(self._addresses))


Pairs = list[
    tuple[float, float]
]  # milliseconds for a phone of each kind, one right after the other


@dataclass
class Measured:
    """How times differ by some measure, with its 95 % confidence interval by bootstrap."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, measure: Callable[[Pairs], float], pairs: Pairs) -> "Measured":
        """Measure the pairs, and resamples of them."""
        resamples = (random.choices(pairs, k=len(pairs)) for _ in range(RESAMPLES))
        bounds = quantiles(map(measure, resamples), n=40)
        return cls(measure(pairs), bounds[0], bounds[-1])

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def median_difference(pairs: Pairs) -> float:
    """Median milliseconds by which the second of a pair is slower."""
    return median(second - first for first, second in pairs)


def fast_difference(pairs: Pairs) -> float:
    """Milliseconds between the 10th percentiles: noise only adds, so the fastest are exact."""
    firsts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
    return quantiles(seconds, n=10)[0] - quantiles(firsts, n=10)[0]


def cliffs_delta(pairs: Pairs) -> float:
    """Probability that a second is slower than a first, less that it is faster: -1 to 1."""
    firsts = sorted(first for first, _ in pairs)
    faster = sum(bisect_left(firsts, second) for _, second in pairs)
    slower = sum(len(firsts) - bisect_right(firsts, second) for _, second in pairs)
    return (faster - slower) / (len(pairs) * len(pairs))


def main() -> None:
    """Measure and print the table."""
    with TemporaryDirectory(prefix="ch-") as name:
        Path(name).chmod(0o755)  # PostgreSQL has another user where this one is root
        with serving(Path(name)) as port:
            asyncio.run(make_known(Path(name)))
            found = measure(Client(port))
    for mode, invitation in (("invited", None), ("invited", INVITATION), ("closed", None)):
        with TemporaryDirectory(prefix="ch-") as name, slow_gateway() as url:
            Path(name).chmod(0o755)
            with serving(Path(name), REGISTRATION=mode, SMS_URLS=url, **QUIET) as port:
                asyncio.run(make_known(Path(name)))
                where = f"{mode}, with a code" if invitation else mode
                for operation, pairs in measure_quiet(Client(port), invitation).items():
                    found[f"{where}: {operation}"] = pairs
    click.echo(f"{PAIRS} pairs in shuffled order, milliseconds; [95 % confidence by bootstrap]")
    click.echo("| operation | medians | median difference | of the fastest tenth | Cliff's delta |")
    click.echo("|---|---|---|---|---|")
    for operation, pairs in found.items():
        medians = " / ".join(f"{median(times):.2f}" for times in zip(*pairs, strict=True))
        differ = (Measured.of(m, pairs) for m in (median_difference, fast_difference, cliffs_delta))
        click.echo(f"| {operation} | {medians} | {' | '.join(map(str, differ))} |")


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[int]:
    """Run a server, and return its port."""
    environment = {"PATH": "", **SETTINGS, "DATA_DIR": str(folder / "data"), **settings}
    source = str(Path(connect_hub.__file__).parents[1])
    output = folder / "output"
    with (
        output.open("wb") as said,
        subprocess.Popen(
            [sys.executable, "-m", "connect_hub", "serve", "--port", "0"],
            env=environment | {"PYTHONPATH": source},
            cwd=folder,
            stdout=said,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            yield _port(process, output)
        finally:
            process.terminate()
            try:
                process.wait(_ENDS_WITHIN)
            finally:
                process.kill()


class SlowGateway(BaseHTTPRequestHandler):
    """Accepts each message after 2 s."""

    def do_POST(self) -> None:
        """Answer late."""
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(_GATEWAY_TAKES)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def slow_gateway() -> Iterator[str]:
    """Run an SMS gateway, and return its URL for SMS_URLS."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowGateway) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}/{{phone}}"
        server.shutdown()


def _port(process: "subprocess.Popen[bytes]", output: Path) -> int:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        if match := re.search(r"http://127\.0\.0\.1:(\d+)/graphql", output.read_text()):
            return int(match[1])
        time.sleep(0.05)
    raise SystemExit(f"The server did not start: {output.read_text()}")


async def make_known(folder: Path) -> None:
    """Register the known phones as if long ago, without traces in the rate limits."""
    connection = await asyncpg.connect(
        host=str(embedded.socket_folder(folder / "data")),
        user=embedded.USER,
        database=embedded.DATABASE,
    )
    await connection.execute(
        """
        INSERT INTO client (id, phone, invitation_code, created_at)
        SELECT gen_random_uuid(), phone, 'A' || lpad(n::text, 5, '0'), now()
        FROM unnest($1::text[]) WITH ORDINALITY AS known (phone, n)
        """,
        KNOWN,
    )
    await connection.execute("VACUUM ANALYZE client")
    # Waiting for the disk would hide differences, more or less as it is busy.
    await connection.execute("ALTER SYSTEM SET synchronous_commit = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


def measure(client: Client) -> dict[str, Pairs]:
    """Call each operation for all phones; the codes sent by the first are guessed wrong later."""
    codes: dict[str, str] = {}
    addresses: dict[str, str] = {}

    def request_code(phone: str) -> float:
        addresses[phone] = client.new_address()
        took, answer = client.ask(REQUEST_CODE, phone=phone, address=addresses[phone])
        codes[phone] = answer["smsCode"]
        return took

    def guess(verb: str, phone: str) -> float:
        right = codes.get(phone, "0000")
        wrong = f"{(int(right) + 1) % 10 ** len(right):0{len(right)}}"
        took, answer = client.ask(SIGN_IN % verb, phone=phone, code=wrong)
        if answer["__typename"] != "InvalidCodeError":
            raise SystemExit(f"{verb} was not compared: {answer}")
        return took

    def ask_again(phone: str, *, limit: str = "RESEND_WAIT") -> float:
        address = addresses[phone] if limit == "SENDS" else None
        took, answer = client.ask(REQUEST_CODE, phone=phone, address=address)
        if answer.get("limit") != limit:
            raise SystemExit(f"requestCode was not refused by {limit}: {answer}")
        return took

    ask_too_often = partial(ask_again, limit="SENDS")
    login, register = partial(guess, "login"), partial(guess, "register")
    return {
        "requestCode: known / unknown": compare(request_code, KNOWN, UNKNOWN),
        "requestCode, refused: known / unknown": compare(ask_again, KNOWN, UNKNOWN),
        "requestCode, limit of phone and network: known / unknown": compare(
            ask_too_often, KNOWN, UNKNOWN
        ),
        "login, wrong code: known / unknown": compare(login, KNOWN, UNKNOWN),
        "register, wrong code: known / unknown": compare(register, KNOWN, UNKNOWN),
        "requestCode: test phone / other": compare(request_code, TEST, NO_TEST),
        "requestCode, refused: test phone / other": compare(ask_again, TEST, NO_TEST),
        "login, wrong code: test phone / other": compare(login, TEST, NO_TEST),
        "control, login: live code / no code": compare(login, KNOWN, WITHOUT_CODE),
    }


def measure_quiet(client: Client, invitation: str | None) -> dict[str, Pairs]:
    """Call the operations by which a stranger could learn who is registered."""

    def request_code(phone: str, *, expected: str = "CodeSent") -> float:
        took, answer = client.ask(REQUEST_CODE, phone=phone, invitation=invitation)
        if answer["__typename"] != expected:
            raise SystemExit(f"requestCode was not compared: {answer}")
        return took

    def guess(verb: str, phone: str) -> float:
        return client.ask(SIGN_IN % verb, phone=phone, code="0000")[0]  # seldom the right one

    ask_again = partial(request_code, expected="TooManyRequestsError")
    return {
        "requestCode: known / unknown": compare(request_code, KNOWN, UNKNOWN),
        "requestCode, refused: known / unknown": compare(ask_again, KNOWN, UNKNOWN),
        "login, wrong code: known / unknown": compare(partial(guess, "login"), KNOWN, UNKNOWN),
    }


def compare(call: Callable[[str], float], first: list[str], second: list[str]) -> Pairs:
    """Call for each pair of phones in random order, after some pairs to warm up."""
    pairs: Pairs = []
    for phones in random.sample(list(zip(first, second, strict=True)), len(first)):
        took = {phone: call(phone) for phone in random.sample(phones, 2)}
        pairs.append((took[phones[0]], took[phones[1]]))
    return pairs[WARM_UP:]


if __name__ == "__main__":
    main()
