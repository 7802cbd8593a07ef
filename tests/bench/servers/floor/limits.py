"""The rate limits: as fleet.py sets them for Connect Hub, else its defaults; and the origin."""

import os
from datetime import timedelta
from typing import Any

from connect_hub.security.keys import Keys
from tests.bench.servers import statements

ADDRESS = "127.0.0.1"
RATES = {
    "guesses of an address": ([99_999], [timedelta(hours=1)]),
    "guesses of a phone": ([99_999, 99_999], [timedelta(days=1), timedelta(days=180)]),
    "sends to a phone": ([5, 10], [timedelta(hours=1), timedelta(days=1)]),
    "sends to a phone from a network": ([4, 6], [timedelta(hours=1), timedelta(days=1)]),
    "sends of an address": ([2_000], [timedelta(seconds=1)]),
    "unknown invitation codes": ([10], [timedelta(days=1)]),
}
ORIGIN = ["client", "0123456789abcdef", ADDRESS, None, None]  # of the events that changes write
keys = Keys(os.environ["SECRET_KEY"])


async def consume(database: Any, **subjects: str) -> list[Any]:
    """Count a hit of each subject, by the action with spaces for underscores."""
    limits: list[tuple[bytes, int, timedelta]] = []
    for name, subject in subjects.items():
        action = name.replace("_", " ")
        key = keys.pseudonym(subject, purpose=action)
        limits += [(key, *rate) for rate in zip(*RATES[action], strict=True)]
    hits: list[Any] = await database.fetch(
        statements.CONSUME, *map(list, zip(*limits, strict=True))
    )
    return hits


async def refund(database: Any, hits: list[Any]) -> None:
    refunded = [hit["key"] for hit in hits], [hit["at"] for hit in hits]
    await database.fetch(statements.REFUND, *refunded)
