"""The main function of `run.py`, in its environment: measures, prints tables, writes files."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import builds, fleet
from tests.bench.bench import Bench
from tests.bench.parts import PARTS
from tests.bench.parts.recording import Result
from tests.bench.table import comparison, tables

LONGEST = 20 * 60  # seconds, even if a server hangs
_ONLY_BY_NAME = {"me", "webhooks", "backlog"}  # the first is among the peers, others take minutes
ALL = [part for part in PARTS if part not in _ONLY_BY_NAME]
INVITED = [10, 100, 1_000, 10_000, 100_000, 1_000_000]
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
NEED_A_MILLION = {"page", "growth", "memory", "chains"}


def main() -> None:
    """Measure, print tables, and write the files that the options name."""
    arguments = _arguments()
    parts = arguments.only or ALL
    for number in _STOPS:
        signal.signal(number, _stop)
    signal.alarm(LONGEST)
    result: Result = _circumstances()
    earlier = builds.read_result(arguments.compare) if arguments.compare else None
    fleet.install()
    os.sched_setaffinity(0, fleet.OF_OTHERS)
    began = time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ch-bench-"))
        _say("filling the database")
        invited = [10, 10_000] if NEED_A_MILLION.isdisjoint(parts) else INVITED
        bench = Bench(stack, Path(folder), invited)
        for part in parts:
            _say(part)
            PARTS[part](bench, result)
    result["seconds"] = round(time.monotonic() - began)
    print(tables(result))  # noqa: T201
    if earlier:
        print(comparison(result, earlier))  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.plot and not arguments.only:
        _plot(result, arguments.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", metavar="PATH", help="run everything on this build of Python")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="a file of --json, of the same build of Python"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures, flat")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a plot (SVG)")
    parser.add_argument(
        "--only", type=_parts, metavar="PARTS", help=f"some of {','.join(PARTS)}; no plot then"
    )
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(unknown)}")
    return parts


def _circumstances() -> Result:
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpus": float(len(fleet.ALL_CPUS)),
        "python": builds.describe(),
        "node": node.stdout.strip(),
    }


def _plot(result: Result, file: Path) -> None:
    """Draw in a process of its own, which a limit on its time can end."""
    drawing = [sys.executable, str(builds.HERE / "plot.py"), str(file)]
    subprocess.run(drawing, input=json.dumps(result), text=True, check=True, timeout=60)


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)  # noqa: T201


def _stop(number: int, _frame: object) -> None:
    for again in _STOPS:
        signal.signal(again, signal.SIG_IGN)  # while the servers are being ended
    sys.exit(f"stopped by {signal.Signals(number).name}")
