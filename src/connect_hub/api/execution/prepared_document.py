"""A valid document, and what was found out about it."""

from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from connect_hub.api.execution.executor import Plans


@dataclass(frozen=True)
class Prepared:
    """A document that may be executed, and what was compiled of it."""

    document: DocumentNode
    plans: Plans = field(default_factory=dict)
    _fields: dict[str | None, str] = field(default_factory=dict)

    def field_of(self, operation: OperationDefinitionNode) -> str:
        """Tell the first field that an operation asks for, by its name in the schema."""
        name = operation.name.value if operation.name else None
        if name not in self._fields:
            fragments = {
                node.name.value: node.selection_set
                for node in self.document.definitions
                if isinstance(node, FragmentDefinitionNode)
            }
            self._fields[name] = _first_field(operation.selection_set, fragments) or "none"
        return self._fields[name]


def _first_field(selected: SelectionSetNode, unvisited: dict[str, SelectionSetNode]) -> str | None:
    for node in selected.selections:  # there may be none
        match node:
            case FieldNode():
                return node.name.value
            case FragmentSpreadNode():
                inner = unvisited.pop(node.name.value, None)
            case InlineFragmentNode():
                inner = node.selection_set
        if inner and (found := _first_field(inner, unvisited)):
            return found
    return None
