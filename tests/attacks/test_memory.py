"""Memory of a served process under documents that are all different."""

from pathlib import Path

from tests.attacks.memory import grown
from tests.support.processes import serving

LIMIT = 20.0  # MB


def test_documents_that_differ_take_a_bounded_amount_of_memory(folder: Path) -> None:
    with serving(folder) as server:
        sizes = dict(grown(server, 200))
    assert max(sizes.values()) < LIMIT, sizes
