"""The command `connect-hub`, and the errors of all of its commands."""

import os
import sys
import warnings
from contextlib import suppress
from io import TextIOWrapper
from typing import Any

import click

from connect_hub.api.schema import schema as graphql_schema
from connect_hub.cli.clients import clients
from connect_hub.cli.doctor import doctor
from connect_hub.cli.events import events
from connect_hub.cli.import_csv import import_csv
from connect_hub.cli.import_demo import import_demo
from connect_hub.cli.invitations import invitations
from connect_hub.cli.migrate import migrate
from connect_hub.cli.serve import serve
from connect_hub.cli.sms_test import sms_test
from connect_hub.cli.stats import stats
from connect_hub.cli.webhooks import webhooks
from connect_hub.security import keys
from connect_hub.settings import StartupError


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


for command in (
    clients,
    doctor,
    events,
    import_csv,
    import_demo,
    invitations,
    migrate,
    serve,
    sms_test,
    stats,
    webhooks,
):
    main.add_command(command)


@main.command()
def schema() -> None:
    """Print the GraphQL schema in its definition language."""
    click.echo(graphql_schema.as_str())


@main.command()
def secret() -> None:
    """Print a fresh SECRET_KEY."""
    click.echo(keys.new_secret())
