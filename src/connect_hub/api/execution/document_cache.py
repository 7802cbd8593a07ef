"""A cache of valid documents by their text, limited by the memory that they take."""

from collections import OrderedDict
from sys import getsizeof
from typing import NamedTuple

from connect_hub.api.execution.compiler import CompiledOperation
from connect_hub.api.execution.prepared_document import PreparedDocument

BUDGET = 6 * 1024 * 1024  # bytes, by the estimates below
_PROBATION_SHARE = 0.2  # of the budget; always left to documents that were used once

# Estimates in bytes, as tracemalloc measured them, rounded up.
_PER_DOCUMENT, _PER_BYTE, _PER_TOKEN = 2_000, 2, 480
_PER_PLAN, _PER_FIELD, _PER_RESOLVER = 4_000, 700, 1_700


class _Entry(NamedTuple):
    prepared: PreparedDocument
    plan_count: int  # when the cost was estimated: operations are compiled at their first use
    cost: int


class _Segment(OrderedDict[str, _Entry]):
    """Documents in the order of their last use, and the sum of their costs."""

    cost = 0

    def put(self, text: str, prepared: PreparedDocument) -> None:
        """Add or update a document as the one used last, with its present cost."""
        self.take(text)
        entry = self[text] = _Entry(prepared, len(prepared.plans), _cost(text, prepared))
        self.cost += entry.cost

    def take(self, text: str) -> PreparedDocument | None:
        """Remove a document and return it."""
        if (entry := self.pop(text, None)) is None:
            return None
        self.cost -= entry.cost
        return entry.prepared


class DocumentCache:
    """A segmented LRU cache: new documents are on probation, and used again they are protected.

    A flood of new documents replaces only those on probation.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._protected = _Segment()
        self._probation = _Segment()

    @property
    def cost(self) -> int:
        """The memory of all documents in bytes, estimated."""
        return self._protected.cost + self._probation.cost

    def get(self, text: str) -> PreparedDocument | None:
        """Return a document, and protect it."""
        entry = self._protected.get(text)
        if entry and len(entry.prepared.plans) == entry.plan_count:
            self._protected.move_to_end(text)
            return entry.prepared
        prepared = entry.prepared if entry else self._probation.take(text)
        if prepared:
            self._protected.put(text, prepared)
            self._evict()
        return prepared

    def add(self, text: str, prepared: PreparedDocument) -> None:
        """Add a new document."""
        self._probation.put(text, prepared)
        self._evict()

    def _evict(self) -> None:
        while self._protected.cost > self._budget * (1 - _PROBATION_SHARE):
            text, entry = next(iter(self._protected.items()))
            self._protected.take(text)
            self._probation.put(text, entry.prepared)
        while self.cost > self._budget:
            self._probation.take(next(iter(self._probation)))


def _cost(text: str, prepared: PreparedDocument) -> int:
    """Estimate the memory of a document and its plans in bytes."""
    compiled = [plan for plan in prepared.plans.values() if isinstance(plan, CompiledOperation)]
    return (
        _PER_DOCUMENT
        + _PER_BYTE * getsizeof(text)
        + _PER_TOKEN * prepared.document.token_count
        + _PER_PLAN * len(compiled)
        + _PER_FIELD * sum(plan.field_count for plan in compiled)
        + _PER_RESOLVER * sum(plan.resolver_count for plan in compiled)
    )
