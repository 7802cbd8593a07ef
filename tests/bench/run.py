"""Measures Connect Hub beside the floor and its peers: `python tests/bench/run.py`, on Linux."""

# ruff: noqa: E402 (the imports below need the changed sys.path)

import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path[:1] = [str(CHECKOUT), str(CHECKOUT / "src")]  # this checkout, not an installed package

from tests.bench import builds

if __name__ == "__main__":
    builds.enter()
    from tests.bench.report import main

    main()
