"""A cache of valid documents by their text, limited by the memory that they take."""

from collections import OrderedDict
from sys import getsizeof
from typing import NamedTuple

from connect_hub.api.execution.prepared_document import PreparedDocument

BUDGET = 6 * 1024 * 1024  # bytes, by the estimates below
_MAX_USED_ONCE = 4096  # hashes of documents

# Estimates in bytes, as tracemalloc measured them, rounded up.
_PER_DOCUMENT, _PER_BYTE, _PER_TOKEN = 2_000, 2, 480
_PER_PLAN, _PER_FIELD, _PER_RESOLVER = 4_000, 700, 1_700


class _Entry(NamedTuple):
    prepared: PreparedDocument
    plan_count: int  # when the cost was estimated: operations are compiled at their first use
    cost: int


class DocumentCache:
    """An LRU cache of documents that were used at least twice.

    A flood of new documents evicts nothing, takes no memory, and leaves nothing to the garbage
    collector: of a document that was used once, only a hash is kept.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # by text, the last used last
        self._used_once: OrderedDict[int, None] = OrderedDict()  # hashes of texts, the last last
        self.cost = 0  # the memory of all documents in bytes, estimated

    def get(self, text: str) -> PreparedDocument | None:
        """Return a document, and mark it as the one used last."""
        self._count_new_plans()
        entry = self._entries.get(text)
        if entry is None:
            return None
        self._entries.move_to_end(text)
        return entry.prepared

    def add(self, text: str, prepared: PreparedDocument) -> None:
        """Remember a new document, or keep it if it was used before."""
        if hash(text) in self._used_once:
            self._put(text, prepared)
            return
        self._used_once[hash(text)] = None
        if len(self._used_once) > _MAX_USED_ONCE:
            self._used_once.popitem(last=False)

    def _count_new_plans(self) -> None:
        """Update the cost of the document that was used last, if it was compiled then."""
        if self._entries:
            text = next(reversed(self._entries))
            entry = self._entries[text]
            if len(entry.prepared.plans.compiled) != entry.plan_count:
                self.cost -= self._entries.pop(text).cost
                self._put(text, entry.prepared)

    def _put(self, text: str, prepared: PreparedDocument) -> None:
        plan_count = len(prepared.plans.compiled)
        entry = self._entries[text] = _Entry(prepared, plan_count, _cost(text, prepared))
        self.cost += entry.cost
        while self.cost > self._budget:
            self.cost -= self._entries.popitem(last=False)[1].cost


def _cost(text: str, prepared: PreparedDocument) -> int:
    """Estimate the memory of a document and its plans in bytes."""
    compiled = [plan for plan in prepared.plans.compiled.values() if plan]
    return (
        _PER_DOCUMENT
        + _PER_BYTE * getsizeof(text)
        + _PER_TOKEN * prepared.document.token_count
        + _PER_PLAN * len(compiled)
        + _PER_FIELD * sum(plan.field_count for plan in compiled)
        + _PER_RESOLVER * sum(plan.resolver_count for plan in compiled)
    )
