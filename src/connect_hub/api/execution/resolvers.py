"""How plans call resolvers."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from graphql import FieldNode, GraphQLField, GraphQLResolveInfo, VariableNode, get_argument_values
from strawberry import ID, Info
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import INFO_PARAMSPEC, SELF_PARAMSPEC
from strawberry.utils.await_maybe import await_maybe

from connect_hub.api.execution.plans import Answered, Plan, Surprise

Handlers = Sequence[tuple[tuple[type[Exception], ...], Any]]
"""What Strawberry turns into members of a field's union: exceptions, and their handler."""

_REQUEST = GraphQLResolveInfo._fields.index("variable_values")  # then the context
_SCALARS = {str, int, float, bool, ID}  # whose arguments Strawberry takes as they are
_RESERVED: set[object] = {SELF_PARAMSPEC, INFO_PARAMSPEC}


class Place(NamedTuple):
    """A field with a resolver, where it stands in an operation and its answer."""

    field: GraphQLField
    definition: StrawberryField
    node: FieldNode
    info: GraphQLResolveInfo[Any]  # without a request


class PlannedInfo(Info):
    """What a resolver may ask for; most want nothing but the context."""

    def __init__(self, place: Place, run: Any) -> None:
        self._place = place
        self._run = run
        self._field = place.definition

    @property
    def context(self) -> Any:
        """What was given with the request."""
        return self._run.context

    @cached_property
    def _raw_info(self) -> Any:  # type: ignore[override] # a field of Strawberry's class
        info: Any = self._place.info
        before, after = info[:_REQUEST], info[_REQUEST + 2 :]
        return info._make((*before, self._run.variable_values.coerced, self._run.context, *after))


def is_callable(definition: StrawberryField) -> bool:
    """Tell whether a resolver takes nothing but what a plan can give."""
    resolver = definition.base_resolver
    return (
        resolver is not None
        and all(spec in _RESERVED for spec, at in resolver.reserved_parameters.items() if at)
        and all(_argument_type(argument) in _SCALARS for argument in definition.arguments)
    )


def resolving(place: Place, complete: Plan, *, handlers: Handlers) -> Plan:
    """Call a resolver, note what it comes to, and read that."""
    arguments, path = _arguments(place), place.info.path
    resolver: Any = place.definition.base_resolver
    function, is_async = resolver.wrapped_func, resolver.is_async
    info_name = resolver.info_parameter and resolver.info_parameter.name
    takes_source = resolver.self_parameter is not None
    read, waits = complete.read, complete.waits

    async def call_and_read(source: Any, run: Any) -> Any:
        given = arguments(run)  # if it raises, graphql-core will, before it calls
        try:
            try:
                if info_name:
                    given[info_name] = PlannedInfo(place, run)
                value = function(source, **given) if takes_source else function(**given)
                if is_async:
                    value = await value
            except Exception as error:  # noqa: BLE001 (some are handled, as Strawberry does it)
                value = await _handled(error, handlers, place, run)
        except Exception as error:
            run.outcomes.append((path, None, error))
            raise Surprise from error
        run.outcomes.append((path, value, None))
        answer = await read(value, run) if waits else read(value)
        run.outcomes.append((path, Answered(answer), None))
        return answer

    return Plan(call_and_read, waits=True)


def _arguments(place: Place) -> Callable[[Any], dict[str, Any]]:
    """Coerce the arguments of a field: once, or anew for each request that brings variables."""
    node = place.node
    names = [argument.python_name for argument in place.definition.arguments]
    python_names = dict(zip(place.field.args, names, strict=True))

    def coerced(run: Any) -> dict[str, Any]:
        values = get_argument_values(place.field, node, run.variable_values)
        return {python_names[name]: value for name, value in values.items()}

    constant: dict[str, Any] | None = None

    def once(run: Any) -> dict[str, Any]:
        nonlocal constant
        if constant is None:
            constant = coerced(run)
        return dict(constant)

    brought = any(isinstance(argument.value, VariableNode) for argument in node.arguments or ())
    return coerced if brought else once


async def _handled(error: Exception, handlers: Handlers, place: Place, run: Any) -> Any:
    """Make the member of a union that stands for an exception; raise it where none does."""
    for kinds, handler in handlers:
        if isinstance(error, kinds):
            handled = handler.handle(error, field=place.definition, info=PlannedInfo(place, run))
            member = await await_maybe(handled)
            if member is not None:
                return member
            break
    raise error


def _argument_type(argument: StrawberryArgument) -> object:
    type_ = argument.type
    return type_.of_type if isinstance(type_, StrawberryOptional) else type_
