"""Compiles operations when they are first used, and executes them."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any, NamedTuple, cast

from graphql import (
    DirectiveNode,
    DocumentNode,
    ExecutionResult,
    GraphQLResolveInfo,
    GraphQLSchema,
    MiddlewareManager,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_variable_values,
    visit,
)
from graphql.execution import Executor
from graphql.execution.values import VariableValues

from connect_hub.api.execution.compiler import CompiledOperation, Compiler
from connect_hub.api.execution.fallback import FallbackExecutor
from connect_hub.api.execution.plans import Resolved
from connect_hub.database.connections import ConnectionScope, SharedConnectionScope


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


class PlanExecution:
    """The execution of a plan for one request.

    Args:
        compiled: the operation and its plan.
        variables: of the request, coerced.
        context: of the request.
        build_fallback: builds graphql-core's executor.
    """

    __slots__ = ("_build_fallback", "_compiled", "context", "resolved", "variable_values")

    def __init__(
        self,
        compiled: CompiledOperation,
        variables: VariableValues,
        context: Any,
        build_fallback: Callable[[], Any],
    ) -> None:
        self._compiled = compiled
        self._build_fallback = build_fallback
        self.context = context
        self.variable_values = variables
        self.resolved: list[Resolved] = []

    @property
    def operation(self) -> Any:
        """The operation's node in the document."""
        return self._compiled.operation

    async def execute_operation(self) -> Any:
        """Execute the plan; if it bails out, let graphql-core finish."""
        read, is_async = self._compiled.plan.read, self._compiled.plan.is_async
        try:
            if not is_async:
                data = read(None)
            elif self.operation.operation is OperationType.QUERY:
                async with ConnectionScope():  # a plan calls one resolver after the other
                    data = await read(None, self)
            else:
                data = await read(None, self)
        except Exception:  # noqa: BLE001 (graphql-core meets the same exception and reports it)
            executor = self._build_fallback()
            executor.middleware_manager = MiddlewareManager(ReplayMiddleware(self.resolved))
            return await execute(executor)
        return ExecutionResult(data)


async def execute(executor: Any) -> ExecutionResult:
    """Execute an operation by an executor that `build_executor` returned."""
    is_mutation = executor.operation.operation is OperationType.MUTATION
    if isinstance(executor, PlanExecution) or is_mutation:
        return await _result(executor)
    async with SharedConnectionScope():  # graphql-core runs the resolvers of a query concurrently
        return await _result(executor)


async def _result(executor: Any) -> ExecutionResult:
    result = executor.execute_operation()
    completed: ExecutionResult = await result if isawaitable(result) else result
    return completed


class ReplayMiddleware:
    """A middleware of graphql-core: replays what resolvers returned before a plan bailed out."""

    def __init__(self, resolved: list[Resolved]) -> None:
        self._resolved = {path: (value, error) for path, value, error in resolved}

    def resolve(
        self, resolve: Any, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any
    ) -> Any:
        """Return or raise what a resolver did, or call it if the plan has not."""
        if info.path not in self._resolved:
            return resolve(source, info, **arguments)
        replay = _replay_async if iscoroutinefunction(resolve) else _replay
        return replay(*self._resolved[info.path])


def _replay(value: Any, error: Exception | None) -> Any:
    if error:
        raise error
    return value


async def _replay_async(value: Any, error: Exception | None) -> Any:
    return _replay(value, error)
