"""Ariadne on asyncpg, as its documentation has it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ariadne import (  # type: ignore[import-not-found]  # of requirements.txt
    ObjectType,
    QueryType,
    ScalarType,
    load_schema_from_path,
    make_executable_schema,
)
from ariadne.asgi import GraphQL  # type: ignore[import-not-found]  # likewise
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from tests.bench.servers import statements
from tests.bench.servers.serving import pool_of_connections, serve
from tests.bench.servers.tokens import viewer_of


async def me(_root: None, info: Any) -> dict[str, Any]:
    use = info.context
    return dict(await use["pool"].fetchrow(statements.VIEWER, *use["viewer"]))


async def invited_clients(viewer: dict[str, Any], info: Any, first: int) -> dict[str, Any]:
    rows = await info.context["pool"].fetch(statements.PAGE, viewer["id"], first + 1)
    return {"nodes": [dict(row) for row in rows[:first]]}


def shown(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds")[:-6] + "Z"


def context(request: Request, _data: Any) -> dict[str, Any]:
    return {"viewer": viewer_of(request.headers), "pool": request.app.state.pool}


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with pool_of_connections() as app.state.pool:
        yield


query, client = QueryType(), ObjectType("Client")
query.set_field("me", me)
client.set_field("invitedClients", invited_clients)
schema = make_executable_schema(
    load_schema_from_path(str(Path(__file__).with_name("schema.graphql"))),
    *(query, client, ScalarType("DateTime", serializer=shown)),
    convert_names_case=True,
)
routes = [Route("/graphql", GraphQL(schema, context_value=context))]
serve(Starlette(routes=routes, lifespan=lifespan))
