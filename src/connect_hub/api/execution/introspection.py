"""Execution of introspection, at a cost that is small and limited.

graphql-core takes 6 µs for each field below `__schema`, and GraphiQL asks for thousands of them.
Their resolvers do not wait, and their types are neither unions nor interfaces. So a selection is
collected once, by graphql-core's own functions, and is then read from each value in 0.8 µs a field.
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
    """All introspection of one operation."""

    def __init__(self, executor: Executor[Any]) -> None:
        self._executor = executor
        self._left = MAX_INTROSPECTED  # fields
        self._known: dict[int, list[tuple[str, Read]]] = {}  # by the identity of what is selected

    def answer(self, type_: GraphQLObjectType, details: Details, value: Any) -> dict[str, Any]:
        """Answer what is selected of an object of the schema.

        Raises:
            GraphQLError: the operation asks for too many fields in all.
        """
        fields = self._known.get(id(details))
        if fields is None:
            fields = self._known[id(details)] = self._fields(type_, details)
        self._left -= len(fields)
        if self._left < 0:
            raise GraphQLError(
                f"An operation takes {MAX_INTROSPECTED} fields of introspection in its answer at"
                " most: ask for less.",
                extensions={"code": "GRAPHQL_VALIDATION_FAILED"},
            )
        return {key: read(value) for key, read in fields}

    def _fields(self, type_: GraphQLObjectType, details: Details) -> list[tuple[str, Read]]:
        collected = self._executor.collect_subfields(type_, details)
        return [
            (key, self._reading(type_, inner, key))
            for key, inner in collected.grouped_field_set.items()
        ]

    def _reading(self, parent: GraphQLObjectType, details: Details, key: str) -> Read:
        use, node = self._executor, details[0].node
        field = use.schema.get_field(parent, node.name.value)
        assert field is not None  # noqa: S101 (the document is valid)
        resolve: Any = field.resolve
        complete = self._completing(field.type, details)
        arguments = get_argument_values(field, node, use.variable_values)
        nodes = [detail.node for detail in details]
        info = use.build_resolve_info(field, nodes, parent, Path(None, key, parent.name))
        return lambda source: complete(resolve(source, info, **arguments))

    def _completing(self, type_: GraphQLOutputType, details: Details) -> Read:
        if is_non_null_type(type_):  # which is so in a valid schema
            return self._completing(type_.of_type, details)
        if is_list_type(type_):
            item = self._completing(type_.of_type, details)
            return lambda value: value if value is None else [item(one) for one in value]
        if is_object_type(type_):
            return lambda value: value if value is None else self.answer(type_, details, value)
        serialise: Any = type_.coerce_output_value  # type: ignore[union-attr] # a leaf
        return lambda value: value if value is None else serialise(value)
