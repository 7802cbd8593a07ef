"""`connect-hub serve`: the server, with its embedded database."""

import asyncio
import errno
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import NoReturn

import click
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from connect_hub import sms
from connect_hub.app import create_app
from connect_hub.cli.migrate import apply_migrations
from connect_hub.database import checks, embedded
from connect_hub.domain import phone_numbers
from connect_hub.observability import logs, metrics
from connect_hub.server import web_client
from connect_hub.server.uvicorn_options import OPTIONS
from connect_hub.settings import Settings, StartupError, load_to_serve, renamed_settings
from connect_hub.sms import exposure


@click.command()
@click.option("--host", help="Address to listen on.  [setting HOST]")
@click.option("--port", type=int, help="Port to listen on.  [setting PORT]")
@click.option("--workers", type=int, help="Processes that serve.  [setting WORKERS]")
def serve(**options: str | int | None) -> None:
    """Serve on HTTP, with an embedded PostgreSQL unless DATABASE_URL is set."""
    settings = _load_settings(options)
    logs.configure()
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _exit)  # until uvicorn handles them, and again after that
    _raise_file_limit()
    with (
        _listen(settings) as listening,
        _run_database(settings),
        metrics.serve_metrics(settings) as metrics_port,
    ):
        create_app(settings)  # reports a wrong setting once, not in each worker
        applied = asyncio.run(_prepare_database(settings))
        ports = listening.getsockname()[1], metrics_port
        _print_addresses(settings, ports=ports, applied=applied)
        _run_uvicorn(settings, listening)


def _load_settings(options: Mapping[str, str | int | None]) -> Settings:
    for name, value in options.items():
        if value is not None:
            os.environ[name.upper()] = str(value)  # workers read it too
    for line in renamed_settings():
        click.echo(line, err=True)
    settings = load_to_serve()
    if sms.create_sender(settings).simulated:
        exposure.check(settings)
    return settings


def _exit(*_: object) -> NoReturn:
    """Exit with 0, as it was requested; the contexts of `serve` close."""
    sys.exit(0)


def _raise_file_limit() -> None:
    """Raise the limit of open files, often 1024, to its maximum: connections are files."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems report "infinity", but reject it
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


def _listen(settings: Settings) -> socket.socket:
    address = settings.host, settings.port
    try:
        families = {found[0] for found in socket.getaddrinfo(*address, type=socket.SOCK_STREAM)}
        family = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
        return socket.create_server(address, family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        where = f"{settings.host} port {settings.port}"
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise StartupError(
                f"{where} is in use: stop the program that listens there, or choose another --port."
            ) from None
        reason = getattr(error, "strerror", None) or error
        raise StartupError(
            f"Cannot listen on {where} ({reason}): choose another --host or --port."
        ) from None


def _run_uvicorn(settings: Settings, listening: socket.socket) -> None:
    """Serve until a signal; `server/shutdown.py` says what happens then."""
    config = uvicorn.Config(
        "connect_hub.app:create_serving_app",
        factory=True,
        workers=settings.workers,
        lifespan="on",
        **OPTIONS,
        timeout_keep_alive=round(settings.keep_alive.total_seconds()),
        timeout_graceful_shutdown=round(settings.shutdown_timeout.total_seconds()),
    )
    if settings.workers == 1:
        uvicorn.Server(config).run([listening])
        return
    supervisor = Multiprocess(config, [listening])
    supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


def _run_database(settings: Settings) -> AbstractContextManager[None]:
    return embedded.running(settings.data_dir) if settings.embedded else nullcontext()


async def _prepare_database(settings: Settings) -> list[str]:
    applied = await apply_migrations(settings)
    await checks.check(settings)
    return applied


def _print_addresses(
    settings: Settings, *, ports: tuple[int, int | None], applied: list[str]
) -> None:
    if settings.embedded:
        click.echo(f"Data:     {settings.data_dir} (embedded PostgreSQL)")
    for name in applied:
        click.echo(f"Migrated: {name}")
    port, metrics_port = ports
    served = f"http://{_url_host(settings.host)}:{port}"
    if web_client.are_built():
        click.echo(f"Web:      {served}")
    else:
        click.echo("Web:      not built; GraphiQL loads its scripts from a CDN")
    click.echo(f"GraphQL:  {served}/graphql" + (" (GraphiQL)" * settings.graphiql))
    if metrics_port:
        click.echo(f"Metrics:  http://{_url_host(settings.metrics_host)}:{metrics_port}/metrics")
    sender = sms.create_sender(settings)
    click.echo(f"SMS:      {sender}")
    if sender.simulated and (exposed_by := exposure.find_exposure(settings)):
        click.echo(f"Warning:  {exposure.SIMULATION_NOTICE} {exposed_by}.")
    for test in settings.test_phones:
        if test.is_active:
            number = phone_numbers.mask(test.number)
            click.echo(f"Test:     {number} until {test.until}, by a fixed code, without SMS")
    click.echo("Stop with Ctrl-C.")


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
