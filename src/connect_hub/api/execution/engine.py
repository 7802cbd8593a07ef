"""Turns GraphQL requests into executors; HTTP and WebSocket share it."""

from dataclasses import dataclass, field
from typing import Any

import orjson
import strawberry
from graphql import ExecutionResult, GraphQLError, OperationType

from connect_hub.api import execution
from connect_hub.api.context import Context
from connect_hub.api.execution.documents import Documents, InvalidDocumentError, TrustedDocuments
from connect_hub.api.execution.executor import build_executor
from connect_hub.api.execution.plan_execution import PlanExecution
from connect_hub.api.execution.prepared_document import PreparedDocument
from connect_hub.api.execution.query_limits import MAX_ERRORS
from connect_hub.api.execution.turns import Turns
from connect_hub.api.strawberry_internals import core_schema
from connect_hub.settings import Settings


@dataclass(slots=True)
class Parameters:
    """The parameters of a GraphQL request: a document or the hash of a trusted one, and so on."""

    query: str | None
    document_id: str | None
    operation_name: str | None
    variables: dict[str, Any] | None = field(repr=False)


class Engine:
    """Prepares documents and builds their executors, for one schema."""

    def __init__(self, schema: strawberry.Schema, settings: Settings) -> None:
        self._schema = core_schema(schema)
        self._turns = Turns()
        self._introspection = settings.introspection
        self._documents = Documents(self._schema, introspection=settings.introspection)
        self._trusted = TrustedDocuments(settings.trusted_documents, self._documents)
        self._has_manifest = settings.trusted_documents is not None
        self._trusted_only = settings.trusted_documents_only

    async def prepare(self, parameters: Parameters, context: Context) -> PreparedDocument:
        """Return the valid document of a request, when it is the turn of the client's network.

        Raises:
            InvalidDocumentError: the document is invalid, too expensive, unknown or not trusted.
        """
        # Parsed variables may take 30 times as much memory as their text, in each waiting request.
        variables, parameters.variables = orjson.dumps(parameters.variables), None
        async with self._turns.take(context.address):
            parameters.variables = orjson.loads(variables)
            return self._documents.prepare(self._text(parameters))

    def cached(self, parameters: Parameters) -> PreparedDocument | None:
        """Return the document of a request if it is cached.

        Raises:
            InvalidDocumentError: the document is unknown or not trusted.
        """
        return self._documents.cache.get(self._text(parameters))

    async def execute(self, executor: Any, context: Context) -> ExecutionResult:
        """Execute an operation."""
        is_query = executor.operation.operation is OperationType.QUERY
        if isinstance(executor, PlanExecution) or not is_query:
            return await execution.execute(executor)  # cheap, or waits for a gateway
        async with self._turns.take(context.address):
            return await execution.execute(executor)

    def executor(self, prepared: PreparedDocument, parameters: Parameters, context: Context) -> Any:
        """Build an executor of the request's operation, or return a list of errors."""
        return build_executor(
            self._schema,
            prepared.document,
            prepared.plans,
            context_value=context,
            raw_variable_values=parameters.variables,
            operation_name=parameters.operation_name,
            max_coercion_errors=MAX_ERRORS,
            hide_suggestions=not self._introspection,
        )

    def _text(self, parameters: Parameters) -> str:
        """Return the document that was sent, or the trusted one whose hash was sent.

        Clients that send only the hash at first recognise the miss by the message (urql) or by the
        code (Apollo), and then send the document.
        """
        trusted = parameters.document_id and self._trusted.get(parameters.document_id)
        text = trusted or (None if self._trusted_only else parameters.query)
        if text is not None:
            return text
        if parameters.document_id is None:
            raise _miss("Send the hash of a trusted document.", code="PERSISTED_QUERY_REQUIRED")
        if self._has_manifest:
            raise _miss("PersistedQueryNotFound", code="PERSISTED_QUERY_NOT_FOUND")
        raise _miss("PersistedQueryNotSupported", code="PERSISTED_QUERY_NOT_SUPPORTED")


def _miss(message: str, *, code: str) -> InvalidDocumentError:
    return InvalidDocumentError([GraphQLError(message)], code=code)
