"""`connect-hub stats`: numbers of clients, sessions and codes."""

import click

from connect_hub.cli.database import run_with_database
from connect_hub.database.connections import Row, fetch

_STATS = """
    SELECT
        (SELECT count(*) FROM client WHERE deleted_at IS NULL) AS "clients",
        (SELECT count(*) FROM client WHERE created_at > now() - interval '1 day')
            AS "registered in the last day",
        (SELECT count(*) FROM client WHERE created_at > now() - interval '30 days')
            AS "registered in the last 30 days",
        (SELECT count(*) FROM client WHERE deleted_at IS NULL AND blocked_at IS NOT NULL)
            AS "blocked",
        (SELECT count(*) FROM client WHERE deleted_at IS NOT NULL) AS "deleted",
        (SELECT count(*) FROM client WHERE deleted_at IS NULL AND inviter_id IS NOT NULL)
            AS "invited by another client",
        (SELECT count(*) FROM client WHERE deleted_at IS NULL AND inviter_id IS NULL
            AND applied_invitation_code IS NOT NULL) AS "invited by a campaign",
        (SELECT count(*) FROM campaign WHERE ended_at IS NULL AND coalesce(expires_at > now(), true)
            AND coalesce(uses < max_uses, true)) AS "campaigns alive",
        (SELECT count(*) FROM session WHERE expires_at > now()) AS "sessions",
        (SELECT count(*) FROM session WHERE expires_at > now()
            AND last_used_at > now() - interval '1 day') AS "sessions used in the last day",
        (SELECT count(*) FROM sign_in_code WHERE expires_at > now()) AS "codes alive",
        (SELECT count(*) FROM number_block WHERE alarmed_at > now() - interval '1 day')
            AS "blocks of numbers with an alarm in the last day",
        pg_size_pretty(pg_database_size(current_database())) AS "size of the database"
"""


@click.command()
def stats() -> None:
    """Count clients, sessions and codes."""
    counts = run_with_database(_count)
    width = max(map(len, counts))
    for name, value in counts.items():
        click.echo(f"{name:<{width}}  {value:>10}")


async def _count() -> Row:
    (row,) = await fetch(_STATS)
    return dict(row)
