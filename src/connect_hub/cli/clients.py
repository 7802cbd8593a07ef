"""`connect-hub clients`: commands for operators that concern one client."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import click

from connect_hub.cli.database import RESULT, run_with_database
from connect_hub.database.models import Client, Session
from connect_hub.domain import account, invitations, phone_numbers, sessions
from connect_hub.domain.refusals import InvalidPhone
from connect_hub.settings import StartupError, load

_number = click.argument("number", metavar="PHONE")


@click.group()
def clients() -> None:
    """Show, block or delete the client of a phone."""


@clients.command()
@_number
def show(number: str) -> None:
    """Show a client and where it is signed in."""
    click.echo(_run(number, _describe))


@clients.command()
@_number
def block(number: str) -> None:
    """Block a client: it cannot sign in, and its sessions end."""
    click.echo(f"Blocked; {_format_count(_run(number, account.block))} ended.")


@clients.command()
@_number
def unblock(number: str) -> None:
    """Unblock a client, so that it can sign in again."""
    _run(number, account.unblock)
    click.echo("Unblocked.")


@clients.command()
@_number
def end_sessions(number: str) -> None:
    """End all sessions of a client."""
    click.echo(f"{_format_count(_run(number, sessions.sign_out))} ended.")


@clients.command()
@_number
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(number: str, *, yes: bool) -> None:
    """Delete a client permanently, except for its place among the invitations."""
    if not yes:
        click.echo(_run(number, _describe))
        click.confirm("Delete this client permanently?", abort=True)
    _run(number, account.erase)
    click.echo("Deleted.")


def _run(number: str, action: Callable[[Client], Awaitable[RESULT]]) -> RESULT:
    """Run an action on the client of a phone number, which may be in any usual format."""
    try:
        phone = phone_numbers.parse(number, country=load().default_country).e164
    except InvalidPhone as error:
        raise StartupError(str(error)) from None

    async def find_and_act() -> RESULT:
        client = await Client.get_or_none(phone=phone).prefetch_related("inviter")
        if client is None:
            raise StartupError("No client has this phone: check the number.")
        return await action(client)

    return run_with_database(find_and_act)


async def _describe(client: Client) -> str:
    invited, signed_in = await asyncio.gather(
        invitations.invited_count(client), sessions.list_for(client)
    )
    fields = {
        "client": client.id,
        "phone": client.phone,
        "registered": _format_time(client.created_at),
        "blocked": _format_time(client.blocked_at) if client.blocked_at else "no",
        "invitation code": client.invitation_code,
        "invited by": client.inviter.invitation_code if client.inviter else "nobody",
        "invited": invited,
        "sessions": len(signed_in),
    }
    lines = [f"{name:<16} {value}" for name, value in fields.items()]
    return "\n".join([*lines, *map(_describe_session, signed_in)])


def _describe_session(session: Session) -> str:
    used = f"{_format_time(session.created_at)}, last used {_format_time(session.last_used_at)}"
    return f"  since {used}, {session.address}, {session.device or 'no device named'}"


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _format_count(count: int) -> str:
    return f"{count} session" if count == 1 else f"{count} sessions"
