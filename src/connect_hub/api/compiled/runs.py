"""Where plans are made, kept and followed."""

from collections.abc import Callable
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLResolveInfo,
    GraphQLSchema,
    MiddlewareManager,
    OperationType,
    get_variable_values,
)
from graphql.execution.values import VariableValues
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as Executor

from connect_hub.api.compiled.compiler import Compiled, Compiler
from connect_hub.api.compiled.plans import Outcome
from connect_hub.statements import OneConnection, SharedConnection

Plans = dict[str | None, Compiled | None]
"""Of one document: by the name of the operation that is asked for."""

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
    build_executor = partial(Executor.build, schema, document, **request)
    name = request.get("operation_name")
    if name not in plans:
        executor = build_executor()
        if isinstance(executor, list):
            return executor
        # The plan outlives the request: nothing of it may stay.
        executor.context_value, executor.variable_values = None, _NO_VARIABLES
        plans[name] = Compiler(executor).operation()
    if compiled := plans[name]:
        variables = _coerced(schema, compiled, request)
        if variables is not None:
            return Run(compiled, variables, request.get("context_value"), build_executor)
    return build_executor()


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
    schema: GraphQLSchema, compiled: Compiled, request: dict[str, Any]
) -> VariableValues | None:
    definitions = compiled.operation.variable_definitions
    if not definitions:
        return _NO_VARIABLES
    values = get_variable_values(schema, definitions, request.get("raw_variable_values") or {})
    return None if isinstance(values, list) else values
