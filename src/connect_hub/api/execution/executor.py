"""Builds the executor of a request; an operation is compiled when it is first used."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

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


class ConditionalOperation(NamedTuple):
    """An operation whose directives use variables: there is one plan for each of their values."""

    operation: OperationDefinitionNode
    conditions: tuple[str, ...]  # the variables that directives use


Plans = dict[Any, CompiledOperation | ConditionalOperation | None]
"""The plans of one document, by operation name, or by the name and the values of its conditions.

None stands for an operation that plans do not support.
"""

MAX_PLANS = 16  # kept for one document; further values of conditions are compiled each time
_NO_VARIABLES = VariableValues({}, {})


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
    build_fallback = partial(FallbackExecutor.build, schema, document, **request)
    name = request.get("operation_name")
    if name not in plans:
        executor = build_fallback()
        if isinstance(executor, list):
            return executor
        conditions = _conditions(executor)
        plans[name] = (
            ConditionalOperation(executor.operation, conditions)
            if conditions
            else _compile(executor)
        )
    plan = plans[name]
    variables = plan and _coerce_variables(schema, plan.operation, request)
    if isinstance(plan, ConditionalOperation) and variables:
        plan = _plan_for_values(plan, plans, name, variables, build_fallback)
    if isinstance(plan, CompiledOperation) and variables:
        return PlanExecution(plan, variables, request.get("context_value"), build_fallback)
    return build_fallback()


def _plan_for_values(
    conditional: ConditionalOperation,
    plans: Plans,
    name: str | None,
    variables: VariableValues,
    build_fallback: Callable[[], Any],
) -> CompiledOperation | None:
    """Return the plan for the values of the conditions, and keep a few: there may be 2²⁰."""
    values = {condition: variables.coerced.get(condition) for condition in conditional.conditions}
    key = name, *values.values()
    if key in plans:
        return cast("CompiledOperation | None", plans[key])
    plan = _compile(build_fallback(), values)
    if len(plans) < MAX_PLANS:
        plans[key] = plan
    return plan


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


def _compile(
    executor: Executor[Any], conditions: Mapping[str, Any] | None = None
) -> CompiledOperation | None:
    """Compile an operation; the plan keeps nothing of the request but the values of conditions."""
    executor.context_value = None
    executor.async_helpers = None  # type: ignore[assignment]  # avoids a reference cycle
    executor.variable_values = VariableValues({}, dict(conditions or {}))
    return Compiler(executor).compile()


def _coerce_variables(
    schema: GraphQLSchema, operation: OperationDefinitionNode, request: dict[str, Any]
) -> VariableValues | None:
    """Coerce the variables of a request; None if one is invalid, which graphql-core reports."""
    if not operation.variable_definitions:
        return _NO_VARIABLES
    inputs = request.get("raw_variable_values") or {}
    values = get_variable_values(schema, operation.variable_definitions, inputs, max_errors=1)
    return None if isinstance(values, list) else values
