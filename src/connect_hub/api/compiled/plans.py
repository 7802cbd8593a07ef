"""What plans are made of: closures from a value to its part of the answer."""

from collections.abc import Callable, Mapping
from operator import attrgetter
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
Outcome = tuple[Path, Any, Exception | None]
"""Where a resolver was called, and what it returned or raised."""

_INT_MAX = 2**31 - 1


class Plan(NamedTuple):
    """How a part of an operation is executed."""

    read: Callable[..., Any]  # of a value; if it waits, a coroutine function of it and the run
    waits: bool = False  # for resolvers
    exactly: type | None = None  # the value is answered as it is, if it is of this class
    attribute: tuple[str, type] | None = None  # the same, of an attribute


class Surprise(Exception):  # noqa: N818 (nothing failed: graphql-core takes over)
    """A value that a plan does not answer."""


def constant(value: str) -> Plan:
    """Answer the same always."""
    return Plan(lambda _source: value)


def reading(attribute: str, complete: Plan) -> Plan:
    """Read an attribute, as Strawberry does where there is no resolver."""
    read = complete.read
    if not complete.waits:
        exactly = (attribute, complete.exactly) if complete.exactly else None
        return Plan(lambda source: read(getattr(source, attribute)), attribute=exactly)

    async def read_and_wait(source: Any, run: Any) -> Any:
        return await read(getattr(source, attribute), run)

    return Plan(read_and_wait, waits=True)


def or_null(complete: Plan) -> Plan:
    """Let null pass."""
    read = complete.read
    if not complete.waits:
        return Plan(lambda value: None if value is None else read(value))

    async def read_and_wait(value: Any, run: Any) -> Any:
        return None if value is None else await read(value, run)

    return Plan(read_and_wait, waits=True)


def selecting(fields: Mapping[str, Plan], *, kind: type) -> Plan:
    """Make an object of the fields selected of a value of exactly one class."""
    if not any(plan.waits for plan in fields.values()):
        return Plan(_reading_all(fields, kind))
    items = [(key, plan.read, plan.waits) for key, plan in fields.items()]

    async def read_and_wait(value: Any, run: Any) -> dict[str, Any]:
        if type(value) is not kind:
            raise Surprise
        return {key: await read(value, run) if waits else read(value) for key, read, waits in items}

    return Plan(read_and_wait, waits=True)


def _reading_all(fields: Mapping[str, Plan], kind: type) -> Read:
    """Read attributes that are answered as they are at one go, and the others one by one."""
    as_they_are = {key: plan.attribute for key, plan in fields.items() if plan.attribute}
    if len(as_they_are) < 2:  # noqa: PLR2004 (of one, attrgetter makes no tuple)
        as_they_are = {}
    attributes, kinds = zip(*as_they_are.values(), strict=True) if as_they_are else ((), ())
    get = attrgetter(*attributes) if attributes else lambda _value: ()
    others = [(key, plan.read) for key, plan in fields.items() if key not in as_they_are]
    in_order = dict.fromkeys(fields)

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not kind:
            raise Surprise
        values = get(value)
        if tuple(map(type, values)) != kinds:
            raise Surprise
        answer: dict[str, Any] = in_order.copy()
        answer.update(zip(as_they_are, values, strict=True))
        for key, read_other in others:
            answer[key] = read_other(value)
        return answer

    return read


def choosing(members: Mapping[type, Plan]) -> Plan:
    """Read a value of one of several classes."""

    async def read_and_wait(value: Any, run: Any) -> Any:
        plan = members[type(value)]
        return await plan.read(value, run) if plan.waits else plan.read(value)

    waits = any(plan.waits for plan in members.values())
    return Plan(read_and_wait if waits else lambda value: members[type(value)].read(value), waits)


def listing(complete: Plan) -> Plan:
    """Read each item of a list."""
    read_item = complete.read

    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Surprise
        return [read_item(item) for item in value]

    return Plan(read)


def leaf(type_: GraphQLLeafType) -> Plan:
    """Serialise a value."""
    kind = str if type_.coerce_output_value is str else _EXACTLY.get(type_.name)
    if kind:
        return Plan(_exact(kind), exactly=kind)
    return Plan(_int if type_.name == GraphQLInt.name else _serialising(type_))


_EXACTLY = {GraphQLString.name: str, GraphQLID.name: str, GraphQLBoolean.name: bool}


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


def _exact(kind: type) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise Surprise
        return value

    return read


def _int(value: Any) -> int:
    if type(value) is not int or not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise Surprise
    return value
