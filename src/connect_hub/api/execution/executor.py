"""Where plans are made, kept and followed."""

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

from connect_hub.api.execution.compiler import Compiled, Compiler
from connect_hub.api.execution.fallback import OurExecutor
from connect_hub.api.execution.plans import Outcome
from connect_hub.database.connections import OneConnection, SharedConnection


class Conditional(NamedTuple):
    """An operation whose selection depends on variables: it has a plan for each of their values."""

    operation: OperationDefinitionNode
    variables: tuple[str, ...]  # that directives ask for


Plans = dict[Any, Compiled | Conditional | None]
"""Of one document: by the name of an operation, and by that with the values of its conditions."""

MAX_PLANS = 16  # of one document, where conditions have several
_NO_VARIABLES = VariableValues({}, {})


def build(schema: GraphQLSchema, document: DocumentNode, plans: Plans, **request: Any) -> Any:
    """Build what executes a request, or tell its errors.

    Args:
        schema: Strawberry's.
        document: valid for it.
        plans: of this document.
        request: what graphql-core's executor is built with.

    Returns:
        What has `operation` and `execute_operation()`, a run of the operation's plan or
        graphql-core's executor; or a list of errors.
    """
    build_executor = partial(OurExecutor.build, schema, document, **request)
    name = request.get("operation_name")
    if name not in plans:
        executor = build_executor()
        if isinstance(executor, list):
            return executor
        conditions = _conditions(executor)
        plans[name] = (
            Conditional(executor.operation, conditions) if conditions else _compiled(executor)
        )
    plan = plans[name]
    variables = plan and _coerced(schema, plan.operation, request)
    if isinstance(plan, Conditional) and variables:
        plan = _for_values(plan, plans, name, variables, build_executor)
    if isinstance(plan, Compiled) and variables:
        return Run(plan, variables, request.get("context_value"), build_executor)
    return build_executor()


def _for_values(
    conditional: Conditional,
    plans: Plans,
    name: str | None,
    variables: VariableValues,
    build_executor: Callable[[], Any],
) -> Compiled | None:
    """Find the plan for these values of conditions; few are kept, for there may be 2²⁰."""
    values = {condition: variables.coerced.get(condition) for condition in conditional.variables}
    key = name, *values.values()
    if key in plans:
        return cast("Compiled | None", plans[key])
    plan = _compiled(build_executor(), values)
    if len(plans) < MAX_PLANS:
        plans[key] = plan
    return plan


def _conditions(executor: Executor[Any]) -> tuple[str, ...]:
    """Tell which variables the directives of an operation ask for."""
    found = _InDirectives()
    for node in (executor.operation, *executor.fragment_definitions.values()):
        if node.loc and "@" in node.loc.source.body:
            visit(node, found)
    return tuple(found.variables)


class _InDirectives(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.variables: dict[str, None] = {}

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.variables[argument.value.name.value] = None


def _compiled(executor: Executor[Any], values: Mapping[str, Any] | None = None) -> Compiled | None:
    """Plan an operation; the plan outlives the request, of which it keeps its conditions."""
    executor.context_value = None
    executor.async_helpers = None  # type: ignore[assignment]  # or each would refer to the other
    executor.variable_values = VariableValues({}, dict(values or {}))
    return Compiler(executor).operation()


class Run:
    """The plan of an operation, for one request."""

    __slots__ = ("_build", "_compiled", "context", "outcomes", "variable_values")

    def __init__(
        self,
        compiled: Compiled,
        variables: VariableValues,
        context: Any,
        build: Callable[[], Any],
    ) -> None:
        self._compiled = compiled
        self._build = build
        self.context = context
        self.variable_values = variables
        self.outcomes: list[Outcome] = []

    @property
    def operation(self) -> Any:
        """The node of the operation."""
        return self._compiled.operation

    async def execute_operation(self) -> Any:
        """Follow the plan; at a surprise let graphql-core finish."""
        read, waits = self._compiled.plan.read, self._compiled.plan.waits
        try:
            if not waits:
                data = read(None)
            elif self.operation.operation is OperationType.QUERY:
                async with OneConnection():  # of which the resolvers take turns
                    data = await read(None, self)
            else:
                data = await read(None, self)
        except Exception:  # noqa: BLE001 (whatever it is, graphql-core says it)
            executor = self._build()
            executor.middleware_manager = MiddlewareManager(_Known(self.outcomes))
            return await executed(executor)
        return ExecutionResult(data)


async def executed(executor: Any) -> ExecutionResult:
    """Execute an operation by whatever `build` gave."""
    if isinstance(executor, Run) or executor.operation.operation is OperationType.MUTATION:
        return await _result(executor)
    async with SharedConnection():  # graphql-core calls the resolvers of a query at once
        return await _result(executor)


async def _result(executor: Any) -> ExecutionResult:
    result = executor.execute_operation()
    answer: ExecutionResult = await result if isawaitable(result) else result
    return answer


class _Known:
    """A middleware of graphql-core: what resolvers came to before a surprise."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self._outcomes = {path: (value, error) for path, value, error in outcomes}

    def resolve(
        self, resolve: Any, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any
    ) -> Any:
        """Give what a resolver came to, or call it if it has not been."""
        if info.path not in self._outcomes:
            return resolve(source, info, **arguments)
        outcome = self._outcomes[info.path]
        return _later(*outcome) if iscoroutinefunction(resolve) else _now(*outcome)


def _now(value: Any, error: Exception | None) -> Any:
    if error:
        raise error
    return value


async def _later(value: Any, error: Exception | None) -> Any:
    return _now(value, error)


def _coerced(
    schema: GraphQLSchema, operation: OperationDefinitionNode, request: dict[str, Any]
) -> VariableValues | None:
    if not operation.variable_definitions:
        return _NO_VARIABLES
    given = request.get("raw_variable_values") or {}
    values = get_variable_values(schema, operation.variable_definitions, given, max_errors=1)
    return None if isinstance(values, list) else values
