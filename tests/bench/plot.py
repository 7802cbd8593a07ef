"""Draws the result that comes on standard input, flat as `--json` writes it, into an SVG file."""

import json
import sys
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found]  # of requirements.txt

mpl.use("svg")
from matplotlib import pyplot as plt

OURS, OTHERS, TAIL = "#1b6ca8", "#9aa5b1", "#d9dee3"
NAMES = {
    "strawberry": "Strawberry\nas documented",
    "ariadne": "Ariadne",
    "yoga": "graphql-yoga",
    "mercurius": "mercurius, JIT",
    "ours": "Connect Hub",
    "floor": "floor:\nno GraphQL",
}
COLORS = [OURS if name == "ours" else OTHERS for name in NAMES]


def main() -> None:
    result = json.load(sys.stdin)
    mpl.rcParams.update({"svg.hashsalt": "bench", "font.size": 9, "axes.spines.right": False})
    mpl.rcParams.update({"axes.spines.top": False, "axes.titlesize": 10})
    figure, (cpu, latency, growth) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    _cpu(cpu, result)
    _latency(latency, result)
    _growth(growth, result)
    figure.savefig(sys.argv[1], metadata={"Date": None})


def _cpu(axes: Any, result: dict[str, Any]) -> None:
    values = [result[f"{name}_me_us"] for name in NAMES]
    bars = axes.barh(list(NAMES.values()), values, color=COLORS)
    axes.bar_label(bars, [f"{value / result['floor_me_us']:.2g} x" for value in values], padding=3)
    axes.margins(x=0.15)
    axes.set(title="`me` with 10 invited: server CPU a request", xlabel="µs")


def _latency(axes: Any, result: dict[str, Any]) -> None:
    halves = [result[f"{name}_p50_ms"] for name in NAMES]
    tails = [result[f"{name}_p99_ms"] for name in NAMES]
    axes.barh(list(NAMES.values()), tails, color=TAIL, label="p99")
    axes.barh(list(NAMES.values()), halves, height=0.4, color=COLORS, label="p50 (inner)")
    axes.set(title="The same at 32 connections: time until the answer", xlabel="ms")
    axes.legend(frameon=False)


def _growth(axes: Any, result: dict[str, Any]) -> None:
    def curve(what: str) -> tuple[list[int], list[float]]:
        found = sorted(
            (int(name.split("_")[2]), value / 1000)
            for name, value in result.items()
            if name.startswith(f"growth_{what}_") and name.endswith("_us")
        )
        return [size for size, _ in found], [value for _, value in found]

    axes.plot(
        *curve("me"), marker="o", color=OURS, label="10 of `me`'s invited, by number of invited"
    )
    axes.plot(*curve("viewer"), marker="s", color=OTHERS, label="`me`, by number of clients")
    axes.plot(*curve("login"), marker="^", color="#c26a1b", label="`login`, by number of clients")
    axes.set(title="Growth: Connect Hub's answer, one at a time", xlabel="rows", ylabel="ms")
    axes.set(xscale="log", ylim=(0, None))
    axes.legend(frameon=False)


main()
