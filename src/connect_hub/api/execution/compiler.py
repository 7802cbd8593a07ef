"""Compiles operations into plans."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from graphql import (
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
    OperationDefinitionNode,
    OperationType,
    is_leaf_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails, collect_fields, collect_subfields
from graphql.pyutils import Path

from connect_hub.api.execution import plans
from connect_hub.api.execution.plans import Plan
from connect_hub.api.execution.resolvers import (
    ResolverField,
    argument_coercion,
    resolver_plan,
    supported_resolver,
)
from connect_hub.api.strawberry_internals import class_of, definition_of, exception_handlers

Details = list[FieldDetails]
_IN_LIST = Path(None, "", None)  # stands for all paths below a list


class UnsupportedError(Exception):
    """Plans do not support a part of this operation."""


class CompiledOperation(NamedTuple):
    """An operation and its plan."""

    operation: OperationDefinitionNode
    plan: Plan
    field_count: int
    resolver_count: int


class Compiler:
    """Compiles one operation: the one that a graphql-core executor was built for."""

    def __init__(self, executor: Executor[Any]) -> None:
        self._executor = executor
        self._field_count = 0
        self._resolver_fields: list[ResolverField] = []

    def compile(self) -> CompiledOperation | None:
        """Compile the operation; None if plans do not support it."""
        try:
            plan = self._operation()
        except (UnsupportedError, GraphQLError):  # graphql-core reports the error at its path
            return None
        return CompiledOperation(
            self._executor.operation, plan, self._field_count, len(self._resolver_fields)
        )

    def _operation(self) -> Plan:
        executor = self._executor
        root = executor.schema.get_root_type(executor.operation.operation)
        if root is None or executor.operation.operation is OperationType.SUBSCRIPTION:
            raise UnsupportedError
        collected = collect_fields(
            executor.schema, executor.fragments, executor.variable_values, root, executor.operation
        )
        fields = self._fields(root, collected.grouped_field_set, None)
        return plans.selection(fields, kind=type(None))  # the root value is None

    def _fields(
        self, parent: GraphQLObjectType, grouped: Mapping[str, Details], path: Path | None
    ) -> dict[str, Plan]:
        return {
            key: self._field(parent, details, _child_path(path, key, parent))
            for key, details in grouped.items()
        }

    def _field(self, parent: GraphQLObjectType, details: Details, path: Path) -> Plan:
        self._field_count += 1
        name = details[0].node.name.value
        if name == "__typename":
            return plans.constant(parent.name)
        field = parent.fields.get(name)
        definition = field and definition_of(field)
        if not field or not definition or definition.extensions:
            raise UnsupportedError
        before = len(self._resolver_fields)
        complete = self._output(field.type, details, path)
        below = [each for each in self._resolver_fields[before:] if each.info.path.prev is path]
        if definition.base_resolver is None:
            return plans.attribute(definition.python_name, complete)
        resolver = supported_resolver(definition)
        if resolver and resolver.is_method and not complete.is_async:
            return plans.method(resolver.function, complete)
        if path is _IN_LIST or resolver is None:
            raise UnsupportedError
        nodes = [detail.node for detail in details]
        info = self._executor.build_resolve_info(field, nodes, parent, path)
        handlers = exception_handlers(self._executor.schema, definition)
        coerce_arguments = argument_coercion(field, definition, nodes[0])
        resolver_field = ResolverField(
            field, definition, resolver, info, handlers, coerce_arguments, tuple(below)
        )
        self._resolver_fields.append(resolver_field)
        return resolver_plan(resolver_field, complete)

    def _output(self, type_: GraphQLOutputType, details: Details, path: Path) -> Plan:
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, details, path)
        return plans.nullable(self._value(type_, details, path))

    def _value(self, type_: GraphQLOutputType, details: Details, path: Path) -> Plan:
        if isinstance(type_, GraphQLList):
            return plans.list_of(self._output(type_.of_type, details, _IN_LIST))
        if isinstance(type_, GraphQLUnionType):
            return plans.union({class_of(t): self._object(t, details, path) for t in type_.types})
        if isinstance(type_, GraphQLObjectType):
            return self._object(type_, details, path)
        if is_leaf_type(type_):
            return plans.leaf(type_)
        raise UnsupportedError  # an interface

    def _object(self, type_: GraphQLObjectType, details: Details, path: Path) -> Plan:
        executor = self._executor
        collected = collect_subfields(
            executor.schema,
            executor.fragments,
            executor.variable_values,
            executor.operation,
            type_,
            details,
        )
        fields = self._fields(type_, collected.grouped_field_set, path)
        return plans.selection(fields, kind=class_of(type_))


def _child_path(path: Path | None, key: str, parent: GraphQLObjectType) -> Path:
    return _IN_LIST if path is _IN_LIST else Path(path, key, parent.name)
