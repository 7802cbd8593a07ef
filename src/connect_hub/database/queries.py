"""Query sets whose SQL is rendered once, and models made from rows."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Generic, TypeVar
from uuid import UUID

from tortoise.models import Model
from tortoise.queryset import QuerySet

from connect_hub.database.connections import Row, fetch

MODEL = TypeVar("MODEL", bound=Model)

# Values with which a query set is written, and in whose place the statement has parameters.
ANY_ID = UUID(int=0)
ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def hydrate(model: type[MODEL], row: Row, **attributes: object) -> MODEL:
    """Make a model from a row of its table.

    Tortoise sets field by field, which costs as much as fetching the row. asyncpg's values have the
    types of the fields already.

    Args:
        model: its class.
        row: with the columns of its table.
        attributes: set on the model too, such as a related model.
    """
    instance = model.__new__(model)
    vars(instance).update(row, _saved_in_db=True, _partial=False, _await_when_save={}, **attributes)
    return instance


_PLACEHOLDER = re.compile(r"\$(\d+)")


class PreparedQuery(Generic[MODEL]):
    """A query set whose SQL is rendered once, since rendering costs more than running it.

    Pass the values in the order of their placeholders, which is the order in which the query set
    mentions them. Annotations become attributes of the models.

    Args:
        query: returns the query set; called at the first use, when Tortoise knows the models.
    """

    def __init__(self, query: Callable[[], QuerySet[MODEL]]) -> None:
        self._query = query

    @cached_property
    def _rendered(self) -> tuple[str, type[MODEL]]:
        query = self._query()
        return query.sql(params_inline=False), query.model

    def subquery(self, *expressions: str) -> str:
        """Return the SQL with an expression of the outer query in place of each placeholder."""
        return _PLACEHOLDER.sub(lambda match: expressions[int(match[1]) - 1], self._rendered[0])

    async def rows(self, *values: object) -> list[Row]:
        """Run the query and return its rows."""
        return await fetch(self._rendered[0], *values)

    async def one(self, *values: object) -> MODEL | None:
        """Run a query that finds at most one row, and return its model."""
        sql, model = self._rendered
        for row in await fetch(sql, *values):
            return hydrate(model, row)
        return None
