"""A valid document with its plans."""

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
class PreparedDocument:
    """A document that is parsed, within the limits and valid."""

    document: DocumentNode
    plans: Plans = field(default_factory=Plans)
    _first_fields: dict[str | None, str] = field(default_factory=dict)  # by operation name

    def first_field(self, operation: OperationDefinitionNode) -> str:
        """Return the schema's name of the first field in an operation."""
        name = operation.name.value if operation.name else None
        if name not in self._first_fields:
            fragments = {
                node.name.value: node.selection_set
                for node in self.document.definitions
                if isinstance(node, FragmentDefinitionNode)
            }
            self._first_fields[name] = _first_field(operation.selection_set, fragments) or "none"
        return self._first_fields[name]


def _first_field(selection: SelectionSetNode, unvisited: dict[str, SelectionSetNode]) -> str | None:
    for node in selection.selections:
        match node:
            case FieldNode():
                return node.name.value
            case FragmentSpreadNode():
                inner = unvisited.pop(node.name.value, None)
            case InlineFragmentNode():
                inner = node.selection_set
        if inner and (found := _first_field(inner, unvisited)):
            return found
    return None  # fragments that spread each other only
