"""Builds the executor of a request; an operation is compiled when it is first used."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from graphql import (
    DirectiveNode,
    DocumentNode,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    get_variable_values,
    visit,
)
from graphql.execution import Executor
from graphql.execution.values import VariableValues

from connect_hub.api.execution.compiler import CompiledOperation, Compiler
from connect_hub.api.execution.fallback import FallbackExecutor
from connect_hub.api.execution.plan_execution import PlanExecution
from connect_hub.api.execution.resolvers import NO_VARIABLES


class Operation(NamedTuple):
    """An operation, and the variables that its directives use: each of their values has a plan."""

    node: OperationDefinitionNode
    conditions: tuple[str, ...]


@dataclass(slots=True)
class Plans:
    """The operations of one document by their names, and the plans that were compiled so far."""

    operations: dict[str | None, Operation] = field(default_factory=dict)
    # By name and values of the conditions. None: plans do not support the operation.
    compiled: dict[tuple[Any, ...], CompiledOperation | None] = field(default_factory=dict)


MAX_PLANS = 16  # kept for values of conditions in one document: there may be 2²⁰


def build_executor(
    schema: GraphQLSchema, document: DocumentNode, plans: Plans, **request: Any
) -> Any:
    """Build the executor of a request.

    Args:
        schema: Strawberry's.
        document: valid for the schema.
        plans: of this document; new plans are added.
        request: the arguments of graphql-core's executor.

    Returns:
        An object with `operation` and `execute_operation()`: a PlanExecution or graphql-core's
        executor. If the request is invalid, a list of errors.
    """
    build_fallback: Any = partial(FallbackExecutor.build, schema, document, **request)
    name = request.get("operation_name")
    if name not in plans.operations:
        executor = build_fallback()
        if isinstance(executor, list):
            return executor
        plans.operations[name] = Operation(executor.operation, _conditions(executor))
    operation, conditions = plans.operations[name]
    variables = _coerce_variables(schema, operation, request)
    if variables is None:
        return build_fallback()
    values = {condition: variables.coerced.get(condition) for condition in conditions}
    key = name, *values.values()
    if key in plans.compiled:
        compiled = plans.compiled[key]
    else:
        compiled = _compile(build_fallback(), values)
        if not conditions or len(plans.compiled) < MAX_PLANS:
            plans.compiled[key] = compiled
    if compiled is None:
        return build_fallback()
    return PlanExecution(compiled, variables, request.get("context_value"), build_fallback)


def _conditions(executor: Executor[Any]) -> tuple[str, ...]:
    """Return the variables that the directives of an operation use."""
    found = _DirectiveVariables()
    for node in (executor.operation, *executor.fragment_definitions.values()):
        if node.loc and "@" in node.loc.source.body:
            visit(node, found)
    return tuple(found.names)


class _DirectiveVariables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.names[argument.value.name.value] = None


def _compile(executor: Executor[Any], conditions: dict[str, Any]) -> CompiledOperation | None:
    """Compile an operation; the plan keeps nothing of the request but the values of conditions."""
    executor.context_value = None
    executor.async_helpers = None  # type: ignore[assignment]  # avoids a reference cycle
    executor.variable_values = VariableValues({}, conditions)
    return Compiler(executor).compile()


def _coerce_variables(
    schema: GraphQLSchema, operation: OperationDefinitionNode, request: dict[str, Any]
) -> VariableValues | None:
    """Coerce the variables of a request; None if one is invalid, which graphql-core reports."""
    if not operation.variable_definitions:
        return NO_VARIABLES
    inputs = request.get("raw_variable_values") or {}
    values = get_variable_values(schema, operation.variable_definitions, inputs, max_errors=1)
    return None if isinstance(values, list) else values
