"""`connect-hub import`: imports clients from a CSV file, for teams that come from other systems."""

import csv
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import click

from connect_hub.cli.database import run_with_database
from connect_hub.database.connections import Row, deadline, fetch, transaction
from connect_hub.domain import invitation_codes, phone_numbers
from connect_hub.domain.refusals import InvalidPhone, InvitationCodeNotFound
from connect_hub.settings import StartupError, load

_COLUMNS = ["phone", "invitation_code", "inviter"]
_TIMEOUT = timedelta(hours=6)  # of the transaction of a dry run
_REASONS = {
    "client_invitation_code_key": "its invitation code is taken",
    "client_phone_key": "its phone is here already",
    "client_no_ring": "its inviter would close a ring",
    "client_not_own_inviter": "it is its own inviter",
    "client_inviter_lives": "its inviter is deleted",
    "client_inviter_once": "it has applied another code",
}
_INSERT = """
    INSERT INTO client (id, phone, invitation_code, created_at) VALUES ($1, $2, $3, now())
    RETURNING id
"""
_ATTACH = """
    UPDATE client SET inviter_id = $2
    WHERE id = $1 AND inviter_id IS NULL AND applied_invitation_code IS NULL RETURNING id
"""


class _LeftOutError(Exception):
    """A line, or its invitation, cannot be imported."""


class _DryRunError(Exception):
    """Rolls the import back."""


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
        if not dry_run:
            await report.import_lines(lines)
            return report
        try:
            with deadline(_TIMEOUT):
                async with transaction():
                    await report.import_lines(lines, in_transaction=True)
                    raise _DryRunError  # noqa: TRY301 (rolls the transaction back)
        except _DryRunError:
            return report

    click.echo(run_with_database(work))


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            lines = [line | {"line": reader.line_num} for line in reader]
            columns = list(reader.fieldnames or [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise StartupError(f"{file} is not CSV in UTF-8 ({error}): save it as such.") from None
    if columns != _COLUMNS:
        raise StartupError(f"{file} must begin with the line {','.join(_COLUMNS)}: add it.")
    return lines


class Report:
    """What an import did; it names clients by their lines, never by phone."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._left_out: list[str] = []
        self._in_transaction = False

    def __str__(self) -> str:
        return "\n".join([*self._left_out, *(f"{what}: {n}" for what, n in self._counts.items())])

    async def import_lines(
        self, lines: list[dict[str, Any]], *, in_transaction: bool = False
    ) -> None:
        """Import all clients, and then their inviters, who may come later in the file."""
        self._in_transaction = in_transaction
        country = load().default_country
        imported: dict[int, UUID] = {}
        for line in lines:
            try:
                imported[line["line"]] = await self._add(line, country)
            except _LeftOutError as error:
                self._leave_out("clients left out", line, error)
        for line in lines:
            if line["inviter"] and (client := imported.get(line["line"])):
                try:
                    await self._attach(client, line["inviter"], country)
                except _LeftOutError as error:
                    self._leave_out("invitations left out", line, error)

    def _leave_out(self, what: str, line: dict[str, Any], why: Exception) -> None:
        self._counts[what] += 1
        self._left_out.append(f"line {line['line']}: {what}, since {why}")

    async def _add(self, line: dict[str, Any], country: str | None) -> UUID:
        try:
            phone = phone_numbers.parse(line["phone"] or "", country=country).e164
        except InvalidPhone:
            raise _LeftOutError("its phone is not a mobile number") from None
        if known := await fetch("SELECT id FROM client WHERE phone = $1", phone):
            self._counts["clients here already"] += 1
            here: UUID = known[0]["id"]
            return here
        try:
            code = line["invitation_code"] and invitation_codes.parse(line["invitation_code"])
        except InvitationCodeNotFound:
            raise _LeftOutError("its invitation code is not 6 letters and digits") from None
        rows = await self._attempt(_INSERT, uuid4(), phone, code or invitation_codes.new_code())
        self._counts["clients added"] += 1
        added: UUID = rows[0]["id"]
        return added

    async def _attach(self, client: UUID, inviter: str, country: str | None) -> None:
        owner = await _find(inviter, country)
        if await self._attempt(_ATTACH, client, owner):
            self._counts["invitations added"] += 1
        elif await fetch("SELECT FROM client WHERE id = $1 AND inviter_id = $2", client, owner):
            self._counts["invitations here already"] += 1
        else:
            raise _LeftOutError("it has applied another code")

    async def _attempt(self, sql: str, *values: object) -> list[Row]:
        """Run a statement; one that is refused does not end the transaction."""
        if self._in_transaction:
            await fetch("SAVEPOINT line")
        try:
            return await fetch(sql, *values)
        except asyncpg.IntegrityConstraintViolationError as error:
            if self._in_transaction:
                await fetch("ROLLBACK TO line")
            if reason := _REASONS.get(error.constraint_name or ""):
                raise _LeftOutError(reason) from None
            raise


async def _find(inviter: str, country: str | None) -> UUID:
    """Find a client by its phone or by its code."""
    try:
        phone = phone_numbers.parse(inviter, country=country).e164
        rows = await fetch("SELECT id FROM client WHERE phone = $1", phone)
        found: UUID | None = rows[0]["id"] if rows else None
    except InvalidPhone:
        try:
            found = (await invitation_codes.find(invitation_codes.parse(inviter))).inviter_id
        except InvitationCodeNotFound:
            found = None
    if found is None:
        raise _LeftOutError("nobody has the phone or code of its inviter")
    return found
