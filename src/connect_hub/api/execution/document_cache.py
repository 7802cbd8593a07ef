"""Valid documents by their text, as many as fit into a budget of memory."""

from collections import OrderedDict
from sys import getsizeof
from typing import NamedTuple

from connect_hub.api.execution.compiler import Compiled
from connect_hub.api.execution.prepared_document import Prepared

BUDGET = 8 * 1024 * 1024  # bytes, by the estimates below
_RECENT = 0.2  # the part of it that is always left to documents asked for once

# As tracemalloc measured them.
_PER_DOCUMENT, _PER_BYTE, _PER_TOKEN = 2_000, 2, 480
_PER_PLAN, _PER_FIELD = 4_000, 700


class _Entry(NamedTuple):
    prepared: Prepared
    plans: int  # when its cost was estimated; each operation is planned once it is asked for
    cost: int


class _Segment(OrderedDict[str, _Entry]):
    """Documents in the order of their last use, and what they cost together."""

    cost = 0

    def put(self, text: str, prepared: Prepared) -> None:
        """Make this the last used; a second time, with its cost as it is now."""
        self.take(text)
        entry = self[text] = _Entry(prepared, len(prepared.plans), _cost(text, prepared))
        self.cost += entry.cost

    def take(self, text: str) -> Prepared | None:
        """Remove a document."""
        if (entry := self.pop(text, None)) is None:
            return None
        self.cost -= entry.cost
        return entry.prepared


class DocumentCache:
    """A segmented LRU cache: new documents replace each other before those that were used again."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._used_again = _Segment()
        self._used_once = _Segment()

    @property
    def cost(self) -> int:
        """The bytes that all documents take, estimated."""
        return self._used_again.cost + self._used_once.cost

    def get(self, text: str) -> Prepared | None:
        """Find a document."""
        entry = self._used_again.get(text)
        if entry and len(entry.prepared.plans) == entry.plans:
            self._used_again.move_to_end(text)
            return entry.prepared
        prepared = entry.prepared if entry else self._used_once.take(text)
        if prepared:
            self._used_again.put(text, prepared)
            self._shrink()
        return prepared

    def add(self, text: str, prepared: Prepared) -> None:
        """Keep a document that is not kept so far."""
        self._used_once.put(text, prepared)
        self._shrink()

    def _shrink(self) -> None:
        while self._used_again.cost > self._budget * (1 - _RECENT):
            text, entry = next(iter(self._used_again.items()))
            self._used_again.take(text)
            self._used_once.put(text, entry.prepared)
        while self.cost > self._budget:
            self._used_once.take(next(iter(self._used_once)))


def _cost(text: str, prepared: Prepared) -> int:
    """Estimate the bytes that a document and its plans take."""
    plans = [plan for plan in prepared.plans.values() if isinstance(plan, Compiled)]
    return (
        _PER_DOCUMENT
        + _PER_BYTE * getsizeof(text)
        + _PER_TOKEN * prepared.document.token_count
        + _PER_PLAN * len(plans)
        + _PER_FIELD * sum(plan.fields for plan in plans)
    )
