import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from time import process_time
from typing import Any

import httpx
import pytest
from graphql import build_client_schema, get_introspection_query, print_schema
from starlette.applications import Starlette

from connect_hub.api.schema import schema
from connect_hub.app import create_app
from connect_hub.settings import Settings, StartupError
from tests.hub import Hub

ME = "query Me { me { id } }"
HASH = sha256(ME.encode()).hexdigest()


def _app(settings: Settings, **changed: Any) -> Starlette:
    return create_app(settings.model_copy(update=changed))


async def _asked(app: Starlette, body: dict[str, Any] | None = None, **options: Any) -> Any:
    """Ask another application on the same database, as one replica beside the other."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        if body is None:
            return await http.get("/graphql", **options)
        return await http.post("/graphql", json=body, **options)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps({HASH: ME}))
    return file
