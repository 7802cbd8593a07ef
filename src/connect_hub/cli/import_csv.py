"""`connect-hub import`: imports clients from a CSV file, for teams that come from other systems."""

import csv
from pathlib import Path

import asyncpg
import click

from connect_hub.cli.database import run_with_database
from connect_hub.cli.import_plan import LeftOutError, Line, Plan, Planned, Report
from connect_hub.database.connections import Row, fetch
from connect_hub.domain import invitation_codes
from connect_hub.settings import StartupError, load

_COLUMNS = ["phone", "invitation_code", "inviter"]
_REASONS = {  # that came up since the plan was made
    "client_invitation_code_key": "its invitation code is taken",
    "client_phone_key": "its phone is here already",
    "client_no_ring": "its inviter would close a ring",
    "client_inviter_lives": "its inviter is deleted",
}
_INSERT = """
    INSERT INTO client (id, phone, invitation_code, created_at, inviter_id)
    VALUES ($1, $2, $3, now(), $4)
"""
_ATTACH = """
    UPDATE client SET inviter_id = $2
    WHERE id = $1 AND inviter_id IS NULL AND applied_invitation_code IS NULL RETURNING id
"""


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and change nothing.")
def import_csv(file: Path, *, dry_run: bool) -> None:
    """Import clients from a CSV file with the columns phone, invitation_code and inviter.

    The last two may be empty; an inviter is named by phone or code. Existing clients stay as they
    are, so the command can be repeated.
    """
    lines = _read(file)

    async def work() -> Report:
        report = Report()
        plan = Plan(load().default_country, report)
        await plan.make(lines)
        for client in plan.clients:
            try:
                if not dry_run:
                    await _store(client)
                report.counts["clients added"] += not client.is_here
                report.counts["invitations added"] += client.inviter is not None
            except LeftOutError as error:
                report.leave_out("invitations" if client.is_here else "clients", client.line, error)
        return report

    click.echo(run_with_database(work))


def _read(file: Path) -> list[Line]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened)
            columns = next(reader, [])
            rows = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise StartupError(f"{file} is not CSV in UTF-8 ({error}): save it as such.") from None
    if columns != _COLUMNS:
        raise StartupError(
            f"{file} must begin with the line {','.join(_COLUMNS)}: add it, and separate the"
            " columns by commas."
        )
    return [_line(number, *row) for number, row in rows]


def _line(number: int, phone: str, code: str = "", inviter: str = "", *more: str) -> Line:
    return Line(number, phone, code, inviter, is_too_long=bool(more))


async def _store(client: Planned) -> None:
    """Store a client with its inviter by one statement."""

    async def insert(codes: list[str]) -> list[Row]:
        code = client.code or codes[0]
        return await fetch(_INSERT, client.id, client.phone, code, client.inviter)

    try:
        if not client.is_here:
            await (insert([]) if client.code else invitation_codes.draw(insert))
        elif client.inviter and not await fetch(_ATTACH, client.id, client.inviter):
            raise LeftOutError("it has applied another code")
    except asyncpg.IntegrityConstraintViolationError as error:
        if reason := _REASONS.get(error.constraint_name or ""):
            raise LeftOutError(reason) from None
        raise
