"""`connect-hub invitations`: the operator's own invitation codes."""

import csv
import sys
from datetime import UTC, datetime, timedelta

import click

from connect_hub.cli.database import run_with_database
from connect_hub.database.connections import Row
from connect_hub.domain import campaigns, invitation_codes
from connect_hub.domain.refusals import InvitationCodeNotFound
from connect_hub.settings import StartupError

_MAX_NOTE = 200  # characters
_MAX_COUNT = 100_000
_MAX_USES = 1_000_000_000


@click.group()
def invitations() -> None:
    """Create, list or end invitation codes of campaigns."""


@invitations.command()
@click.option("--uses", type=click.IntRange(1, _MAX_USES), help="How often it may be applied.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Its last day, in UTC.")
@click.option("--note", help="For yourself; clients do not see it.")
@click.option(
    "--count",
    type=click.IntRange(1, _MAX_COUNT),
    help="Create so many codes of one use each, and print them as CSV.",
)
def create(uses: int | None, until: datetime | None, note: str | None, count: int | None) -> None:
    """Create a code, and print it."""
    if count and uses not in {None, 1}:
        raise StartupError("--count creates codes of one use each: remove --uses.")
    if note and (len(note) > _MAX_NOTE or not note.isprintable()):
        raise StartupError(f"--note takes one line of at most {_MAX_NOTE} characters: shorten it.")
    expires_at = until.replace(tzinfo=UTC) + timedelta(days=1) if until else None
    if expires_at and expires_at < datetime.now(UTC):
        raise StartupError("--until is in the past: write a later day.")
    codes = run_with_database(
        lambda: campaigns.create(
            count=count or 1, max_uses=1 if count else uses, expires_at=expires_at, note=note
        )
    )
    if count:
        csv.writer(sys.stdout).writerows([["code"], *([code] for code in codes)])
    else:
        click.echo(codes[0])


@invitations.command(name="list")
def list_codes() -> None:
    """List all codes with their uses, the latest first."""
    rows = run_with_database(campaigns.list_all)
    lines = [["code", "state", "uses", "until", "note"], *map(_describe, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@invitations.command()
@click.argument("code")
def end(code: str) -> None:
    """End a code at once; those who have applied it stay as they are."""
    try:
        is_ended = run_with_database(lambda: campaigns.end(invitation_codes.parse(code)))
    except InvitationCodeNotFound:
        is_ended = False
    if not is_ended:
        raise StartupError("No campaign has this code: run connect-hub invitations list.")
    click.echo("Ended.")


def _describe(row: Row) -> list[str]:
    uses = f"{row['uses']} of {row['max_uses'] or 'any number'}"
    last_day = row["expires_at"] - timedelta(seconds=1) if row["expires_at"] else None
    until = f"{last_day.astimezone(UTC):%Y-%m-%d}" if last_day else "-"
    return [row["code"], row["state"], uses, until, row["note"] or ""]
