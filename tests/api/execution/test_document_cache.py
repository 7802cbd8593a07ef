"""The memory of cached documents and plans: the estimates, and what Python allocates."""

import gc
import tracemalloc
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from graphql import Node, Token

from connect_hub.api import execution
from connect_hub.api.execution.document_cache import BUDGET, DocumentCache
from connect_hub.api.execution.documents import Documents
from connect_hub.api.execution.prepared_document import PreparedDocument
from connect_hub.api.schema import schema
from connect_hub.api.strawberry_internals import core_schema
from tests.attacks.memory import long, padded_wide, small

SCHEMA = core_schema(schema)
ORDINARY = """
    me {
        id phone invitationCode someoneInvitationCode createdAt
        invitedClients(first: 20) {
            totalCount
            nodes { id phone invitedAt }
            pageInfo { hasNextPage endCursor }
        }
    }
"""


@pytest.fixture
def documents() -> Documents:
    return Documents(SCHEMA, introspection=True)


def _ask(
    documents: Documents, text: str, name: str | None = None, variables: Any = None
) -> PreparedDocument:
    prepared = documents.prepare(text)
    execution.build_executor(
        SCHEMA,
        prepared.document,
        prepared.plans,
        operation_name=name,
        raw_variable_values=variables,
    )
    return prepared


def _of_operations(number: int) -> str:
    return "".join(f"query Q{n} {{ me {{ id a{number}: phone }} }} " for n in range(40))


@pytest.fixture
def _allocated() -> Iterator[None]:
    """Check that a test allocates no more memory than the budget."""
    gc.collect()
    tracemalloc.start()
    yield
    gc.collect()
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert allocated < 1.1 * BUDGET


@pytest.mark.usefixtures("_allocated")
def test_long_documents_and_their_plans_fit_into_the_budget(documents: Documents) -> None:
    for number in range(150):
        for _ in range(2):
            _ask(documents, long(number))
    assert BUDGET / 2 < documents.cache.cost <= BUDGET


@pytest.mark.usefixtures("_allocated")
def test_plans_of_cached_documents_count_towards_the_budget(documents: Documents) -> None:
    texts = [_of_operations(number) for number in range(50)]
    for text in texts * 2:
        _ask(documents, text, "Q0")
    for text, number in product(texts, range(40)):
        _ask(documents, text, f"Q{number}")
    assert BUDGET / 2 < documents.cache.cost <= BUDGET


@pytest.mark.usefixtures("_allocated")
def test_wide_characters_count_by_their_bytes(documents: Documents) -> None:
    for number in range(300):
        for _ in range(2):
            _ask(documents, padded_wide(small(number)))
    assert BUDGET / 2 < documents.cache.cost <= BUDGET


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (long(0), {}),
        ("{ __schema { types { name } } } # and a comment", {}),
        (
            "query ($c: Boolean!) { me { ...F } } fragment F on Client { id @include(if: $c) }",
            {"c": True},
        ),
        (
            'mutation { login(phone: "1", code: "2") { ... on SignedIn { client { id } } } }',
            {},
        ),
        ("subscription { clientInvited { id } }", {}),
    ],
)
def test_evicted_documents_are_freed_without_garbage_collection(
    documents: Documents, text: str, variables: dict[str, Any]
) -> None:
    gc.collect()
    before = _count_alive()
    for number in range(10):
        for _ in range(2):
            _ask(documents, f"{text}#{number}", variables=variables)
    gc.collect()  # cycles that validation left
    assert _count_alive() > before
    gc.disable()
    try:
        documents.cache = DocumentCache()
        assert _count_alive() == before
    finally:
        gc.enable()


def _count_alive() -> int:
    return sum(isinstance(each, (Node, Token)) for each in gc.get_objects())


def test_plans_for_values_of_conditions_are_limited(documents: Documents) -> None:
    names = [f"c{n}" for n in range(8)]
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    fields = "".join(f"{name}: __typename @include(if: ${name}) " for name in names)
    for values in product([True, False], repeat=8):
        text = f"query ({declared}) {{ {fields} }}"
        prepared = _ask(documents, text, variables=dict(zip(names, values, strict=True)))
    assert len(prepared.plans.compiled) == 16


def test_new_documents_do_not_evict_documents_that_were_used_again(documents: Documents) -> None:
    known = [f"query Known{n} {{ me {{ id }} }}" for n in range(50)]
    kept = [_ask(documents, text) for text in known for _ in range(2)][1::2]
    for number in range(150):
        _ask(documents, long(number))
    assert all(documents.prepare(text) is one for text, one in zip(known, kept, strict=True))


def test_a_hundred_ordinary_operations_stay_in_the_cache_under_attack(
    documents: Documents,
) -> None:
    texts = [f"query Q{n} {{ {ORDINARY} }}" for n in range(100)]
    ordinary = [_ask(documents, text) for text in texts for _ in range(2)][1::2]
    for number in range(300):
        _ask(documents, long(number))
    assert all(documents.prepare(text) is one for text, one in zip(texts, ordinary, strict=True))


def test_documents_that_are_used_once_take_no_memory(documents: Documents) -> None:
    for number in range(50):
        _ask(documents, long(number))
    assert documents.cache.cost == 0


def test_unused_documents_are_evicted(documents: Documents) -> None:
    old = [_ask(documents, long(0)) for _ in range(2)][1]
    for number in range(1, 200):
        for _ in range(2):
            _ask(documents, long(number))
    assert _ask(documents, long(0)) is not old
    assert documents.prepare(long(199)) is documents.prepare(long(199))
