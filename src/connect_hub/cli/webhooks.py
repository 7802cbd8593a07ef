"""`connect-hub webhooks`: the state of the endpoints, and commands that act on them."""

import asyncio
import sys
from datetime import UTC, datetime
from time import monotonic
from uuid import uuid4

import click

from connect_hub.cli.database import run_with_database
from connect_hub.database.connections import Row
from connect_hub.security.keys import load_keys
from connect_hub.settings import Endpoint, Settings, StartupError, canonical_url, load
from connect_hub.webhooks import deliveries, endpoints, signing

_url = click.argument("url")


@click.group()
def webhooks() -> None:
    """Show the endpoints of WEBHOOK_URLS, send events again, or test an endpoint."""


@webhooks.command()
def status() -> None:
    """Show each endpoint, and how many events it has not accepted; exit with 1 on a failure."""
    settings = load()
    rows = run_with_database(endpoints.status)
    urls = {endpoint.id: endpoint.url for endpoint in settings.webhook_urls}
    known = {row["id"] for row in rows}
    for endpoint in settings.webhook_urls:
        if endpoint.id not in known:
            click.echo(f"{endpoint.url}\n  no server has started with it yet")
    for row in rows:
        click.echo(urls.get(row["id"], f"{row['origin']} (not in WEBHOOK_URLS)"))
        click.echo("\n".join(f"  {line}" for line in _describe(row)))
    sys.exit(any(row["disabled_at"] or row["failed"] for row in rows))


def _describe(row: Row) -> list[str]:
    waiting, failed = row["waiting"] or 0, row["failed"] or 0
    lines = [f"{waiting} waiting, {failed} failed"]
    if row["oldest"]:
        lines.append(f"the oldest is of {_format_time(row['oldest'])}")
    if row["delivered_at"]:
        lines.append(f"accepted an event at {_format_time(row['delivered_at'])}")
    if row["failing_since"]:
        lines.append(f"failing since {_format_time(row['failing_since'])}: {row['failure']}")
    if row["paused_until"] and row["paused_until"] > datetime.now(UTC):
        lines.append(f"asked to get nothing until {_format_time(row['paused_until'])}")
    if row["disabled_at"]:
        lines.append(f"disabled at {_format_time(row['disabled_at'])}: run webhooks enable URL")
    return lines


@webhooks.command()
def retry() -> None:
    """Send all failed events again."""
    count = run_with_database(deliveries.retry_failed)
    click.echo(f"{count} failed {'event is' if count == 1 else 'events are'} sent again.")


@webhooks.command()
@_url
def enable(url: str) -> None:
    """Enable an endpoint that was disabled; it gets the events that have waited."""
    endpoint_id = Endpoint(_canonical(url), ()).id
    if not run_with_database(lambda: endpoints.enable(endpoint_id)):
        raise StartupError(f"No server has had {url} in WEBHOOK_URLS: check the URL.")
    click.echo("Enabled.")


@webhooks.command()
@_url
def secret(url: str) -> None:
    """Print the secret by which the receiver of a URL verifies requests."""
    current, *_ = signing.secrets_of(_canonical(url), keys=load_keys(load()))
    click.echo(signing.printable_secret(current))


@webhooks.command()
@_url
def test(url: str) -> None:
    """Send a signed ping to a URL, and print the answer."""
    started_at = monotonic()
    result, is_success = asyncio.run(_ping(_canonical(url), load()))
    click.echo(f"{result}, {monotonic() - started_at:.2f} s")
    sys.exit(not is_success)


async def _ping(url: str, settings: Settings) -> tuple[str, bool]:
    from connect_hub.webhooks.requests import (  # noqa: PLC0415 - aiohttp takes 7 MB
        ATTEMPT_TIMEOUT,
        NotAnsweredError,
        SignedRequests,
    )

    requests = SignedRequests(url, keys=load_keys(settings), concurrency=1)
    body = deliveries.payload("ping", timestamp=datetime.now(UTC), data={})
    try:
        answer = await requests.post(body, message_id=str(uuid4()), timeout=ATTEMPT_TIMEOUT)
    except NotAnsweredError as error:
        return str(error), False
    finally:
        await requests.close()
    return f"HTTP {answer.status}", answer.is_success


def _canonical(url: str) -> str:
    try:
        return canonical_url(url)
    except ValueError as error:
        raise StartupError(f"URL {error}: correct it.") from None


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
