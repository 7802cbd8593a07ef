"""Executes plans; graphql-core finishes those that bail out."""

from collections.abc import Callable
from contextlib import nullcontext
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from graphql import ExecutionResult, GraphQLResolveInfo, MiddlewareManager, OperationType
from graphql.execution.values import VariableValues

from connect_hub.api.execution.compiler import CompiledOperation
from connect_hub.api.execution.plans import Resolved
from connect_hub.database.connections import ConnectionScope, SharedConnectionScope


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
    # graphql-core runs the resolvers of a query concurrently.
    is_shared = not (is_mutation or isinstance(executor, PlanExecution))
    async with SharedConnectionScope() if is_shared else nullcontext():
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
