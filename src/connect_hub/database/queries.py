"""Query sets of Tortoise whose SQL is rendered once, and models made of rows."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Generic, TypeVar
from uuid import UUID

from tortoise.models import Model
from tortoise.queryset import QuerySet

from connect_hub.database.connections import Row, fetch

MODEL = TypeVar("MODEL", bound=Model)

ANY_ID = UUID(int=0)  # stand in for values while a query is rendered
ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def model_of(model: type[MODEL], row: Row, **more: object) -> MODEL:
    """Make a model of a row that has its table's columns, and whatever else is to stand on it.

    Tortoise sets field by field, which takes as long as to fetch the row; asyncpg's values are of
    the types of the fields already.
    """
    made = model.__new__(model)
    vars(made).update(row, _saved_in_db=True, _partial=False, _await_when_save={}, **more)
    return made


class Rendered(Generic[MODEL]):
    """A query set whose SQL is rendered once: that takes longer than to run it.

    It is called with the query's values in the order of their placeholders, which is the order they
    are written in. Annotations become attributes of the models.
    """

    def __init__(self, query: Callable[[], QuerySet[MODEL]]) -> None:
        self._query = query

    @cached_property
    def _rendered(self) -> tuple[str, type[MODEL]]:
        query = self._query()  # at the first call: Tortoise has to know the models
        return query.sql(params_inline=False), query.model

    async def rows(self, *values: object) -> list[Row]:
        """Run it on Tortoise's connection."""
        return await fetch(self._rendered[0], *values)

    async def one(self, *values: object) -> MODEL | None:
        """Run it where there is one row or none."""
        sql, model = self._rendered
        for row in await fetch(sql, *values):
            return model_of(model, row)
        return None
