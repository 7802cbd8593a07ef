"""Serves the floor: a route for each operation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from tests.bench.servers.floor.sessions import login, refresh, register, request_code
from tests.bench.servers.floor.viewer import apply_invite, me
from tests.bench.servers.serving import pool_of_connections, serve

ENDPOINTS = [me, apply_invite, request_code, register, login, refresh]


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with pool_of_connections() as app.state.pool:
        yield


routes = [Route(f"/{endpoint.__name__}", endpoint, methods=["POST"]) for endpoint in ENDPOINTS]
serve(Starlette(routes=routes, lifespan=lifespan))
