"""`connect-hub doctor`: checks settings, SMS and the database."""

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from connect_hub import sms
from connect_hub.app import create_app
from connect_hub.cli.database import run_with_database
from connect_hub.database import behaviour, checks, privileges
from connect_hub.database.config import direct_config, max_connections, serving_config
from connect_hub.database.connections import fetch
from connect_hub.database.findings import Finding, State
from connect_hub.database.migrations import is_migrated, table_names
from connect_hub.database.url import ignores_channel_binding
from connect_hub.domain import send_limits
from connect_hub.settings import Settings, StartupError, load_to_serve
from connect_hub.sms import exposure
from connect_hub.webhooks import endpoints

_CLOCK_WARNING = timedelta(seconds=2)
_CLOCK_FAILURE = timedelta(seconds=30)  # access tokens allow 60 s


@click.command()
def doctor() -> None:
    """Check settings, SMS and database; exit with 1 if a check failed."""
    findings = _findings()
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.check:<{width}}  {finding.state:<7}  {finding.details}")
    sys.exit(any(finding.state == "FAILED" for finding in findings))


def _findings() -> list[Finding]:
    try:
        settings = load_to_serve()
        create_app(settings)  # raises StartupError if a setting is wrong
    except StartupError as error:
        return [Finding("settings", "FAILED", str(error))]

    async def check_database() -> list[Finding]:
        return [finding async for finding in _check_database(settings)]

    found = [_check_settings(settings), _check_sms(settings), _check_codes(settings)]
    try:
        return found + run_with_database(check_database, migrated=False)
    except StartupError as error:
        return [*found, Finding("database", "FAILED", str(error))]


def _check_settings(settings: Settings) -> Finding:
    file = Path(str(Settings.model_config["env_file"]))
    if file.exists() and file.stat().st_mode & 0o077:
        return Finding("settings", "warning", f"others may read {file}: chmod 600 {file}")
    if settings.database_url and ignores_channel_binding(settings.database_url.get_secret_value()):
        details = (
            "DATABASE_URL requires channel_binding, which is ignored: to verify the server, write"
            " sslmode=verify-full&sslrootcert=system"
        )
        return Finding("settings", "warning", details)
    return Finding("settings", "ok", "all are valid")


def _check_sms(settings: Settings) -> Finding:
    sender = sms.create_sender(settings)
    if sender.simulated:
        return _check_simulation(settings, sender)
    codes = send_limits.max_hits(settings.sends_total or (), period=send_limits.DAY)
    if codes is None:
        details = f"{sender}; a day may cost any number of SMS: set SENDS_TOTAL to a rate"
        return Finding("sms", "warning", details)
    # A code may change the phone of an account, and the former phone then gets a notice.
    details = (
        f"{sender}; a day may cost at most {2 * codes} SMS: {codes} codes by SENDS_TOTAL, and a"
        " notice for each change of a phone"
    )
    return Finding("sms", "ok", details)


def _check_simulation(settings: Settings, sender: sms.SmsSender) -> Finding:
    if not (exposed_by := exposure.find_exposure(settings)):
        if settings.embedded:
            return Finding("sms", "ok", str(sender))
        return Finding("sms", "warning", f"{sender}: name a gateway in SMS_URLS for real messages")
    if exposure.is_permitted(settings):
        return Finding("sms", "warning", f"{exposure.SIMULATION_NOTICE} {exposed_by}")
    return Finding("sms", "FAILED", exposure.explain(exposed_by))


def _check_codes(settings: Settings) -> Finding:
    if settings.request_id == "required":
        return Finding("codes", "ok", "each code is bound to its request")
    details = "a code is bound to its request if the client asks for that (REQUEST_ID=optional)"
    if settings.has_gateway:
        advice = "set REQUEST_ID=required once all clients send requestId (docs/security.md)"
        return Finding("codes", "warning", f"{details}: {advice}")
    return Finding("codes", "ok", details)


async def _check_database(settings: Settings) -> AsyncIterator[Finding]:
    session = await direct_config(settings).connect()
    try:
        yield (found := await behaviour.examine(session, serving_config(settings)))
        if found.state == "FAILED":
            return
        connections = max_connections(settings)
        for finding in await checks.examine(fetch, connections=connections):
            yield finding
        yield await checks.writes(fetch)
        yield await _check_clock()
        async for finding in _check_tables(session):
            yield finding
    finally:
        await session.close()


async def _check_tables(session: Any) -> AsyncIterator[Finding]:
    if not await is_migrated():
        yield Finding("migrations", "FAILED", "some are not applied: run connect-hub migrate")
        return
    yield Finding("migrations", "ok", "all are applied")
    yield (found := await _check_privileges())
    if found.state == "FAILED":
        return
    yield await behaviour.examine_triggers(session)
    yield await _check_webhooks()
    yield await _check_count("rings", _IN_RINGS, "clients are in a ring of invitations")
    yield await _check_count("campaigns", _MISCOUNTED_CAMPAIGNS, "campaigns have wrong uses")
    yield await _check_count("counts", _MISCOUNTED, "clients have a wrong count of invited clients")


async def _check_clock() -> Finding:
    before = datetime.now(UTC)
    (row,) = await fetch("SELECT clock_timestamp() AS now")
    after = datetime.now(UTC)
    # The query takes time, so this is the smallest difference that explains the three times.
    difference = max(before - row["now"], row["now"] - after, timedelta())
    details = f"{difference.total_seconds():.1f} s difference to the database's clock"
    if difference > _CLOCK_WARNING:
        state: State = "FAILED" if difference > _CLOCK_FAILURE else "warning"
        return Finding("clock", state, f"{details}: synchronize both with NTP")
    return Finding("clock", "ok", details)


async def _check_privileges() -> Finding:
    if lacking := await privileges.lacking(fetch, table_names()):
        return Finding("privileges", "FAILED", f"{lacking}: run connect-hub migrate")
    if excessive := await privileges.excessive(fetch):
        details = f"{excessive}: serve as another user (docs/security.md)"
        return Finding("privileges", "warning", details)
    return Finding("privileges", "ok", "the server can only read and write rows")


async def _check_webhooks() -> Finding:
    rows = await endpoints.status()
    disabled = [row["origin"] for row in rows if row["disabled_at"]]
    failed = sum(row["failed"] or 0 for row in rows)
    if disabled:
        told = f"{', '.join(disabled)} disabled: run connect-hub webhooks status, then enable URL"
        return Finding("webhooks", "FAILED", told)
    if failed:
        told = f"{failed} events have failed: run connect-hub webhooks status, then retry"
        return Finding("webhooks", "FAILED", told)
    return Finding("webhooks", "ok", f"{len(rows)} endpoints, none disabled, no event has failed")


# Clients that no chain of inviters connects to an uninvited client are in a ring, or below one.
_IN_RINGS = """
    WITH RECURSIVE placed AS (
        SELECT id FROM client WHERE inviter_id IS NULL
        UNION ALL SELECT client.id FROM client JOIN placed ON client.inviter_id = placed.id
    )
    SELECT (SELECT count(*) FROM client) - (SELECT count(*) FROM placed) AS count
"""
_MISCOUNTED = """
    SELECT count(*) FROM invited_count FULL JOIN (
        SELECT inviter_id AS client_id, count(*) FILTER (WHERE deleted_at IS NULL) AS count,
               count(deleted_at) AS deleted
        FROM client WHERE inviter_id IS NOT NULL GROUP BY inviter_id
    ) AS truth USING (client_id)
    WHERE (coalesce(invited_count.count, 0), coalesce(invited_count.deleted, 0))
        <> (coalesce(truth.count, 0), coalesce(truth.deleted, 0))
"""
_MISCOUNTED_CAMPAIGNS = """
    SELECT count(*) FROM campaign LEFT JOIN (
        SELECT applied_invitation_code AS code, count(*) FROM client
        WHERE applied_invitation_code IS NOT NULL AND inviter_id IS NULL GROUP BY 1
    ) AS truth USING (code)
    WHERE uses <> coalesce(truth.count, 0)
"""


async def _check_count(check: str, sql: str, details: str) -> Finding:
    (row,) = await fetch(sql)
    if count := row["count"]:
        return Finding(check, "FAILED", f"{count} {details}: restore a backup")
    return Finding(check, "ok", f"no {details}")
