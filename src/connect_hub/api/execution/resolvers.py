"""Plans that call resolvers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import strawberry
from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLResolveInfo,
    VariableNode,
    get_argument_values,
)
from graphql.execution.values import VariableValues
from strawberry import ID

from connect_hub.api.execution.plans import BailOut, Completed, Plan
from connect_hub.api.strawberry_internals import (
    ExceptionHandlers,
    LazyInfo,
    Resolver,
    StrawberryField,
    argument_type,
    await_maybe,
    resolver_of,
)

NO_VARIABLES = VariableValues({}, {})
_SCALARS = {str, int, float, bool, ID}  # Strawberry passes arguments of these types unconverted


class Selected(NamedTuple):
    """A field with a resolver that is selected below another one."""

    name: str  # in Python
    arguments: dict[str, Any]  # by their names in Python
    names_below: frozenset[str]  # of the fields with resolvers that are selected below it


class ResolverField(NamedTuple):
    """A field with a resolver, at its path in an operation."""

    field: GraphQLField
    definition: StrawberryField
    resolver: Resolver
    info: GraphQLResolveInfo[Any]  # without the values of a request
    handlers: ExceptionHandlers
    coerce_arguments: Callable[[Any], dict[str, Any]]  # from the execution
    below: tuple["ResolverField", ...]  # the fields with resolvers of the object it returns

    def info_for(self, execution: Any) -> LazyInfo:
        """Return the info for one execution of a plan."""

        def build_raw_info() -> Any:
            return self.info._replace(
                variable_values=execution.variable_values, context=execution.context
            )

        def read_selection() -> list[Selected]:
            return [field.selected_by(execution) for field in self.below]

        return LazyInfo(self.definition, execution.context, build_raw_info, read_selection)

    def selected_by(self, execution: Any) -> Selected:
        """Return what an execution selects by this field."""
        names_below = frozenset(field.definition.python_name for field in self.below)
        return Selected(self.definition.python_name, self.coerce_arguments(execution), names_below)


def selected_below(info: strawberry.Info) -> list[Selected]:
    """Return the fields with resolvers that are selected in the object that a resolver returns.

    Returns:
        Nothing if graphql-core executes the operation, or if an argument is invalid.
    """
    try:
        return info.read_selection() if isinstance(info, LazyInfo) else []
    except GraphQLError:
        return []  # graphql-core meets it too, and reports it


def supported_resolver(definition: StrawberryField) -> Resolver | None:
    """Return a field's resolver, if a plan can provide all of its arguments."""
    if all(argument_type(argument) in _SCALARS for argument in definition.arguments):
        return resolver_of(definition)
    return None


def resolver_plan(field: ResolverField, complete: Plan) -> Plan:
    """Call the resolver, record its result, and complete the value.

    Args:
        field: to resolve.
        complete: the plan for the resolver's value.
    """
    arguments_of, path = field.coerce_arguments, field.info.path
    function, is_async, takes_source, info_name, _ = field.resolver
    read, completes_async = complete.read, complete.is_async

    async def call_and_read(source: Any, execution: Any) -> Any:
        arguments = arguments_of(execution)  # if this fails, graphql-core fails before the call
        try:
            try:
                if info_name:
                    arguments[info_name] = field.info_for(execution)
                value = function(source, **arguments) if takes_source else function(**arguments)
                if is_async:
                    value = await value
            except Exception as error:  # noqa: BLE001 (Strawberry passes any to its handlers)
                value = await _handle(error, field, execution)
        except Exception as error:
            execution.resolved.append((path, None, error))
            raise BailOut from error
        execution.resolved.append((path, value, None))
        completed = await read(value, execution) if completes_async else read(value)
        execution.resolved.append((path, Completed(completed), None))
        return completed

    return Plan(call_and_read, is_async=True)


def argument_coercion(
    field: GraphQLField, definition: StrawberryField, node: FieldNode
) -> Callable[[Any], dict[str, Any]]:
    """Return a function that coerces the arguments; without variables, they are coerced now.

    Raises:
        GraphQLError: an argument is invalid.
    """
    names = [argument.python_name for argument in definition.arguments]
    python_names = dict(zip(field.args, names, strict=True))

    def coerce(variables: VariableValues) -> dict[str, Any]:
        values = get_argument_values(field, node, variables)
        return {python_names[name]: value for name, value in values.items()}

    if any(isinstance(each.value, VariableNode) for each in node.arguments or ()):
        return lambda execution: coerce(execution.variable_values)
    constant = coerce(NO_VARIABLES)
    return lambda _execution: dict(constant)


async def _handle(error: Exception, field: ResolverField, execution: Any) -> Any:
    """Return the union member for an exception; raise the exception if there is none."""
    for classes, handler in field.handlers:
        if isinstance(error, classes):
            handled = handler.handle(error, field=field.definition, info=field.info_for(execution))
            member = await await_maybe(handled)
            if member is not None:
                return member
            break
    raise error
