"""What plans are made of: closures from a value to its part of the answer."""

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
Outcome = tuple[Path, Any, Exception | None]
"""Where a resolver was called, and what it returned or raised."""

_INT_MAX = 2**31 - 1
_REMEMBERED = 256  # sources of functions; most objects are selected alike


class Plan(NamedTuple):
    """How a part of an operation is executed."""

    read: Callable[..., Any]  # of a value; if it waits, a coroutine function of it and the run
    waits: bool = False  # for resolvers
    exactly: type | None = None  # the value is answered as it is, if it is of this class
    or_null: bool = False  # or null
    attribute: str | None = None  # of what the value is


class Answered(NamedTuple):
    """The part of the answer that was made of what a resolver returned."""

    answer: Any


class Surprise(Exception):  # noqa: N818 (nothing failed: graphql-core takes over)
    """A value that a plan does not answer."""


def constant(value: str) -> Plan:
    """Answer the same always."""
    return Plan(lambda _source: value)


def reading(attribute: str, complete: Plan) -> Plan:
    """Read an attribute, as Strawberry does where there is no resolver."""
    return complete._replace(attribute=attribute)


def or_null(complete: Plan) -> Plan:
    """Let null pass."""
    read = complete.read
    if not complete.waits:
        return complete._replace(
            read=lambda value: None if value is None else read(value), or_null=True
        )

    async def read_and_wait(value: Any, run: Any) -> Any:
        return None if value is None else await read(value, run)

    return Plan(read_and_wait, waits=True)


def selecting(fields: Mapping[str, Plan], *, kind: type) -> Plan:
    """Make an object of the fields selected of a value of exactly one class.

    A function is written for just these fields, since it is called for each object of a list:

        def read(value):
            if type(value) is not kind: raise Surprise
            v0 = value.id
            if type(v0) is not k0: raise Surprise
            return {n0: v0, n1: r1(value.invited_at)}

    Nothing that a client sent is in its text.
    """
    waits = any(plan.waits for plan in fields.values())
    known: dict[str, Any] = {"kind": kind, "Surprise": Surprise}
    lines, answer = ["if type(value) is not kind: raise Surprise"], []
    for number, (key, plan) in enumerate(fields.items()):
        value = f"value.{plan.attribute}" if plan.attribute else "value"
        known[f"n{number}"] = key
        if plan.exactly and plan.attribute:
            known[f"k{number}"] = plan.exactly
            unless_null = f" and v{number} is not None" if plan.or_null else ""
            lines.append(f"v{number} = {value}")
            lines.append(f"if type(v{number}) is not k{number}{unless_null}: raise Surprise")
            answer.append(f"n{number}: v{number}")
        else:
            known[f"r{number}"] = plan.read
            call = f"await r{number}({value}, run)" if plan.waits else f"r{number}({value})"
            answer.append(f"n{number}: {call}")
    lines.append(f"return {{{', '.join(answer)}}}")
    head = "async def read(value, run):" if waits else "def read(value):"
    exec(_code("\n    ".join([head, *lines])), known)  # noqa: S102 (see above)
    # Taken out of its own globals, which is a cycle.
    return Plan(known.pop("read"), waits)


@lru_cache(_REMEMBERED)
def _code(source: str) -> CodeType:
    return compile(source, "<plan>", "exec")


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
