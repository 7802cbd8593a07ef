"""Draws operations of a GraphQL schema, mostly valid ones."""

import json
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_required_argument,
)
from hypothesis import strategies as st

DEPTH = 5  # nested fields
MAX_FIELDS = 18  # then selections are short
OFTEN = {"me", "invitedClients"}
WRONG: list[Any] = ["", "text", 7, -1.5, True, [], ["a"], {}, None]  # values of any argument
INTROSPECTION = [
    "__schema { queryType { name } types { kind name } }",
    '__type(name: "Client") { name fields { name args { name defaultValue } } }',
    '__type(name: "Nothing") { name }',
]


@dataclass
class Request:
    """What a GraphQL request has besides its document."""

    variables: dict[str, Any]
    operation_name: str | None


@dataclass
class Operation:
    """A document, and requests that execute it one after the other."""

    text: str
    requests: list[Request]


@st.composite
def operations(
    draw: st.DrawFn, schema: GraphQLSchema, values: dict[str, list[Any]], *, requests: int = 3
) -> Operation:
    """Draw an operation.

    Args:
        draw: of hypothesis.
        schema: to draw fields from.
        values: of arguments, by their names; right ones and wrong ones.
        requests: how many to draw.
    """
    return _Drawing(draw, schema, values).operation(requests)


class _Drawing:
    def __init__(
        self, draw: st.DrawFn, schema: GraphQLSchema, values: dict[str, list[Any]]
    ) -> None:
        self._draw = draw
        self._schema = schema
        self._values = values
        self._fragments: list[str] = []
        self._complete: dict[str, list[int]] = {}  # numbers of fragments that end, by type
        self._fields = 0
        self._variables: dict[str, tuple[str, list[Any]]] = {}  # declaration and values, by name
        self._aliases = 0

    def operation(self, requests: int) -> Operation:
        kind = self._choose("query", "query", "mutation")
        root = self._schema.query_type if kind == "query" else self._schema.mutation_type
        assert root
        if kind == "query":
            selection = self._selection(root, DEPTH)
        else:
            selection = f"{{ {self._field(root, DEPTH, set())} {self._rarely('__typename')} }}"
        declared = ", ".join(text for text, _ in self._variables.values())
        name = self._choose("", "Q")
        text = f"{kind} {name}{f'({declared})' if declared else ''} {selection}"
        if not declared and kind == "query" and not name and self._one_in(2):
            text = selection
        other = self._rarely("query Other { config { __typename } }") if name else ""
        text = " ".join([text, *self._fragments, other])
        names = ["Q", "Q", "Q", "Other", None] if other else [name or None]
        return Operation(text, [self._request(names) for _ in range(requests)])

    def _request(self, names: list[str | None]) -> Request:
        variables = {name: self._choose(*values) for name, (_, values) in self._variables.items()}
        given = {name: value for name, value in variables.items() if value is not Undefined}
        return Request(given, self._rarely("Nothing") or self._choose(*names))

    def _selection(self, type_: Any, depth: int) -> str:
        length = self._draw(st.integers(1, 4)) if self._fields < MAX_FIELDS else 1
        taken: set[str] = set()
        parts = [self._part(type_, depth, taken) for _ in range(length)]
        return f"{{ {' '.join([*parts, self._choose('__typename', '')])} }}"

    def _part(self, type_: Any, depth: int, taken: set[str]) -> str:
        kind = self._choose(*["field"] * 9, "inline", "spread", "typename")
        if kind == "typename":
            return f"{self._choose('', 'kind: ')}__typename{self._directive()}"
        if kind == "field" and not isinstance(type_, GraphQLUnionType):
            return self._field(type_, depth, taken)
        on = self._condition(type_)
        if kind != "spread":
            condition = self._choose(f"... on {on}", "...") if on is type_ else f"... on {on}"
            return f"{condition}{self._directive()} {self._selection(on, depth)}"
        return f"...F{self._fragment(on, depth)}{self._directive()}"

    def _fragment(self, on: Any, depth: int) -> int:
        known = self._complete.setdefault(on.name, [])
        if known and self._one_in(2):
            number: int = self._choose(*known)
            return number
        number = len(self._fragments)
        self._fragments.append("")  # takes the number, before those inside
        self._fragments[number] = f"fragment F{number} on {on} {self._selection(on, depth)}"
        known.append(number)
        return number

    def _condition(self, type_: Any) -> Any:
        """Choose a type condition: a success more often than one of its refusals."""
        if isinstance(type_, GraphQLUnionType):
            interfaces = [each for member in type_.types for each in member.interfaces]
            return self._choose(*[type_.types[0]] * 4, type_, *type_.types, *interfaces[:2])
        if isinstance(type_, GraphQLInterfaceType):
            return self._choose(type_, *self._schema.get_possible_types(type_))
        return self._choose(type_, type_, *type_.interfaces)

    def _field(
        self, parent: GraphQLObjectType | GraphQLInterfaceType, depth: int, taken: set[str]
    ) -> str:
        if parent is self._schema.query_type and (found := self._rarely(*INTROSPECTION)):
            return found
        name: str = self._choose(*self._names(parent, depth, taken))
        if name == "__typename":
            return name
        self._fields += 1
        field = parent.fields[name]
        shown = f"{name}X" if self._one_in(30) and self._one_in(30) else name
        if name in taken or self._one_in(8):
            self._aliases += 1
            shown = f"a{self._aliases}: {shown}"
        taken.add(name)
        shown += self._arguments(field) + self._directive()
        type_ = get_named_type(field.type)
        return shown if is_leaf_type(type_) else f"{shown} {self._selection(type_, depth - 1)}"

    def _names(
        self, parent: GraphQLObjectType | GraphQLInterfaceType, depth: int, taken: set[str]
    ) -> list[str]:
        """Return fields to choose from: objects often, and hardly ever the same one twice."""
        names = ["__typename"]
        for name, field in parent.fields.items():
            is_object = not is_leaf_type(get_named_type(field.type))
            weight = 3 + 4 * is_object + 8 * (name in OFTEN)
            if depth > 1 or not is_object:
                names += [name] * (1 if name in taken else weight)
        return names

    def _arguments(self, field: GraphQLField) -> str:
        given = [
            f"{name}: {self._value(argument, self._values.get(name, ['', 'text', None]))}"
            for name, argument in field.args.items()
            if not self._one_in(30 if is_required_argument(argument) else 2)
        ]
        return f"({', '.join(given)})" if given else ""

    def _value(self, argument: GraphQLArgument, values: list[Any]) -> str:
        is_nullable = not isinstance(argument.type, GraphQLNonNull)
        right = [value for value in values if value is not None or is_nullable]
        literal = json.dumps(self._choose(*(WRONG[:5] if self._one_in(50) else right)))
        if self._one_in(2):
            return literal
        type_ = get_nullable_type(argument.type)
        declared = [
            str(argument.type),
            f"{type_}!",
            f"{type_} = {json.dumps(self._choose(*right))}",
        ]
        if not is_required_argument(argument):
            declared.append(str(type_))
        if is_nullable:
            declared.append(f"{type_} = null")
        return self._variable(self._choose(*declared), [*values * 3, Undefined, *WRONG])

    def _directive(self) -> str:
        if not self._one_in(10):
            return ""
        directive = self._choose("@skip", "@include")
        condition = self._choose("true", "false", "", "")
        if not condition:
            declared = self._choose("Boolean!", "Boolean = true", "Boolean! = false")
            values = [True, False] * 4 + [Undefined, None, "x"]
            condition = self._variable(declared, values)
        return f" {directive}(if: {condition})"

    def _variable(self, type_: str, values: list[Any]) -> str:
        name = f"v{len(self._variables)}"
        self._variables[name] = f"${name}: {type_}", values
        return f"${name}"

    def _choose(self, *values: Any) -> Any:
        return self._draw(st.sampled_from(values))

    def _rarely(self, *values: str) -> str:
        return self._choose(*values) if self._one_in(10) else ""

    def _one_in(self, number: int) -> bool:
        return self._draw(st.integers(1, number)) == number  # shrinks to False
