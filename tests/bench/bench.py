"""A filled database, and the servers that run on it."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from connect_hub.database import embedded
from connect_hub.database.config import serving_config
from connect_hub.database.migrations import migrate
from connect_hub.security.access_tokens import AccessTokens
from connect_hub.security.keys import Keys, new_secret
from connect_hub.settings import Settings
from tests.bench import data, fleet
from tests.bench.client import WrongAnswerError, ask_once, request
from tests.bench.measure import Contender, Server
from tests.bench.operations import ME, Operation


class Bench:
    """Everything that runs; it ends with the stack."""

    def __init__(self, stack: ExitStack, folder: Path, invited: list[int]) -> None:
        self.stack, self.folder = stack, folder
        self.secret = new_secret()
        self.keys = Keys(self.secret)
        self.clients = max(invited)
        self._tokens = AccessTokens(
            self.keys, issuer="connect-hub", audience="connect-hub", lifetime=timedelta(hours=1)
        )
        self._servers: dict[str, Server] = {}
        self._newcomers = 0
        stack.enter_context(embedded.running(folder))
        self.url = self.url_of(embedded.DATABASE)
        self.inviters = self.fill(self.url, invited)

    def url_of(self, name: str) -> str:
        """Return the URL of a database of this PostgreSQL."""
        socket = quote(str(embedded.socket_folder(self.folder)), safe="")
        return f"postgresql://{embedded.USER}@/{name}?host={socket}"

    def fill(self, url: str, invited: list[int]) -> dict[int, UUID]:
        """Migrate a database and fill it."""
        settings = Settings(
            _env_file=None, database_url=url, secret_key=self.secret, sms_urls=("simulated://",)
        )
        asyncio.run(migrate(serving_config(settings)))
        return data.fill(url, invited)

    def server(self, name: str) -> Server:
        """Return a server; it is started at its first use."""
        if name not in self._servers:
            started = fleet.running(
                name,
                fleet.environment(self.secret, DATABASE_URL=self.url),
                ready=self.asking(name, ME, token=self.token(10)),
                folder=self.folder,
            )
            self._servers[name] = self.stack.enter_context(started)
        return self._servers[name]

    def token(self, invited: int) -> str:
        """Sign in the client with this number of invited clients."""
        return self.token_of(self.inviters[invited])

    def token_of(self, client: UUID) -> str:
        """Sign in a client; each token is another one."""
        now = datetime.now(UTC)  # the session has the client's id
        return self._tokens.issue(client, session_id=client, generation=0, now=now).value

    def newcomers(self, count: int) -> list[UUID]:
        """Create clients whom nobody invited."""
        self._newcomers += count
        return data.newcomers(self.url, self._newcomers - count, count)

    def asking(
        self, name: str, operation: Operation, *, token: str | None = None, **variables: Any
    ) -> bytes:
        """Write a request; the floor has a route for each operation."""
        body = json.dumps({"query": operation.document, "variables": variables}).encode()
        path = f"/{operation.route}" if name == "floor" else "/graphql"
        return request(path, body, token=token)

    def same(
        self, names: list[str], operation: Operation, *, token: str, **variables: Any
    ) -> dict[str, Contender]:
        """Measure servers that get the same request again and again.

        Raises:
            WrongAnswerError: they do not answer the same.
        """
        contenders, answers = {}, {}
        for name in names:
            asked = self.asking(name, operation, token=token, **variables)
            body = ask_once(self.server(name).port, asked)
            answers[name] = json.loads(body)
            contenders[name] = Contender(self.server(name), itertools.repeat(asked), body.__eq__)
        for name, answer in answers.items():
            if answer != answers[names[0]]:
                raise WrongAnswerError(f"{name}: {answer}, {names[0]}: {answers[names[0]]}")
        return contenders

    def each_once(
        self,
        servers: Mapping[str, Server],
        operation: Operation,
        inputs: Iterable[tuple[dict[str, str], str | None]],
    ) -> dict[str, Contender]:
        """Measure servers that share inputs, each used once: variables and a token."""

        def requests(name: str) -> Iterator[bytes]:
            for variables, token in inputs:
                yield self.asking(name, operation, token=token, **variables)

        return {
            name: Contender(server, requests(name), lambda body: operation.right in body)
            for name, server in servers.items()
        }

    def statements(self, contender: Contender) -> int:
        """Count what a server sends to the database for one request, by PostgreSQL's own log."""
        data.log_statements(self.url, on=True)
        log = self.folder / "postgres.log"
        counts = []
        for _ in range(3):  # the first may prepare, and a sweep may come between
            before = len(log.read_text())
            ask_once(contender.server.port, next(contender.requests))
            time.sleep(0.1)
            counts.append(log.read_text()[before:].count("LOG:  execute"))
        data.log_statements(self.url, on=False)
        return min(counts)
