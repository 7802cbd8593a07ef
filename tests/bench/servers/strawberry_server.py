"""Strawberry on Tortoise with `prefetch_related`, as their documentations have it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import strawberry
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig
from strawberry.types.scalar import ScalarDefinition
from tortoise.contrib.starlette import RegisterTortoise
from tortoise.query_utils import Prefetch

from connect_hub.database import models
from connect_hub.database.config import serving_config
from connect_hub.settings import load
from tests.bench.servers.serving import serve
from tests.bench.servers.tokens import viewer_of

SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        serialize=lambda moment: moment.isoformat(timespec="milliseconds")[:-6] + "Z",
    )
}


@strawberry.type
class InvitedClient:
    id: strawberry.ID
    phone: str
    invited_at: datetime


@strawberry.type
class InvitedClientConnection:
    nodes: list[InvitedClient]


@strawberry.type
class Client:
    row: strawberry.Private[models.Client]
    id: strawberry.ID
    phone: str
    invitation_code: str

    @strawberry.field
    def someone_invitation_code(self) -> str | None:
        return self.row.inviter.invitation_code if self.row.inviter else None

    @strawberry.field
    def invited_clients(self, first: int = 20) -> InvitedClientConnection:
        return InvitedClientConnection(
            nodes=[
                InvitedClient(
                    id=strawberry.ID(str(row.id)),
                    phone=row.phone or "",
                    invited_at=row.invited_at,  # type: ignore[arg-type]  # is set for each
                )
                for row in self.row.invited.related_objects[:first]
            ]
        )


@strawberry.type
class Query:
    @strawberry.field
    async def me(self, info: strawberry.Info) -> Client | None:
        viewer = viewer_of(info.context["request"].headers)
        latest_first = models.Client.filter(deleted_at=None).order_by("-invited_at", "-id")
        living = models.Client.filter(
            id=viewer.client_id,
            deleted_at=None,
            sessions__id=viewer.session_id,
            sessions__generation__gte=viewer.generation,
            sessions__expires_at__gt=datetime.now(UTC),
        )
        row = await living.get_or_none().prefetch_related(
            "inviter", Prefetch("invited", queryset=latest_first)
        )
        if row is None:
            return None
        return Client(
            row=row,
            id=strawberry.ID(str(row.id)),
            phone=row.phone or "",
            invitation_code=row.invitation_code,
        )


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with RegisterTortoise(app, config=serving_config(load()).tortoise):
        yield


schema = strawberry.Schema(Query, config=StrawberryConfig(scalar_map=SCALARS))
serve(Starlette(routes=[Route("/graphql", GraphQL(schema))], lifespan=lifespan))
