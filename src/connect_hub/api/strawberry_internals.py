"""Everything we use of Strawberry that is not public; look here first when its version changes."""

# ruff: noqa: SLF001 (the private names below have no public counterpart)

from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache, cached_property
from typing import Any, NamedTuple

import strawberry
from graphql import GraphQLField, GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as CoreExecutor
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import INFO_PARAMSPEC, SELF_PARAMSPEC
from strawberry.utils.await_maybe import await_maybe

__all__ = [
    "CoreExecutor",
    "ExceptionHandlers",
    "LazyInfo",
    "Resolver",
    "StrawberryField",
    "argument_type",
    "await_maybe",
    "class_of",
    "core_schema",
    "definition_of",
    "describe_enum_values",
    "exception_handlers",
    "fix_is_one_of",
    "resolver_of",
]

ExceptionHandlers = Sequence[tuple[tuple[type[Exception], ...], Any]]
"""Exception classes, each with the handler that turns them into a member of a field's union."""

_SUPPORTED_PARAMETERS: set[object] = {SELF_PARAMSPEC, INFO_PARAMSPEC}


def core_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """Return graphql-core's schema inside Strawberry's."""
    return schema._schema


def definition_of(field: GraphQLField) -> StrawberryField | None:
    """Return Strawberry's definition of a field; None for fields of introspection."""
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return definition if isinstance(definition, StrawberryField) else None


def class_of(type_: GraphQLObjectType) -> type:
    """Return the Python class whose objects have this GraphQL type."""
    definition = type_.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    class_: type = definition.origin
    return class_


class Resolver(NamedTuple):
    """A function that resolves a field."""

    function: Callable[..., Any]
    is_async: bool
    takes_source: bool  # as its first argument
    info_name: str | None  # the name of its argument for `Info`
    takes_arguments: bool

    @property
    def is_method(self) -> bool:
        """Whether it only reads its source."""
        return self.takes_source and not (self.is_async or self.info_name or self.takes_arguments)


def resolver_of(definition: StrawberryField) -> Resolver | None:
    """Return a field's resolver; None if it has none, or one with `root`, `parent` or the like."""
    resolver = definition.base_resolver
    if resolver is None:
        return None
    used = (spec for spec, parameter in resolver.reserved_parameters.items() if parameter)
    if not all(spec in _SUPPORTED_PARAMETERS for spec in used):
        return None
    function: Any = resolver.wrapped_func
    info = resolver.info_parameter
    return Resolver(
        function=function,
        is_async=resolver.is_async,
        takes_source=resolver.self_parameter is not None,
        info_name=info.name if info else None,
        takes_arguments=bool(definition.arguments),
    )


def argument_type(argument: StrawberryArgument) -> object:
    """Return the type of an argument, without `| None`."""
    type_ = argument.type
    return type_.of_type if isinstance(type_, StrawberryOptional) else type_


@cache
def exception_handlers(schema: GraphQLSchema, definition: StrawberryField) -> ExceptionHandlers:
    """Return the handlers of the exceptions that a field's union has members for."""
    core: Any = schema  # Strawberry adds an attribute to graphql-core's schema
    converter = core._strawberry_schema.schema_converter
    handlers: ExceptionHandlers = converter._get_field_exception_handlers(definition)
    return handlers


class LazyInfo(strawberry.Info):
    """The `info` of a resolver; most resolvers use its context only.

    Args:
        definition: of the field.
        context: of the request.
        build_raw_info: builds graphql-core's info, if it is used.
        read_selection: returns the fields with resolvers that are selected below, if they are used.
    """

    def __init__(
        self,
        definition: StrawberryField,
        context: Any,
        build_raw_info: Callable[[], Any],
        read_selection: Callable[[], Any],
    ) -> None:
        self._field = definition
        self._context = context
        self._build_raw_info = build_raw_info
        self.read_selection = read_selection

    @property
    def context(self) -> Any:
        """The context of the request."""
        return self._context

    @cached_property
    def _raw_info(self) -> Any:  # type: ignore[override]  # a field of Strawberry's class
        return self._build_raw_info()


def describe_enum_values(enum: type[Enum]) -> None:
    """Use the values of a Strawberry enum as their descriptions in the schema."""
    decorated: Any = enum  # strawberry.enum has added its definition
    for value in decorated.__strawberry_definition__.values:
        value.description = value.value


def fix_is_one_of(schema: strawberry.Schema) -> None:
    """Let `__Type.isOneOf` answer for lists and non-null types, where Strawberry's fails."""
    introspected: Any = core_schema(schema).type_map["__Type"]
    introspected.fields["isOneOf"].resolve = _is_one_of


def _is_one_of(type_: object, _info: object) -> bool | None:
    return type_.is_one_of if isinstance(type_, GraphQLInputObjectType) else None
