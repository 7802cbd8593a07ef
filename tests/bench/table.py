"""The result as tables, in Markdown."""

from collections.abc import Iterator, Mapping

AT_MOST = {
    "me_to_floor": 1.15,
    "me_to_yoga": 0.75,
    "me_to_ariadne": 0.15,
    "me_to_strawberry": 0.1,
    "me_to_mercurius": 1.1,
    "page_of_1m_to_floor": 1.1,
    "unseen_to_mercurius": 2.0,
    "request_code_to_floor": 1.5,
    "register_to_floor": 1.5,
    "login_to_floor": 1.2,
    "refresh_to_floor": 1.5,
    "apply_invite_to_floor": 1.5,
    "me_of_many_to_few": 1.3,
    "viewer_of_1m_to_1k": 1.3,
    "login_of_1m_to_1k": 1.3,
    "subscriber_kb": 60.0,
    "webhook_p99_ms": 1_000,
    "me_beside_silent_receiver": 1.1,
    "login_beside_silent_receiver": 1.1,
    "backlog_start_growth_mb": 5,
    "backlog_delivery_growth_mb": 5,
    "backlog_cleanup_growth_mb": 5,
    "memory_mb": 90,
    "memory_growth_mb": 30,
    "cold_start_s": 1.0,
    "cold_start_embedded_s": 1.5,
}
NAMES = {
    "floor": "the floor: Starlette, asyncpg, no GraphQL",
    "ours": "Connect Hub",
    "mercurius": "mercurius with JIT, pg",
    "yoga": "graphql-yoga, pg",
    "ariadne": "Ariadne, asyncpg",
    "strawberry": "Strawberry as documented, Tortoise",
}

OPERATIONS = {
    "me": "`me` with 10 invited",
    "unseen": "the same by a document that was never seen",
    "page_of_1m": "100 of 1,000,000 invited",
    "request_code": "`requestCode`",
    "register": "`register`",
    "login": "`login`",
    "refresh": "`refreshSession`",
    "apply_invite": "`applyInvite`",
}

PER_SECOND = {
    "register_with_invitation": "`register` with an invitation code",
    "register": "`register`",
    "apply_invite": "`applyInvite` meanwhile",
}


def tables(result: Mapping[str, float | str]) -> str:
    """Write what there is of the result."""
    parts = _servers, _operations, _per_second, _limits
    return "\n\n".join("\n".join(part(result)) for part in parts)


def comparison(result: Mapping[str, float | str], earlier: Mapping[str, float | str]) -> str:
    """Write what is in both results."""
    rows = ["", "| | earlier | now | ÷ earlier |", "|---|---|---|---|"]
    for name, value in result.items():
        before = earlier.get(name)
        if isinstance(value, float) and isinstance(before, float) and before:
            rows.append(f"| {name} | {before} | {value} | {value / before:.2f} |")
    return "\n".join(rows)


def _servers(result: Mapping[str, float | str]) -> Iterator[str]:
    yield f"Measured on {result['python']}."
    yield ""
    yield "| `me` with 10 invited | CPU a request, µs | ÷ floor | p50, ms | p99, ms |"
    yield "|---|---|---|---|---|"
    for name, title in NAMES.items():
        cpu, floor = result.get(f"{name}_me_us"), result.get("floor_me_us")
        if isinstance(cpu, float) and isinstance(floor, float):
            latency = [result.get(f"{name}_{each}_ms", "") for each in ("p50", "p99")]
            yield f"| {title} | {cpu:.0f} | {cpu / floor:.2f} | {latency[0]} | {latency[1]} |"


def _operations(result: Mapping[str, float | str]) -> Iterator[str]:
    yield "| operation | floor, µs | Connect Hub, µs | mercurius, µs | ÷ floor | ÷ mercurius |"
    yield "|---|---|---|---|---|---|"
    for name, title in OPERATIONS.items():
        if f"ours_{name}_us" in result:
            cpus = [f"{server}_{name}_us" for server in ("floor", "ours", "mercurius")]
            ratios = [f"{name}_to_floor", f"{name}_to_mercurius"]
            cells = [str(result.get(figure, "")) for figure in (*cpus, *ratios)]
            yield f"| {title} | {' | '.join(cells)} |"


def _per_second(result: Mapping[str, float | str]) -> Iterator[str]:
    yield "| over 8 connections, while 8 others apply codes | a second |"
    yield "|---|---|"
    for name, title in PER_SECOND.items():
        if f"{name}_per_s" in result:
            yield f"| {title} | {result[f'{name}_per_s']} |"


def _limits(result: Mapping[str, float | str]) -> Iterator[str]:
    yield "| | measured | a fifth below, above | at most | |"
    yield "|---|---|---|---|---|"
    for name, limit in AT_MOST.items():
        value = result.get(name)
        if isinstance(value, float):
            spread = ", ".join(str(result.get(f"{name}_{end}", "")) for end in ("low", "high"))
            held = "held" if value <= limit else "missed"
            yield f"| {name} | {value} | {spread.strip(', ')} | {limit} | {held} |"
