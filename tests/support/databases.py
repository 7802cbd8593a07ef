"""Databases that one test may spoil: each has a role of its own, which owns it."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg

from connect_hub.database.url import parse_url
from connect_hub.security.keys import new_secret


@dataclass
class Database:
    """An empty database, and the role that owns it; both have the same name."""

    server: str  # URL of the superuser
    name: str

    @property
    def url(self) -> str:
        """How its owner connects."""
        return f"{self.server}&user={self.name}&dbname={self.name}"

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a server that uses it."""
        return {"DATABASE_URL": self.url, "SECRET_KEY": new_secret()}

    def execute(self, sql: str, *values: object) -> list[Any]:
        """Run a statement in it as superuser; `{name}` is replaced by its name."""
        return execute(f"{self.server}&dbname={self.name}", sql.format(name=self.name), *values)

    @property
    def socket(self) -> str:
        """The unix socket of its server."""
        (folder,) = parse_qs(urlsplit(self.server).query)["host"]
        return f"{folder}/.s.PGSQL.5432"

    def disconnect(self) -> None:
        """End every session of its owner, so that new ones get the current defaults."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"
        )

    @property
    def tables(self) -> set[str]:
        """Names of what there is in its schema `public`."""
        rows = self.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
        return {row["relname"] for row in rows}


def create(server: str, options: str = "") -> Database:
    """Create a database, with options of CREATE DATABASE."""
    name = f"hub_{uuid4().hex[:12]}"
    execute(server, f"CREATE ROLE {name} LOGIN")
    execute(server, f"CREATE DATABASE {name} OWNER {name} {options}")
    return Database(server, name)


def execute(url: str, sql: str, *values: object) -> list[Any]:
    """Run a statement on a connection of its own."""

    async def executed() -> list[Any]:
        writable = {"default_transaction_read_only": "off"}  # whatever the database's default is
        connection = await asyncpg.connect(**parse_url(url) | {"server_settings": writable})
        try:
            rows: list[Any] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()

    return asyncio.run(executed())
