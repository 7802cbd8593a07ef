"""What one operation may cost.

Costs are summed up through fragments, each counted once: the time it takes grows with the length of
the document, however its fragments are nested.
"""

from __future__ import annotations

from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
)

MAX_TOKENS = 500  # in one document
MAX_DEPTH = 8  # fields below each other
MAX_INTROSPECTION_DEPTH = 16  # the same below __schema and __type
MAX_INTROSPECTIONS = 1  # __schema or __type, nothing in it twice: the answer is long
MAX_ALIASES = 15  # and fields repeated beside each other
MAX_DIRECTIVES = 20
MAX_FRAGMENTS = 20  # in one document; validation compares each with each
MAX_ERRORS = 5  # told at once


class Cost(NamedTuple):
    """What a part of an operation costs."""

    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    directives: int = 0
    introspections: int = 0
    fields: int = 0  # at the top of this part, besides __typename

    def beside(self, other: Cost) -> Cost:
        """Add up two parts on one level."""
        return Cost(
            max(self.depth, other.depth),
            max(self.introspection_depth, other.introspection_depth),
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.introspections + other.introspections,
            self.fields + other.fields,
        )


def exceeded(document: DocumentNode) -> list[GraphQLError]:
    """Tell which limits a document and its operations exceed."""
    costs = _Costs(document)
    if len(costs.fragments) > MAX_FRAGMENTS:
        return [GraphQLError(f"A document takes {MAX_FRAGMENTS} fragments at most: split it up.")]
    return [
        GraphQLError(message, operation)
        for operation in document.definitions
        if isinstance(operation, OperationDefinitionNode)
        for message in _messages(operation, costs)
    ]


def _messages(operation: OperationDefinitionNode, costs: _Costs) -> list[str]:
    cost = costs.of(operation.selection_set)
    if operation.operation is OperationType.MUTATION and cost.fields > 1:
        return ["A mutation takes one field: send each in a request of its own."]
    limits = [
        (cost.depth, MAX_DEPTH, "levels of fields"),
        (cost.introspection_depth, MAX_INTROSPECTION_DEPTH, "levels of introspection"),
        (
            cost.introspections,
            MAX_INTROSPECTIONS,
            "field `__schema` or `__type`, without aliases,",
        ),
        (cost.aliases, MAX_ALIASES, "aliases and repeated fields"),
        (cost.directives + len(operation.directives or ()), MAX_DIRECTIVES, "directives"),
    ]
    return [
        f"An operation takes {limit} {what} at most: split it up."
        for value, limit, what in limits
        if value > limit
    ]


class _Costs:
    """The costs of one document's parts; each fragment is looked at once."""

    def __init__(self, document: DocumentNode) -> None:
        self.fragments = {
            definition.name.value: definition.selection_set
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._known: dict[str, Cost] = {}

    def of(self, selections: SelectionSetNode | None) -> Cost:
        nodes = selections.selections if selections else ()
        plain = [n.name.value for n in nodes if isinstance(n, FieldNode) and not n.alias]
        cost = Cost(
            aliases=len(plain) - len(set(plain)),
            directives=sum(len(node.directives or ()) for node in nodes),
        )
        for node in nodes:
            cost = cost.beside(self._of_selection(node))
        return cost

    def _of_selection(self, node: SelectionNode) -> Cost:
        if isinstance(node, FieldNode):
            return self._of_field(node)
        if isinstance(node, InlineFragmentNode):
            return self.of(node.selection_set)
        assert isinstance(node, FragmentSpreadNode)  # noqa: S101 (there is no fourth)
        return self._of_fragment(node.name.value)

    def _of_field(self, node: FieldNode) -> Cost:
        inner = self.of(node.selection_set)
        introspects = node.name.value in {"__schema", "__type"}
        return Cost(
            depth=1 if introspects else inner.depth + 1,
            introspection_depth=inner.depth + 1 if introspects else inner.introspection_depth,
            aliases=inner.aliases + (node.alias is not None),
            directives=inner.directives,
            introspections=inner.introspections + introspects * (1 + inner.aliases),
            fields=int(node.name.value != "__typename"),
        )

    def _of_fragment(self, name: str) -> Cost:
        if name not in self._known:
            self._known[name] = Cost()  # of a fragment within itself, which validation refuses
            self._known[name] = self.of(self.fragments.get(name))
        return self._known[name]
