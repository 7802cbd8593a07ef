"""graphql-core's executor, for operations without a plan and for plans that bailed out."""

from functools import cached_property
from typing import Any

from graphql import GraphQLError, is_introspection_type

from connect_hub.api.execution.introspection import Introspection
from connect_hub.api.execution.plans import Completed
from connect_hub.api.strawberry_internals import CoreExecutor


class FallbackExecutor(CoreExecutor):
    """Strawberry's executor, with faster introspection and the results that a plan completed."""

    @cached_property
    def _introspection(self) -> Introspection:
        return Introspection(self)

    def complete_value(self, *arguments: Any) -> Any:
        """Return the result that a plan completed, or let graphql-core complete the value."""
        value = arguments[4]
        if isinstance(value, Completed):
            return value.result
        return super().complete_value(*arguments)

    def complete_object_value(self, *arguments: Any) -> Any:
        """Complete an object: those of introspection by our own code, others by graphql-core."""
        type_, details, _info, _path, value, *_ = arguments
        if is_introspection_type(type_):
            try:
                return self._introspection.complete(type_, details, value)
            except GraphQLError:
                raise
            except Exception:  # noqa: BLE001, S110 (graphql-core reports it with its path)
                pass
        return super().complete_object_value(*arguments)
