"""Where plans are made."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from graphql import (
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
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from connect_hub.api.execution import plans
from connect_hub.api.execution.plans import Plan
from connect_hub.api.execution.resolvers import Handlers, Place, is_callable, resolving

Details = list[FieldDetails]
_BELOW_A_LIST = Path(None, "", None)


class NoPlanError(Exception):
    """There is something in this operation that plans do not know."""


class Compiled(NamedTuple):
    """An operation that has a plan."""

    operation: OperationDefinitionNode
    plan: Plan
    fields: int  # that it reads


class Compiler:
    """Makes the plan of one operation."""

    def __init__(self, executor: Executor[Any]) -> None:
        self._executor = executor
        self._planned = 0  # fields

    def operation(self) -> Compiled | None:
        """Plan the operation that an executor was built for, or tell that it has no plan."""
        try:
            plan = self._plan()
        except NoPlanError:
            return None
        return Compiled(self._executor.operation, plan, self._planned)

    def _plan(self) -> Plan:
        use = self._executor
        root = use.schema.get_root_type(use.operation.operation)
        if root is None or use.operation.operation is OperationType.SUBSCRIPTION:
            raise NoPlanError
        collected = collect_fields(
            use.schema, use.fragments, use.variable_values, root, use.operation
        )
        fields = self._fields(root, collected.grouped_field_set, None)
        return plans.selecting(fields, kind=type(None))  # which the root value is

    def _fields(
        self, parent: GraphQLObjectType, grouped: Mapping[str, Details], path: Path | None
    ) -> dict[str, Plan]:
        return {
            key: self._field(parent, details, _below(path, key, parent))
            for key, details in grouped.items()
        }

    def _field(self, parent: GraphQLObjectType, details: Details, path: Path) -> Plan:
        self._planned += 1
        name = details[0].node.name.value
        if name == "__typename":
            return plans.constant(parent.name)
        field = parent.fields.get(name)
        definition = field and field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if not field or not isinstance(definition, StrawberryField) or definition.extensions:
            raise NoPlanError
        complete = self._output(field.type, details, path)
        if definition.base_resolver is None:
            return plans.reading(definition.python_name, complete)
        if path is _BELOW_A_LIST or not is_callable(definition):
            raise NoPlanError
        nodes = [detail.node for detail in details]
        info = self._executor.build_resolve_info(field, nodes, parent, path)
        place = Place(field, definition, nodes[0], info)
        return resolving(place, complete, handlers=self._handlers(definition))

    def _handlers(self, definition: StrawberryField) -> Handlers:
        schema: Any = self._executor.schema
        # Strawberry's own pairing of a field with its handlers; it has no public name.
        converter = schema._strawberry_schema.schema_converter  # noqa: SLF001
        handlers: Handlers = converter._get_field_exception_handlers(definition)  # noqa: SLF001
        return handlers

    def _output(self, type_: GraphQLOutputType, details: Details, path: Path) -> Plan:
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, details, path)
        return plans.or_null(self._value(type_, details, path))

    def _value(self, type_: GraphQLOutputType, details: Details, path: Path) -> Plan:
        if isinstance(type_, GraphQLList):
            return plans.listing(self._output(type_.of_type, details, _BELOW_A_LIST))
        if isinstance(type_, GraphQLUnionType):
            return plans.choosing(
                {_class_of(t): self._object(t, details, path) for t in type_.types}
            )
        if isinstance(type_, GraphQLObjectType):
            return self._object(type_, details, path)
        if is_leaf_type(type_):
            return plans.leaf(type_)
        raise NoPlanError  # an interface

    def _object(self, type_: GraphQLObjectType, details: Details, path: Path) -> Plan:
        use = self._executor
        collected = collect_subfields(
            use.schema, use.fragments, use.variable_values, use.operation, type_, details
        )
        fields = self._fields(type_, collected.grouped_field_set, path)
        return plans.selecting(fields, kind=_class_of(type_))


def _below(path: Path | None, key: str, parent: GraphQLObjectType) -> Path:
    return _BELOW_A_LIST if path is _BELOW_A_LIST else Path(path, key, parent.name)


def _class_of(type_: GraphQLObjectType) -> type:
    """Tell the class whose objects Strawberry shows as this type."""
    kind: type = type_.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].origin
    return kind
