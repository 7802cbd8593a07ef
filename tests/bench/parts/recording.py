"""How figures are written into the result."""

from collections.abc import Mapping
from statistics import median

from tests.bench.bench import Bench
from tests.bench.client import WrongAnswerError
from tests.bench.measure import Contender, Ratio, Slice

Result = dict[str, float | str]

CYCLES = 40


def check_statements(bench: Bench, contenders: Mapping[str, Contender]) -> None:
    """Count what the floor and ours send to the database for one request.

    Raises:
        WrongAnswerError: the floor sends more or fewer statements than ours.
    """
    sent = {name: bench.statements(contenders[name]) for name in ("floor", "ours")}
    if sent["floor"] != sent["ours"]:
        raise WrongAnswerError(f"statements {sent}: bring servers/floor up to date")


def record(result: Result, what: str, slices: Mapping[str, list[Slice]]) -> None:
    ours = [turn.cpu for turn in slices["ours"]]
    for name, turns in slices.items():
        cpus = [turn.cpu for turn in turns]
        result[f"{name}_{what}_us"] = round(median(cpus), 1)
        if name != "ours":
            ratio(result, f"{what}_to_{name}", ours, cpus)


def record_growth(result: Result, slices: Mapping[str, list[Slice]]) -> None:
    for name, turns in slices.items():
        result[f"{name}_us"] = round(median(walls(turns)), 1)


def walls(turns: list[Slice]) -> list[float]:
    return [turn.wall for turn in turns]


def ratio(result: Result, name: str, values: list[float], others: list[float]) -> None:
    found = Ratio.of(values, others)
    result[name] = round(found.median, 3)
    result[f"{name}_low"], result[f"{name}_high"] = round(found.low, 3), round(found.high, 3)
