"""Campaigns: invitation codes of the operator, whose uses and time may be limited."""

from datetime import datetime

from connect_hub.database.connections import Row, fetch
from connect_hub.domain import invitation_codes

# The database's time decides whether a code is over.
_STATE = """
    CASE WHEN ended_at IS NOT NULL THEN 'ended' WHEN expires_at <= now() THEN 'expired'
         WHEN uses >= max_uses THEN 'used up' ELSE 'live' END
"""
# Of many codes drawn at once, some are taken. They are left out.
_CREATE = """
    INSERT INTO campaign (id, code, uses, max_uses, created_at, expires_at, note)
    SELECT gen_random_uuid(), code, 0, $2, now(), $3, $4
    FROM (SELECT DISTINCT unnest($1::text[]) AS code) AS drawn
    WHERE NOT EXISTS (SELECT FROM client WHERE invitation_code = drawn.code)
    AND NOT EXISTS (SELECT FROM campaign WHERE campaign.code = drawn.code)
    AND NOT EXISTS (SELECT FROM retired_code WHERE retired_code.code = drawn.code)
    RETURNING code
"""
_BATCH = 1_000  # codes of one statement, during which nobody else takes a code


async def create(
    *, count: int, max_uses: int | None, expires_at: datetime | None, note: str | None
) -> list[str]:
    """Create several campaigns, and return their codes.

    Args:
        count: how many.
        max_uses: of each; None means without limit.
        expires_at: None means never.
        note: for the operator.
    """

    async def store(drawn: list[str]) -> list[str]:
        rows = await fetch(_CREATE, drawn, max_uses, expires_at, note)
        return [row["code"] for row in rows]

    codes: list[str] = []
    while missing := count - len(codes):
        codes += await invitation_codes.draw(store, count=min(missing, _BATCH))
    return codes


async def list_all() -> list[Row]:
    """List all campaigns with their state, the latest first."""
    return await fetch(f"SELECT *, {_STATE} AS state FROM campaign ORDER BY created_at DESC, code")


async def end(code: str) -> bool:
    """End a campaign at once; return whether there is one with this code."""
    sql = "UPDATE campaign SET ended_at = coalesce(ended_at, now()) WHERE code = $1 RETURNING code"
    return bool(await fetch(sql, code))
