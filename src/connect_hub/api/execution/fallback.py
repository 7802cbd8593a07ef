"""graphql-core's executor, for what has no plan or met a surprise."""

from functools import cached_property
from typing import Any

from graphql import GraphQLError, is_introspection_type
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from connect_hub.api.execution.introspection import Introspection
from connect_hub.api.execution.plans import Answered


class OurExecutor(StrawberryGraphQLCoreExecutionContext):
    """Leaves introspection to a walk of ours, and takes what a plan has answered before."""

    @cached_property
    def _introspection(self) -> Introspection:
        return Introspection(self)

    def complete_value(self, *where_and_value: Any) -> Any:
        """Answer a value, by its type."""
        value = where_and_value[4]
        if isinstance(value, Answered):
            return value.answer
        return super().complete_value(*where_and_value)

    def complete_object_value(self, *type_and_details: Any) -> Any:
        """Answer the fields that are selected of an object."""
        type_, details, _info, _path, value, *_ = type_and_details
        if is_introspection_type(type_):
            try:
                return self._introspection.answer(type_, details, value)
            except GraphQLError:
                raise
            except Exception:  # noqa: BLE001, S110 (whatever it is, graphql-core says where)
                pass
        return super().complete_object_value(*type_and_details)
