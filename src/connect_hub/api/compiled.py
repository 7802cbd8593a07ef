"""Execution of plain selections by one compiled function.

graphql-core resolves each field of each object by itself: it looks up the field, builds a path
and an info, calls a resolver, asks whether the value can be awaited, and completes it by its type.
For a list of 100 clients with 3 fields that happens 300 times, to read 300 attributes.

A field is *plain* if Strawberry reads it from an attribute, without arguments, and all that is
selected below it is plain too. For such a field the selection is compiled, once a document, into a
function `read(source)`: nested closures that read attributes and check values. Everything else —
resolvers, arguments, unions, `@skip` and `@include` below a field — stays with graphql-core, field
by field, and meets compiled fields again further down.

What keeps it right:

- `read` only reads attributes. It has no effect, so it may be thrown away at any point.
- It answers only what it is sure of: a value of exactly the type expected. Whatever else comes (a
  null where none may be, another type, an attribute that is missing or cannot be serialised) is a
  surprise: the field is then executed by graphql-core as if nothing had been tried, which reports
  errors and propagates nulls as the specification has it. Resolvers never run twice, for a compiled
  field has none.
- Selections are collected by graphql-core's own `collect_subfields`, so that fragments, type
  conditions and merging are its business. Without directives the outcome does not depend on
  variables, and can be kept with the document.
- Limits, validation and the format of errors lie outside of execution: there is no second set.

`tests/test_compiled.py` compares answers with those of graphql-core's executor on generated
operations.
"""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLBoolean,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    InlineFragmentNode,
    SelectionSetNode,
    Undefined,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetails, collect_subfields
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter

Read = Callable[[Any], Any]
Plans = dict[tuple[int, int], Read | None]
"""Of one document: by parent type and field node, which live as long as it does."""

_INT_MAX = 2**31 - 1


class Surprise(Exception):  # noqa: N818 (nothing failed: graphql-core takes over)
    """A value that a compiled function does not answer."""


class CompilingExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, but for plain fields."""

    def __init__(self, *args: Any, plans: Plans | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans = {} if plans is None else plans

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: list[FieldDetails],
        *rest: Any,
    ) -> Any:
        """Read a plain field; leave any other, and any surprise, to graphql-core."""
        if len(field_details_list) == 1:
            key = id(parent_type), id(field_details_list[0].node)
            try:
                read = self._plans[key]
            except KeyError:
                read = self._plans[key] = self._compiled(parent_type, field_details_list)
            if read:
                try:
                    return read(source)
                except Exception:  # noqa: BLE001, S110 (whatever it is, graphql-core says it)
                    pass
        return super().execute_field(parent_type, source, field_details_list, *rest)

    def _compiled(self, parent: GraphQLObjectType, details: list[FieldDetails]) -> Read | None:
        """Compile a field, or tell that it is not plain."""
        name = details[0].node.name.value
        if name == "__typename":
            return _constant(parent.name)
        field = parent.fields.get(name)
        attribute = _attribute_of(field)
        if field is None or attribute is None or any(_has_directives(self, d) for d in details):
            return None
        complete = self._completing(field.type, details)
        return complete and _reading(attribute, complete)

    def _completing(self, type_: GraphQLOutputType, details: list[FieldDetails]) -> Read | None:
        """Compile what turns a value into its part of the answer."""
        if isinstance(type_, GraphQLNonNull):
            return self._completing_value(type_.of_type, details)
        complete = self._completing_value(type_, details)
        return complete and _nullable(complete)

    def _completing_value(
        self, type_: GraphQLOutputType, details: list[FieldDetails]
    ) -> Read | None:
        if isinstance(type_, GraphQLList):
            complete = self._completing(type_.of_type, details)
            return complete and _listing(complete)
        if is_leaf_type(type_):
            return _LEAVES.get(type_.name) or _serialising(type_)
        if not isinstance(type_, GraphQLObjectType) or type_.is_type_of:
            return None
        fields: dict[str, Read] = {}
        for key, inner in self._subfields(type_, details).items():
            read = self._compiled(type_, inner)
            if read is None:
                return None
            fields[key] = read
        return _object(fields)

    def _subfields(
        self, type_: GraphQLObjectType, details: list[FieldDetails]
    ) -> Mapping[str, list[FieldDetails]]:
        return collect_subfields(
            self.schema, self.fragments, self.variable_values, self.operation, type_, details
        ).grouped_field_set


def _attribute_of(field: GraphQLField | None) -> str | None:
    """Name the attribute that Strawberry's own resolver reads, if it is that one."""
    if field is None or field.args or not getattr(field.resolve, "_is_default", False):
        return None
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return getattr(definition, "python_name", None)


def _has_directives(executor: CompilingExecutor, details: FieldDetails) -> bool:
    """Look for directives below a field, through fragments."""
    fragments = executor.fragments
    seen: set[str] = set()

    def within(selections: SelectionSetNode | None) -> bool:
        for node in selections.selections if selections else ():
            if node.directives:
                return True
            if isinstance(node, FragmentSpreadNode):
                name = node.name.value
                if name not in seen:
                    seen.add(name)
                    if within(fragments[name].definition.selection_set):
                        return True
            elif isinstance(node, FieldNode | InlineFragmentNode) and within(node.selection_set):
                return True
        return False

    return within(details.node.selection_set)


def _constant(value: str) -> Read:
    return lambda _source: value


def _reading(attribute: str, complete: Read) -> Read:
    return lambda source: complete(getattr(source, attribute))


def _nullable(complete: Read) -> Read:
    return lambda value: None if value is None else complete(value)


def _object(fields: Mapping[str, Read]) -> Read:
    items = tuple(fields.items())

    def read(value: Any) -> dict[str, Any]:
        if value is None or isinstance(value, Exception) or hasattr(value, "__await__"):
            raise Surprise  # which reading no attribute, but only __typename, would not meet
        return {key: read_field(value) for key, read_field in items}

    return read


def _listing(complete: Read) -> Read:
    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Surprise
        return [complete(item) for item in value]

    return read


def _serialising(type_: GraphQLLeafType) -> Read:
    serialise = type_.coerce_output_value

    def read(value: Any) -> Any:
        if value is None or isinstance(value, Exception):
            raise Surprise
        answer = serialise(value)
        if answer is None or answer is Undefined:
            raise Surprise
        return answer

    return read


def _exactly(kind: type) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise Surprise
        return value

    return read


def _int(value: Any) -> int:
    if type(value) is not int or not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise Surprise
    return value


_LEAVES: dict[str, Read] = {
    GraphQLString.name: _exactly(str),
    GraphQLID.name: _exactly(str),
    GraphQLBoolean.name: _exactly(bool),
    GraphQLInt.name: _int,
}
