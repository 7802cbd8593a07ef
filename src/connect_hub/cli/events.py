"""`connect-hub events`: what happened to a client."""

import click
import orjson

from connect_hub.cli.client_lookup import run_with_client_or_deleted
from connect_hub.database.connections import Row
from connect_hub.database.models import Client
from connect_hub.domain import events as outbox


@click.command()
@click.argument("phone_or_id", metavar="PHONE|CLIENT_ID")
def events(phone_or_id: str) -> None:
    """Print what happened to the present client of a phone, or to a client by its id."""
    rows = run_with_client_or_deleted(phone_or_id, _read)
    for line in map(_format, rows):
        click.echo(line)


async def _read(client: Client) -> list[Row]:
    return await outbox.of_client(client.id)


def _format(row: Row) -> str:
    """Return a line: the time, the type, the actor and what else is known."""
    data = {name: value for name, value in orjson.loads(row["data"]).items() if value}
    known = {**data, **{name: row[name] for name in ("address", "device", "request_id")}}
    if row["type"] == "client.invited":
        known["client"] = row["client_id"]
    details = ", ".join(f"{name} {value}" for name, value in known.items() if value)
    moment = f"{row['created_at']:%Y-%m-%d %H:%M:%S} UTC"
    return f"{moment}  {row['type']:<20}  {row['actor']:<8}  {details}"
