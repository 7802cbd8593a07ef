"""What one operation may cost."""

from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValidationRule,
)


class OneMutationRule(ValidationRule):
    """A mutation takes one field besides `__typename`: a request is counted as one attempt."""

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        """Count the fields, through fragments."""
        if node.operation is not OperationType.MUTATION:
            return
        fields = self._fields(node.selection_set, set())
        if len(fields) > 1:
            message = "A mutation takes one field: send each in a request of its own."
            self.report_error(GraphQLError(message, fields[1:]))

    def _fields(self, selections: SelectionSetNode, seen: set[str]) -> list[FieldNode]:
        fields: list[FieldNode] = []
        for node in selections.selections:
            if isinstance(node, FieldNode):
                fields += [node] if node.name.value != "__typename" else []
            elif isinstance(node, InlineFragmentNode):
                fields += self._fields(node.selection_set, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                if fragment := self.context.get_fragment(node.name.value):
                    fields += self._fields(fragment.selection_set, seen)
        return fields
