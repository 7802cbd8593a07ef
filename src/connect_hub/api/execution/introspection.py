"""Execution of introspection at a small and limited cost.

graphql-core needs 6 µs for each field below `__schema`, and GraphiQL selects thousands. Their
resolvers are synchronous, and their types are neither unions nor interfaces. So graphql-core's own
functions collect each selection once, and then each value takes 0.8 µs per field.
"""

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLObjectType,
    GraphQLOutputType,
    get_argument_values,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path

from connect_hub.api.execution.query_limits import MAX_INTROSPECTED

Details = list[FieldDetails]
Read = Callable[[Any], Any]


class Introspection:
    """The introspection of one operation."""

    def __init__(self, executor: Executor[Any]) -> None:
        self._executor = executor
        self._remaining = MAX_INTROSPECTED  # fields
        self._selections: dict[int, list[tuple[str, Read]]] = {}  # by the identity of the details

    def complete(self, type_: GraphQLObjectType, details: Details, value: Any) -> dict[str, Any]:
        """Read the selected fields of a part of the schema.

        Raises:
            GraphQLError: the result has too many fields.
        """
        fields = self._selections.get(id(details))
        if fields is None:
            fields = self._selections[id(details)] = self._fields(type_, details)
        self._remaining -= len(fields)
        if self._remaining < 0:
            raise GraphQLError(
                f"An operation may return at most {MAX_INTROSPECTED} fields of introspection:"
                " select fewer.",
                extensions={"code": "GRAPHQL_VALIDATION_FAILED"},
            )
        return {key: read(value) for key, read in fields}

    def _fields(self, type_: GraphQLObjectType, details: Details) -> list[tuple[str, Read]]:
        collected = self._executor.collect_subfields(type_, details)
        return [
            (key, self._field(type_, inner, key))
            for key, inner in collected.grouped_field_set.items()
        ]

    def _field(self, parent: GraphQLObjectType, details: Details, key: str) -> Read:
        executor, node = self._executor, details[0].node
        field = executor.schema.get_field(parent, node.name.value)
        assert field is not None  # noqa: S101 (the document is valid)
        resolve: Any = field.resolve
        complete = self._output(field.type, details)
        arguments = get_argument_values(field, node, executor.variable_values)
        nodes = [detail.node for detail in details]
        info = executor.build_resolve_info(field, nodes, parent, Path(None, key, parent.name))
        return lambda source: complete(resolve(source, info, **arguments))

    def _output(self, type_: GraphQLOutputType, details: Details) -> Read:
        if is_non_null_type(type_):  # a valid schema has no null there
            return self._output(type_.of_type, details)
        if is_list_type(type_):
            item = self._output(type_.of_type, details)
            return lambda value: value if value is None else [item(one) for one in value]
        if is_object_type(type_):
            return lambda value: value if value is None else self.complete(type_, details, value)
        serialise: Any = type_.coerce_output_value  # type: ignore[union-attr] # a leaf
        return lambda value: value if value is None else serialise(value)
