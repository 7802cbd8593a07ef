"""The command `connect-hub`."""

import asyncio
import errno
import os
import signal
import socket
import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, NoReturn

import click
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from connect_hub import database, embedded, keys, logs, pages, sms
from connect_hub.api.schema import schema as graphql_schema
from connect_hub.app import create_app
from connect_hub.protocol import BoundedProtocol
from connect_hub.settings import Settings, StartupError, load


class _Group(click.Group):
    """Ends each command that cannot go on with its one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StartupError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Group)
@click.version_option(package_name="connect-hub")
def main() -> None:
    """Sign people in by phone, and let them invite each other."""


@main.command()
@click.option("--host", help="Address to listen on.  [setting HOST]")
@click.option("--port", type=int, help="Port to listen on.  [setting PORT]")
@click.option("--workers", type=int, help="Processes that serve.  [setting WORKERS]")
def serve(**options: str | int | None) -> None:
    """Serve on HTTP, with an embedded PostgreSQL unless DATABASE_URL is set."""
    for name, value in options.items():
        if value is not None:
            os.environ[name.upper()] = str(value)  # workers read it there too
    settings = load()
    logs.configure()
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _exit)  # closes what is open, and ends well: it was asked for
    with _listening(settings) as listening, _database(settings):
        create_app(settings)  # so that what is wrong is said once, and not by each worker
        applied = asyncio.run(database.migrate(database.tortoise_config(settings)))
        _say_where(settings, port=listening.getsockname()[1], applied=applied)
        config = uvicorn.Config(
            "connect_hub.app:serving",
            factory=True,
            workers=settings.workers,
            loop="uvloop",
            http=BoundedProtocol,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        if settings.workers == 1:
            uvicorn.Server(config).run([listening])
        else:
            supervisor = Multiprocess(config, [listening])
            supervisor.run()
            if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
                sys.exit(STARTUP_FAILURE)


@main.command()
def migrate() -> None:
    """Bring the database to the newest version; beside a running server, too."""
    settings = load()
    try:
        with _database(settings, patience=timedelta()):
            applied = asyncio.run(database.migrate(database.tortoise_config(settings)))
    except embedded.InUseError:  # a server runs on it: join
        applied = asyncio.run(database.migrate(database.tortoise_config(settings)))
    click.echo("\n".join(f"Applied {name}." for name in applied) or "The database is up to date.")


@main.command()
def schema() -> None:
    """Print the GraphQL schema in its definition language."""
    click.echo(graphql_schema.as_str())


@main.command()
def secret() -> None:
    """Print a fresh SECRET_KEY."""
    click.echo(keys.new_secret())


def _exit(*_: object) -> NoReturn:
    sys.exit(0)


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise StartupError(
                f"{where} is in use: stop the program that listens there, or choose another --port."
            ) from None
        raise StartupError(
            f"Cannot listen on {where} ({error.strerror}): choose another --host or --port."
        ) from None


def _database(settings: Settings, **options: timedelta) -> AbstractContextManager[None]:
    return embedded.running(settings.data_dir, **options) if settings.embedded else nullcontext()


def _say_where(settings: Settings, *, port: int, applied: list[str]) -> None:
    if settings.embedded:
        click.echo(f"Data:     {settings.data_dir} (embedded PostgreSQL)")
    for name in applied:
        click.echo(f"Migrated: {name}")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if pages.are_built():
        click.echo(f"Web:      http://{host}:{port}")
    else:
        click.echo("Web:      not built; GraphiQL loads its scripts from a CDN")
    click.echo(f"GraphQL:  http://{host}:{port}/graphql" + (" (GraphiQL)" * settings.graphiql))
    if sms.sender_from(settings.sms_urls).simulated:
        click.echo("SMS:      simulated; each code is handed to whoever asks for it")
    click.echo("Stop with Ctrl-C.")
