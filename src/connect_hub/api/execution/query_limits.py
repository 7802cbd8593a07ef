"""Limits on the cost of one operation.

Each part of a document is visited once, fragments too. So the time that this takes is proportional
to the document's length, however deep its fragments are nested.
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

MAX_TOKENS = 500  # of one document
MAX_LINES = 1000  # of one document; each error's location is found by counting lines
MAX_DEPTH = 8  # nested fields
MAX_INTROSPECTION_DEPTH = 16  # nested fields below __schema and __type
MAX_INTROSPECTED = 7000  # fields in the result below __schema and __type
MAX_ALIASES = 15  # and repeated fields; validation compares each pair
MAX_ALIAS = 64  # characters; the response repeats an alias for each object of a list
MAX_REPEATED_LEAVES = 60  # repeated fields without a selection, by fragments; cheap to compare
MAX_LISTED = 200  # rows of all lists together
MAX_LISTED_BESIDE_INTROSPECTION = 20  # plans do not support it, and without one a row costs more
MAX_DIRECTIVES = 20
MAX_FRAGMENTS = 20  # of one document; validation compares each pair
MAX_ERRORS = 5  # in one response

INTROSPECTION_FIELDS = {"__schema", "__type"}
LIST_FIELDS = {"invitedClients": 20, "sessions": 20}  # fields that list rows; rows without `first`
_MAX_PAGE = 100  # rows


@dataclass(slots=True)
class Cost:
    """The cost of a part of an operation."""

    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    alias_length: int = 0
    directives: int = 0
    listed: int = 0
    repeated_leaves: int = 0
    fields: int = 0  # at the top of this part, without __typename
    # How often each response name occurs at the top of this part: of fields with a selection
    # (objects) and without (leaves). A fragment shares its names with the object it is spread on.
    objects: Counter[str] = field(default_factory=Counter)
    leaves: Counter[str] = field(default_factory=Counter)

    def add(self, other: Cost) -> None:
        """Add a sibling or a nested part; response names are separate in each object."""
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.aliases += other.aliases
        self.alias_length = max(self.alias_length, other.alias_length)
        self.directives += other.directives
        self.listed += other.listed
        self.repeated_leaves += other.repeated_leaves

    def add_fragment(self, fragment: Cost) -> None:
        """Add a fragment on the same object, response names included."""
        self.add(fragment)
        self.fields += fragment.fields
        self.objects.update(fragment.objects)
        self.leaves.update(fragment.leaves)

    def count_repetitions(self) -> None:
        """Count repeated response names; called once all fields of an object were added."""
        self.aliases += self.objects.total() - len(self.objects)
        self.repeated_leaves += self.leaves.total() - len(self.leaves)


def check_limits(document: DocumentNode) -> list[GraphQLError]:
    """Return an error for each limit that an operation or an unused fragment exceeds."""
    costs = _Costs(document)
    if len(costs.fragments) > MAX_FRAGMENTS:
        return [GraphQLError(f"A document may have at most {MAX_FRAGMENTS} fragments: split it.")]
    return [
        GraphQLError(message, definition)
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode)
        for message in _messages(definition, costs)
    ]


def _messages(
    definition: OperationDefinitionNode | FragmentDefinitionNode, costs: _Costs
) -> list[str]:
    cost = costs.of_selection(definition.selection_set)
    cost.count_repetitions()
    if isinstance(definition, FragmentDefinitionNode):
        cost.depth = 0  # it may be for introspection: the operations that use it are checked
    elif definition.operation is OperationType.MUTATION and cost.fields > 1:
        return ["A mutation may have one field: send each in its own request."]
    limits = [
        (cost.depth, MAX_DEPTH, "levels of fields"),
        (cost.introspection_depth, MAX_INTROSPECTION_DEPTH, "levels of introspection"),
        (cost.aliases, MAX_ALIASES, "aliases and repeated fields"),
        (cost.alias_length, MAX_ALIAS, "characters in an alias"),
        (cost.repeated_leaves, MAX_REPEATED_LEAVES, "repeated fields in fragments"),
        (cost.listed, MAX_LISTED, "rows in all of its lists"),
        (
            cost.listed if cost.introspection_depth else 0,
            MAX_LISTED_BESIDE_INTROSPECTION,
            "rows in all of its lists beside introspection",
        ),
        (cost.directives + len(definition.directives or ()), MAX_DIRECTIVES, "directives"),
    ]
    return [
        f"An operation may have at most {limit} {what}: split it."
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
        self._of_fragments: dict[str, Cost] = {}

    def of_selection(self, selections: SelectionSetNode) -> Cost:
        """Return the cost of a selection; the caller counts repetitions at its top."""
        cost, plain = Cost(), set()
        for node in selections.selections:
            cost.directives += len(node.directives or ())
            if isinstance(node, FragmentSpreadNode):
                cost.add_fragment(self._of_fragment(node.name.value))
            elif isinstance(node, InlineFragmentNode):
                cost.add_fragment(self.of_selection(node.selection_set))
            elif not isinstance(node, FieldNode):
                raise TypeError(node)
            elif node.alias and len(node.alias.value) > MAX_ALIAS:
                cost.alias_length = len(node.alias.value)
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
        inner = self.of_selection(selections)
        inner.count_repetitions()
        if name in INTROSPECTION_FIELDS:
            inner.introspection_depth, inner.depth = inner.depth + 1, 0
        inner.depth += 1
        inner.aliases += node.alias is not None
        inner.listed += _rows(node) if name in LIST_FIELDS else 0
        cost.add(inner)
        cost.fields += 1
        cost.objects[node.alias.value if node.alias else name] += 1

    def _of_fragment(self, name: str) -> Cost:
        if name not in self._of_fragments:
            self._of_fragments[name] = Cost()  # if the fragment spreads itself, which is invalid
            if name in self.fragments:
                self._of_fragments[name] = self.of_selection(self.fragments[name])
        return self._of_fragments[name]


def _add_leaf(cost: Cost, node: FieldNode, response_name: str) -> None:
    cost.depth = max(cost.depth, 1)
    cost.fields += node.name.value != "__typename"
    cost.leaves[response_name] += 1


def _rows(node: FieldNode) -> int:
    """Return how many rows a field may list; a whole page if `first` is a variable."""
    for argument in node.arguments or ():
        if argument.name.value == "first":
            value = argument.value
            digits = value.value if isinstance(value, IntValueNode) else ""
            is_short = digits.isdigit() and len(digits) <= len(str(_MAX_PAGE))
            return min(int(digits), _MAX_PAGE) if is_short else _MAX_PAGE
    return LIST_FIELDS[node.name.value]
