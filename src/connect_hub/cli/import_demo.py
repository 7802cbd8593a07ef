"""`connect-hub import-demo`: imports clients from the REST demo that preceded Connect Hub."""

import asyncio
import os
import re
import sys
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import click
from tortoise.exceptions import IntegrityError

from connect_hub.cli.database import run_with_database
from connect_hub.database.connections import Row, fetch
from connect_hub.database.errors import UNAVAILABLE
from connect_hub.database.models import Client
from connect_hub.database.url import parse_url
from connect_hub.domain import invitation_codes, phone_numbers
from connect_hub.domain.refusals import InvalidPhone
from connect_hub.settings import StartupError, load

_CLIENTS = """
    SELECT client.id, phone, invitation_code, someone_invitation_code,
           coalesce(date_joined, now()) AS created_at
    FROM clients_client AS client LEFT JOIN auth_user ON auth_user.id = user_id
    ORDER BY client.id
"""
_CONNECTIONS = """
    SELECT invited_client_id, inviter_client_id FROM clients_clientconnections ORDER BY id
"""

_CODE = re.compile(r"[0-9A-Z]{6}")
_REASONS = {
    "client_no_ring": "since it would close a ring",
    "client_inviter_lives": "since its inviter is deleted",
}


@click.command()
@click.argument("url")
def import_demo(url: str) -> None:
    """Import the clients of the REST demo from its PostgreSQL database.

    The password comes from DEMO_PASSWORD, or from a prompt. Existing clients stay unchanged, so the
    command can be repeated.
    """
    people, inviters = asyncio.run(_read_demo(_connection_options(url)))

    async def import_all() -> Report:
        report = Report()
        country = load().default_country
        imported = {
            person["id"]: await _import_client(person, country, report) for person in people
        }
        for invited, inviter in inviters.items():
            await _import_invitation(invited, inviter, imported, report)
        return report

    click.echo(run_with_database(import_all))


class Report:
    """The result of an import; it names clients of the demo by id, never by phone."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lines: list[str] = []

    def __str__(self) -> str:
        return "\n".join(self._lines + [f"{what}: {count}" for what, count in self._counts.items()])

    def count(self, what: str) -> None:
        """Count something that needs no explanation."""
        self._counts[what] += 1

    def note(self, what: str, demo_id: int, why: str) -> None:
        """Count something, and note the client and the reason."""
        self.count(what)
        self._lines.append(f"{what}: client {demo_id} of the demo, {why}")


def _connection_options(url: str) -> dict[str, Any]:
    """Return asyncpg's options for the demo's database.

    The password comes from the environment or a prompt, which other users and the shell's history
    do not see. Without one, asyncpg uses PGPASSWORD or ~/.pgpass, like libpq.
    """
    try:
        options = parse_url(url)
    except StartupError as error:
        message = str(error).replace("DATABASE_URL", "URL").replace("user:password@", "user@")
        raise StartupError(message) from None
    if "password" in options:
        raise StartupError(
            "URL has a password, which other users see in the list of processes: leave it out and"
            " set DEMO_PASSWORD, or type it when you are asked."
        )
    password = os.getenv("DEMO_PASSWORD")
    if password is None and sys.stdin.isatty():
        password = click.prompt("Password of the demo", default="", hide_input=True, err=True)
    return options | {"password": password} if password else options


async def _read_demo(options: dict[str, Any]) -> tuple[list[Row], dict[int, int]]:
    """Read the demo's clients, and the inviter's id by the client's id."""
    try:
        demo = await asyncpg.connect(**options)
        try:
            people = await demo.fetch(_CLIENTS)
            connections = await demo.fetch(_CONNECTIONS)
        finally:
            await demo.close()
    except (*UNAVAILABLE, asyncpg.PostgresError) as error:
        reason = " ".join(str(error).split())
        raise StartupError(
            f"The demo's database cannot be read ({reason}): check the URL and the password."
        ) from None
    by_code = {person["invitation_code"]: person["id"] for person in people}
    applied = {person["id"]: by_code.get(person["someone_invitation_code"]) for person in people}
    inviters = {client: inviter for client, inviter in applied.items() if inviter is not None}
    return people, inviters | dict(connections)


_DELETED = """
    SELECT FROM client WHERE created_at = $2 AND deleted_at IS NOT NULL AND (
        invitation_code = $1
        OR EXISTS (SELECT FROM retired_code WHERE client_id = client.id AND code = $1)
    )
"""
_INSERT = """
    INSERT INTO client (id, phone, invitation_code, created_at) VALUES ($1, $2, $3, $4)
    RETURNING id
"""


async def _insert(*values: object) -> list[Row]:
    """Insert a client; return nothing if the invitation code is taken."""
    try:
        return await fetch(_INSERT, *values)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "client_invitation_code_key":
            raise
        return []


async def _import_client(person: Row, country: str | None, report: Report) -> UUID | None:
    """Add a client, unless its phone is known or its account was deleted here.

    Returns:
        The id of the client here, or None if it was skipped.
    """
    try:
        number = phone_numbers.parse(person["phone"], country=country).e164
    except InvalidPhone:
        report.note("clients left", person["id"], "whose phone is not a mobile number")
        return None
    wanted, since = person["invitation_code"].upper(), person["created_at"]
    if await fetch(_DELETED, wanted, since):
        report.note("clients left", person["id"], "who deleted the account here")
        return None
    code = wanted if _CODE.fullmatch(wanted) else invitation_codes.new_code()
    if known := await Client.get_or_none(phone=number):
        report.count("clients here already")
        return known.id
    while not (rows := await _insert(uuid4(), number, code, since)):
        code = invitation_codes.new_code()
    report.count("clients added")
    if code != wanted:
        why = f"whose code {person['invitation_code']} is taken in capitals, or none: now {code}"
        report.note("codes replaced", person["id"], why)
    added: UUID = rows[0]["id"]
    return added


async def _import_invitation(
    invited: int, inviter: int, imported: dict[int, UUID | None], report: Report
) -> None:
    """Set the inviter of a client, unless it has one."""
    client, owner = imported.get(invited), imported.get(inviter)
    if client is None or owner is None:
        report.note("invitations left", invited, "since it or its inviter was left")
        return
    try:
        attached = await Client.filter(id=client, inviter_id=None).update(inviter_id=owner)
    except IntegrityError as error:
        name = getattr(error.__cause__, "constraint_name", None)
        if name not in _REASONS:
            raise
        report.note("invitations left", invited, _REASONS[name])
        return
    if attached:
        report.count("invitations added")
    elif await Client.exists(id=client, inviter_id=owner):
        report.count("invitations here already")
    else:
        report.note("invitations left", invited, "since it has applied another code here")
