"""The command `connect-hub` and its subcommands."""

import asyncio
import errno
import os
import resource
import signal
import socket
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext, suppress
from io import TextIOWrapper
from time import monotonic
from typing import Any, NoReturn

import click
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from connect_hub import sms
from connect_hub.api.schema import schema as graphql_schema
from connect_hub.app import create_app
from connect_hub.cli.clients import clients
from connect_hub.cli.doctor import doctor
from connect_hub.cli.import_demo import import_demo
from connect_hub.cli.stats import stats
from connect_hub.database import checks, embedded, migrations
from connect_hub.database.config import migration_config, serving_config
from connect_hub.domain import phone_numbers
from connect_hub.domain.refusals import InvalidPhone
from connect_hub.observability import logs, metrics
from connect_hub.security import keys
from connect_hub.server import web_client
from connect_hub.server.uvicorn_options import OPTIONS
from connect_hub.settings import Settings, StartupError, load, load_to_serve, renamed_settings
from connect_hub.sms import exposure


class _Group(click.Group):
    """Prints an expected error of any command as one line."""

    def invoke(self, ctx: click.Context) -> Any:
        warnings.formatwarning = _format_warning
        if isinstance(sys.stdout, TextIOWrapper):  # its encoding may lack our characters
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except StartupError as error:
            raise click.ClickException(str(error)) from None
        except BrokenPipeError:  # the reader has gone: click exits silently
            raise
        except OSError as error:
            _discard_output()
            message = f"The operating system reports an error ({error}): fix it, and start again."
            raise click.ClickException(message) from None


def _discard_output() -> None:
    """Send pending output to /dev/null; Python would report a second error when it exits."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _format_warning(message: Warning | str, *_: object, **__: object) -> str:
    return f"Warning: {message}.\n"


@click.group(cls=_Group)
@click.version_option(package_name="connect-hub")
def main() -> None:
    """Sign people in by phone, and let them invite each other.

    All commands but serve can be used while a server is running.
    """


for command in (clients, doctor, import_demo, stats):
    main.add_command(command)


@main.command()
@click.option("--host", help="Address to listen on.  [setting HOST]")
@click.option("--port", type=int, help="Port to listen on.  [setting PORT]")
@click.option("--workers", type=int, help="Processes that serve.  [setting WORKERS]")
def serve(**options: str | int | None) -> None:
    """Serve on HTTP, with an embedded PostgreSQL unless DATABASE_URL is set."""
    for name, value in options.items():
        if value is not None:
            os.environ[name.upper()] = str(value)  # workers read it too
    for line in renamed_settings():
        click.echo(line, err=True)
    settings = load_to_serve()
    if sms.create_sender(settings).simulated:
        exposure.check(settings)
    logs.configure()
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _exit)  # closes resources and exits with 0, as it was requested
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
        else:
            supervisor = Multiprocess(config, [listening])
            supervisor.run()
            if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
                sys.exit(STARTUP_FAILURE)


@main.command()
def migrate() -> None:
    """Apply all migrations to the database."""
    settings = load()
    with embedded.start_or_join(settings.data_dir) if settings.embedded else nullcontext():
        applied = asyncio.run(_migrate(settings))
    click.echo("\n".join(f"Applied {name}." for name in applied) or "The database is up to date.")


@main.command()
@click.argument("number")
def sms_test(number: str) -> None:
    """Send a test message to a phone through each gateway of SMS_URLS, and print the results."""
    from connect_hub.sms.failover import FailoverSender  # noqa: PLC0415 - apprise takes 20 MB

    settings = load()
    sender = sms.create_sender(settings)
    if not isinstance(sender, FailoverSender):
        raise StartupError("SMS_URLS names no gateway: set it first.")
    try:
        to = phone_numbers.parse(number, country=settings.default_country)
    except InvalidPhone as error:
        raise StartupError(str(error)) from None
    message = sms.Message(to.e164, to.country, "This is a test of Connect Hub.")
    gateways = [breaker.gateway for breaker in sender.breakers]
    width = max(len(gateway.name) for gateway in gateways)
    click.echo(f"{'gateway':<{width}}  seconds  result")
    failures = 0
    for gateway in gateways:
        started_at, result = monotonic(), "sent"
        try:
            asyncio.run(gateway.send(message, timeout=settings.sms_timeout))
        except sms.NotSentError as error:
            failures, result = failures + 1, f"failed: {error}"
        click.echo(f"{gateway.name:<{width}}  {monotonic() - started_at:7.2f}  {result}")
    sys.exit(failures > 0)


@main.command()
def schema() -> None:
    """Print the GraphQL schema in its definition language."""
    click.echo(graphql_schema.as_str())


@main.command()
def secret() -> None:
    """Print a fresh SECRET_KEY."""
    click.echo(keys.new_secret())


async def _prepare_database(settings: Settings) -> list[str]:
    applied = await _migrate(settings)
    await checks.check(settings)
    return applied


async def _migrate(settings: Settings) -> list[str]:
    return await migrations.migrate(migration_config(settings), served_by=serving_config(settings))


def _exit(*_: object) -> NoReturn:
    sys.exit(0)


def _raise_file_limit() -> None:
    """Raise the limit of open files, often 1024, to its maximum: connections are files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems report "infinity", but reject it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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


def _run_database(settings: Settings) -> AbstractContextManager[None]:
    return embedded.running(settings.data_dir) if settings.embedded else nullcontext()


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
