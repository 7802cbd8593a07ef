"""Rules that cannot apply are left out; the full set of rules must find the same errors."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    NoSchemaIntrospectionCustomRule,
    parse,
    specified_rules,
    validate,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from connect_hub.api.execution.query_limits import MAX_ERRORS
from connect_hub.api.execution.validation import INCREMENTAL_RULES, Validator
from connect_hub.api.schema import schema
from connect_hub.api.strawberry_internals import core_schema

SCHEMA = core_schema(schema)
SPECIFIED = [rule for rule in specified_rules if rule not in INCREMENTAL_RULES]
RULES = [*SPECIFIED, NoSchemaIntrospectionCustomRule]
EXAMPLES = 600

# For each rule that may be left out, a document in which that rule finds an error.
VIOLATIONS = {
    "FragmentsOnCompositeTypesRule": "{ me { ...on ID { id } } }",
    "KnownArgumentNamesRule": "{ me { sessions(first: 1) { id } } }",
    "KnownDirectivesRule": "{ me @nothing { id } }",
    "KnownFragmentNamesRule": "{ me { ...F } }",
    "MaxIntrospectionDepthRule": "{ __schema { types { "
    + "fields { type { " * 3 + "name" + " } }" * 3 + " } } }",
    "NoFragmentCyclesRule": "{ me { ...F } } fragment F on Client { ...F }",
    "NoSchemaIntrospectionCustomRule": "{ __schema { description } }",
    "NoUndefinedVariablesRule": "{ me { invitedClients(first: $n) { totalCount } } }",
    "NoUnusedFragmentsRule": "{ me { id } } fragment F on Client { id }",
    "NoUnusedVariablesRule": "query ($n: Int) { me { id } }",
    "PossibleFragmentSpreadsRule": "{ me { ...on Session { id } } }",
    "SingleFieldSubscriptionsRule": "subscription { clientInvited { id } a: clientInvited { id } }",
    "UniqueArgumentNamesRule": "{ me { invitedClients(first: 1, first: 2) { totalCount } } }",
    "UniqueDirectivesPerLocationRule": "{ me @skip(if: true) @skip(if: true) { id } }",
    "UniqueFragmentNamesRule": "{ me { ...F } } " + "fragment F on Client { id } " * 2,
    "UniqueInputFieldNamesRule": "{ me { invitedClients(first: {a: 1, a: 1}) { totalCount } } }",
    "UniqueVariableNamesRule": "query ($n: Int, $n: Int) { me { id @skip(if: $n) } }",
    "ValuesOfCorrectTypeRule": '{ me { invitedClients(first: "1") { totalCount } } }',
    "VariablesAreInputTypesRule": "query ($c: Client) { me { id } }",
    "VariablesInAllowedPositionRule": "query ($s: String) { me { id @skip(if: $s) } }",
}  # fmt: skip


def _errors(text: str, *, introspection: bool) -> tuple[list[Any], list[Any]]:
    """Return what our validation and the full set of rules find; suggestions may differ."""
    document = parse(text)
    rules = SPECIFIED if introspection else RULES
    ours = Validator(SCHEMA, introspection=introspection).validate(document, text)
    full = validate(SCHEMA, document, rules, max_errors=MAX_ERRORS)
    left, right = (
        [(error.message.partition(" Did you mean")[0], error.locations) for error in errors]
        for errors in (ours, full)
    )
    return left, right


@pytest.mark.parametrize("rule", VIOLATIONS)
def test_each_rule_is_applied_to_a_document_that_violates_it(rule: str) -> None:
    text = VIOLATIONS[rule]
    assert validate(SCHEMA, parse(text), [each for each in RULES if each.__name__ == rule])
    ours, full = _errors(text, introspection=False)
    assert ours == full


@pytest.mark.parametrize("name", ["defer", "stream"])
@pytest.mark.parametrize(
    "text",
    [
        "{ me { id @%s } }",
        "{ me { invitedClients { nodes @%s { id } } } }",
        "query ($l: String) { me { ... @%s(label: $l) { id } } }",
        "mutation { ... @%s { renewInvitationCode { __typename } } }",
        "mutation { renewInvitationCode { __typename @%s } }",
        "mutation { renewInvitationCode { ... on UserError { __typename @%s message } } }",
        "subscription { clientInvited { ... @%s { id } } }",
        "subscription { clientInvited @%s { id } }",
        "{ __schema { types { name @%s } } }",
        "{ __typename @%s }",
        "query @%s { __typename }",
    ],
)
def test_defer_and_stream_are_unknown_wherever_they_stand(text: str, name: str) -> None:
    text = text % name
    errors = Validator(SCHEMA, introspection=True).validate(parse(text), text)
    assert f"Unknown directive '@{name}'." in {error.message for error in errors}


NAMES = ["me", "id", "phone", "invitedClients", "nodes", "clientInvited", "nothing", "__typename"]
TYPES = ["Client", "Query", "Subscription", "InvitedClient", "ID", "Nothing", "__Type"]
DIRECTIVES = [
    *("", "", "", "@skip(if: true)", "@include(if: $a)", "@skip(if: 1)", "@nothing", "@defer"),
    *("@skip(if: true) @skip(if: true)", "@stream(initialCount: 0)", "@include"),
]
VALUES = ["1", "$a", "$b", '"$ @ ... (fragment"', "{a: 1, a: $b}", "[1]", "null", "true", "A"]
VARIABLES = ["$a: Boolean!", "$b: Int = 20", "$b: Client", "$a: Nothing", "$a: Boolean = 1"]


def _argument(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(["first", "first", "after", "id", "nothing"]))
    return f"{name}: {draw(st.sampled_from(VALUES))}"


def _arguments(draw: st.DrawFn) -> str:
    count = draw(st.sampled_from([0, 0, 0, 0, 1, 1, 2]))
    return f"({', '.join(_argument(draw) for _ in range(count))})" if count else ""


def _part(draw: st.DrawFn, depth: int) -> str:
    kind = draw(st.sampled_from(["field"] * 6 + ["inline", "spread", "introspection"]))
    directive = draw(st.sampled_from(DIRECTIVES))
    if kind == "spread":
        return f"...{draw(st.sampled_from('FG'))} {directive}"
    if kind == "introspection":
        return '__type(name: "Query") { fields { type { fields { args { name } } } } }'
    if kind == "inline":
        on = draw(st.sampled_from(["", *(f"on {type_}" for type_ in TYPES)]))
        return f"... {on} {directive} {_selection(draw, depth - 1)}"
    alias = draw(st.sampled_from(["", "", "", "a: "]))
    below = _selection(draw, depth - 1) if depth and draw(st.booleans()) else ""
    return f"{alias}{draw(st.sampled_from(NAMES))}{_arguments(draw)} {directive} {below}"


def _selection(draw: st.DrawFn, depth: int) -> str:
    parts = range(draw(st.integers(1, 3)))
    return "{ " + " ".join(_part(draw, max(0, depth)) for _ in parts) + " }"


def _valid_document(draw: st.DrawFn) -> str:
    first = draw(st.sampled_from(["", "(first: 5)", "(first: $b)"]))
    directive = draw(st.sampled_from(["", "", "@skip(if: false)", "@include(if: $a)"]))
    fields = draw(st.lists(st.sampled_from(["id", "phone", "...F", "a: phone"]), max_size=4))
    below = f"{' '.join(fields)} invitedClients{first} {directive} {{ nodes {{ id }} }}"
    declared = _declared([variable for variable in VARIABLES[:2] if variable[:2] in below])
    fragment = "fragment F on Client { id }" if "...F" in below else ""
    return f"query A{declared} {{ me {{ {below} }} }} {fragment}"


def _operation(draw: st.DrawFn) -> str:
    keyword = draw(st.sampled_from(["query", "query", "subscription", "mutation"]))
    name = draw(st.sampled_from(["", "A", "A", "B"]))
    variables = draw(st.lists(st.sampled_from(VARIABLES), max_size=2))
    return f"{keyword} {name}{_declared(variables)} {_selection(draw, 2)}"


def _declared(variables: list[str]) -> str:
    return f"({', '.join(variables)})" if variables else ""


def _fragment(draw: st.DrawFn) -> str:
    on = draw(st.sampled_from(["Client", "Client", *TYPES]))
    inner = draw(st.sampled_from(["{ id }", _selection(draw, 1)]))
    return f"fragment {draw(st.sampled_from('FG'))} on {on} {inner}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Draw a document, valid or not, with and without variables, directives and fragments."""
    if draw(st.booleans()):
        return _valid_document(draw)
    operations = [_operation(draw) for _ in range(draw(st.sampled_from([1, 1, 1, 2])))]
    fragments = [_fragment(draw) for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2])))]
    type_ = draw(st.sampled_from([""] * 9 + ["input A { b: Nothing = {c: 1, c: 2} }"]))
    return " ".join([*operations, *fragments, type_])


MARKS = ("$", "@", "...", "(")
COMPARED: Counter[tuple[str, bool, bool]] = Counter()  # with and without a mark, valid or not


@pytest.fixture
def _all_kinds() -> Iterator[None]:
    """Look whether the drawn documents were of all kinds."""
    yield
    assert len(COMPARED) == 4 * len(MARKS)
    assert min(COMPARED.values()) > EXAMPLES / 50


@pytest.mark.usefixtures("_all_kinds")
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(text=documents(), introspection=st.booleans())
def test_errors_equal_those_of_the_full_set_of_rules(text: str, introspection: bool) -> None:
    ours, full = _errors(text, introspection=introspection)
    assert ours == full
    COMPARED.update((mark, mark in text, not ours) for mark in MARKS)
