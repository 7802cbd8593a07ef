"""`connect-hub clients`: commands for operators that concern one client."""

import asyncio
from datetime import datetime

import click

from connect_hub.cli.client_lookup import run_with_client, run_with_client_or_deleted
from connect_hub.database.models import Client, Session
from connect_hub.domain import account, client_export, invitations, sessions
from connect_hub.security.keys import load_keys
from connect_hub.settings import load

_number = click.argument("number", metavar="PHONE")


@click.group()
def clients() -> None:
    """Show, block, export or delete a client."""


@clients.command()
@_number
def show(number: str) -> None:
    """Show a client and where it is signed in."""
    click.echo(run_with_client(number, _describe))


@clients.command()
@_number
def block(number: str) -> None:
    """Block a client: it cannot sign in, and its sessions end."""
    click.echo(f"Blocked; {_format_count(run_with_client(number, account.block))} ended.")


@clients.command()
@_number
def unblock(number: str) -> None:
    """Unblock a client, so that it can sign in again."""
    run_with_client(number, account.unblock)
    click.echo("Unblocked.")


@clients.command()
@_number
def end_sessions(number: str) -> None:
    """End all sessions of a client."""
    click.echo(f"{_format_count(run_with_client(number, sessions.sign_out))} ended.")


@clients.command()
@_number
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(number: str, *, yes: bool) -> None:
    """Delete a client permanently, except for its place among the invitations."""
    if not yes:
        click.echo(run_with_client(number, _describe))
        click.confirm("Delete this client permanently?", abort=True)
    run_with_client(number, account.erase)
    click.echo("Deleted.")


@clients.command()
@click.argument("phone_or_id", metavar="PHONE|CLIENT_ID")
def export(phone_or_id: str) -> None:
    """Print everything that is kept about a client, as JSON."""
    keys = load_keys(load())
    kept = run_with_client_or_deleted(phone_or_id, lambda client: client_export.of(client, keys))
    click.echo(kept)


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
        "applied code": _applied_code(client) or "none",
        "invited": invited,
        "sessions": len(signed_in),
    }
    lines = [f"{name:<16} {value}" for name, value in fields.items()]
    return "\n".join([*lines, *map(_describe_session, signed_in)])


def _applied_code(client: Client) -> str | None:
    if client.applied_invitation_code is None and client.inviter:
        return client.inviter.invitation_code
    return client.applied_invitation_code


def _describe_session(session: Session) -> str:
    used = f"{_format_time(session.created_at)}, last used {_format_time(session.last_used_at)}"
    return f"  since {used}, {session.address}, {session.device or 'no device named'}"


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _format_count(count: int) -> str:
    return f"{count} session" if count == 1 else f"{count} sessions"
