"""How the floor and the peers of Python are served: as `connect-hub serve` does it."""

import os
from typing import Any

import asyncpg
import uvicorn
from starlette.applications import Starlette


def serve(app: Starlette | Any) -> None:
    """Serve on the port that was given, until SIGTERM."""
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )


def pool_of_connections() -> Any:
    """Make a pool of asyncpg: as large as Connect Hub's, and as lean at each release."""
    return asyncpg.create_pool(
        os.environ["DATABASE_URL"],
        min_size=1,
        max_size=10,
        reset=_keep_session,
        server_settings={"timezone": "UTC", "jit": "off"},
    )


async def _keep_session(_connection: object) -> None:
    pass
