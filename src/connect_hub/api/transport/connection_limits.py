"""How many of something there are at once."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class Places:
    """Counts what is taken, for as long as it is."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[Hashable] = Counter()

    def are_left(self, whose: Hashable) -> bool:
        """Tell whether somebody may take one more."""
        return self._taken[whose] < self._most

    @contextmanager
    def taken(self, whose: Hashable) -> Iterator[None]:
        """Take one, as long as this lasts."""
        self._taken[whose] += 1
        try:
            yield
        finally:
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]
