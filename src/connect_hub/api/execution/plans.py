"""The parts of plans: closures that turn a value into its part of the result."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from graphql import (
    GraphQLBoolean,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from graphql.pyutils import Path

Read = Callable[[Any], Any]
Resolved = tuple[Path, Any, Exception | None]
"""The path of a resolver's field, and what the resolver returned or raised."""

_INT_MAX = 2**31 - 1
_CACHED_SOURCES = 256  # many objects have the same selection


class Plan(NamedTuple):
    """How to execute a part of an operation."""

    read: Callable[..., Any]  # from (value), or async from (value, execution)
    is_async: bool = False
    exact_type: type | None = None  # a value of this class needs no conversion
    nullable: bool = False  # null needs none either
    attribute: str | None = None  # of the parent object; None: the value is the parent itself


class Completed(NamedTuple):
    """The finished result of a resolver's value."""

    result: Any


class BailOut(Exception):  # noqa: N818 (not an error: graphql-core takes over)
    """A plan does not support a value."""


def constant(value: str) -> Plan:
    """Return the same for all values."""
    return Plan(lambda _source: value)


def attribute(name: str, complete: Plan) -> Plan:
    """Read an attribute, as Strawberry does for fields without a resolver."""
    return complete._replace(attribute=name)


def method(function: Read, complete: Plan) -> Plan:
    """Call a method of the parent object, and complete what it returns."""
    read = complete.read
    return Plan(lambda source: read(function(source)))


def nullable(complete: Plan) -> Plan:
    """Keep null, and complete any other value."""
    read = complete.read
    if not complete.is_async:
        return complete._replace(
            read=lambda value: None if value is None else read(value), nullable=True
        )

    async def read_async(value: Any, execution: Any) -> Any:
        return None if value is None else await read(value, execution)

    return Plan(read_async, is_async=True)


def selection(fields: Mapping[str, Plan], *, kind: type) -> Plan:
    """Read the selected fields of an object.

    The function runs for each object of a list, so its source is generated for these fields:

        def read(value):
            if type(value) is not kind: raise BailOut
            v0 = value.id
            if type(v0) is not k0: raise BailOut
            return {n0: v0, n1: r1(value.invited_at)}

    The source contains nothing that a client sent.

    Args:
        fields: plans by response name.
        kind: the exact class of the object.
    """
    is_async = any(plan.is_async for plan in fields.values())
    names: dict[str, Any] = {"kind": kind, "BailOut": BailOut}
    lines, items = ["if type(value) is not kind: raise BailOut"], []
    for number, (key, plan) in enumerate(fields.items()):
        value = f"value.{plan.attribute}" if plan.attribute else "value"
        names[f"n{number}"] = key
        if plan.exact_type and plan.attribute:
            names[f"k{number}"] = plan.exact_type
            unless_null = f" and v{number} is not None" if plan.nullable else ""
            lines.append(f"v{number} = {value}")
            lines.append(f"if type(v{number}) is not k{number}{unless_null}: raise BailOut")
            items.append(f"n{number}: v{number}")
        else:
            names[f"r{number}"] = plan.read
            call = (
                f"await r{number}({value}, execution)" if plan.is_async else f"r{number}({value})"
            )
            items.append(f"n{number}: {call}")
    lines.append(f"return {{{', '.join(items)}}}")
    head = "async def read(value, execution):" if is_async else "def read(value):"
    exec(_code("\n    ".join([head, *lines])), names)  # noqa: S102 (see the docstring)
    # Popped, because a function among its own globals is a reference cycle.
    return Plan(names.pop("read"), is_async)


@lru_cache(_CACHED_SOURCES)
def _code(source: str) -> CodeType:
    return compile(source, "<plan>", "exec")


def union(members: Mapping[type, Plan]) -> Plan:
    """Read a value of one of several classes."""

    async def read_async(value: Any, execution: Any) -> Any:
        plan = members[type(value)]
        return await plan.read(value, execution) if plan.is_async else plan.read(value)

    if any(plan.is_async for plan in members.values()):
        return Plan(read_async, is_async=True)
    return Plan(lambda value: members[type(value)].read(value))


def list_of(complete: Plan) -> Plan:
    """Read each item of a list."""
    read_item = complete.read

    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise BailOut
        return [read_item(item) for item in value]

    return Plan(read)


def leaf(type_: GraphQLLeafType) -> Plan:
    """Serialise a scalar or an enum."""
    kind = str if type_.coerce_output_value is str else _EXACT_TYPES.get(type_.name)
    if kind:
        return Plan(_exact(kind), exact_type=kind)
    return Plan(_int if type_.name == GraphQLInt.name else _serialising(type_))


_EXACT_TYPES = {GraphQLString.name: str, GraphQLID.name: str, GraphQLBoolean.name: bool}


def _serialising(type_: GraphQLLeafType) -> Read:
    serialise = type_.coerce_output_value

    def read(value: Any) -> Any:
        if value is None or isinstance(value, Exception):
            raise BailOut
        result = serialise(value)
        if result is None or result is Undefined:
            raise BailOut
        return result

    return read


def _exact(kind: type) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise BailOut
        return value

    return read


def _int(value: Any) -> int:
    if type(value) is not int or not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise BailOut
    return value
