"""What one operation may cost.

Each part of a document is looked at once, fragments too: the time this takes grows with the length
of the document, however its fragments are nested.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

MAX_TOKENS = 500  # in one document
MAX_LINES = 1000  # in one document; the place of each error is found by reading them
MAX_DEPTH = 8  # fields below each other
MAX_INTROSPECTION_DEPTH = 16  # the same below __schema and __type
MAX_INTROSPECTED = 6000  # fields in the answer below __schema and __type
MAX_ALIASES = 15  # and repeated fields; validation compares each with each
MAX_REPEATED_LEAVES = 60  # of fields without a selection, by fragments; they are compared sooner
MAX_LISTED = 200  # rows of all lists together
MAX_DIRECTIVES = 20
MAX_FRAGMENTS = 20  # in one document; validation compares each with each
MAX_ERRORS = 5  # told at once

INTROSPECTION = {"__schema", "__type"}
LISTS = {"invitedClients": 20, "sessions": 20}  # fields that list rows, and how many if not said
_MAX_PAGE = 100  # rows


@dataclass(slots=True)
class Cost:
    """What a part of an operation costs."""

    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    directives: int = 0
    listed: int = 0
    repeated_leaves: int = 0
    fields: int = 0  # at the top of this part, besides __typename
    # Also at the top, which fragments share with the object that they are spread on: how often a
    # response name occurs, of fields with a selection of their own and of those without.
    objects: Counter[str] = field(default_factory=Counter)
    leaves: Counter[str] = field(default_factory=Counter)

    def add(self, other: Cost) -> None:
        """Add what lies beside this part, or below it; names are no part of what lies below."""
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.aliases += other.aliases
        self.directives += other.directives
        self.listed += other.listed
        self.repeated_leaves += other.repeated_leaves

    def spread(self, fragment: Cost) -> None:
        """Add a fragment on the same object."""
        self.add(fragment)
        self.fields += fragment.fields
        self.objects.update(fragment.objects)
        self.leaves.update(fragment.leaves)

    def close(self) -> None:
        """Count names that occur again, once all of an object is known."""
        self.aliases += self.objects.total() - len(self.objects)
        self.repeated_leaves += self.leaves.total() - len(self.leaves)


def exceeded(document: DocumentNode) -> list[GraphQLError]:
    """Tell which limits a document exceeds, by an operation or by a fragment that none uses."""
    costs = _Costs(document)
    if len(costs.fragments) > MAX_FRAGMENTS:
        return [GraphQLError(f"A document takes {MAX_FRAGMENTS} fragments at most: split it up.")]
    return [
        GraphQLError(message, definition)
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode)
        for message in _messages(definition, costs)
    ]


def _messages(
    definition: OperationDefinitionNode | FragmentDefinitionNode, costs: _Costs
) -> list[str]:
    cost = costs.of(definition.selection_set)
    cost.close()
    if isinstance(definition, FragmentDefinitionNode):
        cost.depth = 0  # it may be one of introspection; operations that use it say
    elif definition.operation is OperationType.MUTATION and cost.fields > 1:
        return ["A mutation takes one field: send each in a request of its own."]
    limits = [
        (cost.depth, MAX_DEPTH, "levels of fields"),
        (cost.introspection_depth, MAX_INTROSPECTION_DEPTH, "levels of introspection"),
        (cost.aliases, MAX_ALIASES, "aliases and repeated fields"),
        (cost.repeated_leaves, MAX_REPEATED_LEAVES, "repeated fields in fragments"),
        (cost.listed, MAX_LISTED, "rows in all of its lists"),
        (cost.directives + len(definition.directives or ()), MAX_DIRECTIVES, "directives"),
    ]
    return [
        f"An operation takes {limit} {what} at most: split it up."
        for value, limit, what in limits
        if value > limit
    ]


class _Costs:
    """The costs of one document's parts."""

    def __init__(self, document: DocumentNode) -> None:
        self.fragments = {
            definition.name.value: definition.selection_set
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._known: dict[str, Cost] = {}

    def of(self, selections: SelectionSetNode) -> Cost:
        """Sum up a selection; the names at its top are still open."""
        cost, plain = Cost(), set()
        for node in selections.selections:
            cost.directives += len(node.directives or ())
            if isinstance(node, FragmentSpreadNode):
                cost.spread(self._of_fragment(node.name.value))
            elif isinstance(node, InlineFragmentNode):
                cost.spread(self.of(node.selection_set))
            elif not isinstance(node, FieldNode):
                raise TypeError(node)  # there is no fourth
            elif node.selection_set:
                self._add_object(cost, node, node.selection_set)
            elif node.alias:
                cost.aliases += 1
                _add_leaf(cost, node, node.alias.value)
            elif node.name.value in plain:
                cost.aliases += 1
            else:
                plain.add(node.name.value)
                _add_leaf(cost, node, node.name.value)
        return cost

    def _add_object(self, cost: Cost, node: FieldNode, selections: SelectionSetNode) -> None:
        name = node.name.value
        inner = self.of(selections)
        inner.close()
        if name in INTROSPECTION:
            inner.introspection_depth, inner.depth = inner.depth + 1, 0
        inner.depth += 1
        inner.aliases += node.alias is not None
        inner.listed += _rows(node) if name in LISTS else 0
        cost.add(inner)
        cost.fields += 1
        cost.objects[node.alias.value if node.alias else name] += 1

    def _of_fragment(self, name: str) -> Cost:
        if name not in self._known:
            self._known[name] = Cost()  # of a fragment within itself, which validation refuses
            if name in self.fragments:
                self._known[name] = self.of(self.fragments[name])
        return self._known[name]


def _add_leaf(cost: Cost, node: FieldNode, response_name: str) -> None:
    cost.depth = max(cost.depth, 1)
    cost.fields += node.name.value != "__typename"
    cost.leaves[response_name] += 1


def _rows(node: FieldNode) -> int:
    """Tell how many rows a field may list; the most of any where a variable says how many."""
    for argument in node.arguments or ():
        if argument.name.value == "first":
            value = argument.value
            said = value.value if isinstance(value, IntValueNode) else ""
            is_short = said.isdigit() and len(said) <= len(str(_MAX_PAGE))
            return min(int(said), _MAX_PAGE) if is_short else _MAX_PAGE
    return LISTS[node.name.value]
