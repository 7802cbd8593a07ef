"""Breaks what is around three servers under load: `python tests/faults/run.py`, on Linux."""

# ruff: noqa: E402 (the imports below need the changed sys.path)

import argparse
import asyncio
import resource
import signal
import sys
import time
from collections import Counter
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path[:1] = [str(CHECKOUT), str(CHECKOUT / "src")]  # this checkout, not an installed package

from tests.faults.faults import FAULTS
from tests.faults.stand import standing
from tests.faults.trial import Trial, flatness, trial

_MOST_SAID = 20  # findings of a trial


async def main() -> None:
    """Bring about each fault so often; end with 1 if anything was found."""
    arguments = _arguments()
    _stop_when_told()
    found = False
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for us and all that is started
    async with standing() as stand:
        names = arguments.only or [name for name in FAULTS if not FAULTS[name].by_hand]
        names = sorted(names, key=lambda name: FAULTS[name].by_hand)  # they replace the database
        for name in names:
            if lacking := FAULTS[name].lacks(stand):
                sys.exit(f"{name} needs {lacking}.")
        for name in names:
            for nth in range(arguments.times):
                result = await trial(stand, FAULTS[name])
                _say(f"{name} {nth + 1}", result)
                found |= bool(result.findings)
        if arguments.seconds:
            found |= not await flatness(stand, arguments.seconds)
    sys.exit(found)


def _stop_when_told() -> None:
    """End everything that was started, on any signal."""
    running = asyncio.current_task()
    assert running
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=FAULTS, metavar="NAME", help=", ".join(FAULTS))
    parser.add_argument("--times", type=int, default=5, help="how often each")
    parser.add_argument(
        "--seconds", type=int, default=0, help="load afterwards, to see whether memory is flat"
    )
    return parser.parse_args()


def _say(name: str, result: Trial) -> None:
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in result.outcomes.items())
    print(  # noqa: T201 (a command)
        f"{time.strftime('%H:%M:%S')} {name:24} {result.before:4.0f}/s before, "
        f"{result.after:4.0f}/s after, slowest {result.slowest:5.2f} s, meanwhile {outcomes},"
        f" {result.told} told, {result.late:.1f} s late at most afterwards",
        flush=True,
    )
    for finding, count in Counter(result.findings).most_common(_MOST_SAID):
        print(f"    {finding[:1000]} ({count})", flush=True)  # noqa: T201 (a command)


if __name__ == "__main__":
    asyncio.run(main())
