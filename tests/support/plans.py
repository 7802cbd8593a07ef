"""How PostgreSQL runs a statement."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from connect_hub.database.connections import fetch as fetch_as_server


async def plan(sql: str, fetch: Callable[[str], Awaitable[Sequence[Any]]] = fetch_as_server) -> str:
    """Explain a statement as it is planned for any values; within a transaction."""
    await fetch("SET LOCAL plan_cache_mode = force_generic_plan")
    await fetch(f"PREPARE hot AS {sql}")
    values = max((int(n) for n in re.findall(r"\$(\d+)", sql)), default=0)
    arguments = f"({', '.join(['NULL'] * values)})" if values else ""
    rows = await fetch(f"EXPLAIN EXECUTE hot{arguments}")
    await fetch("DEALLOCATE hot")
    return "\n".join(row["QUERY PLAN"] for row in rows)
