"""Campaigns: invitation codes of the operator, whose uses and time may be limited."""

from datetime import datetime

from connect_hub.database.connections import Row, fetch
from connect_hub.domain import invitation_codes

# The database's time decides whether a code is over.
_STATE = """
    CASE WHEN ended_at IS NOT NULL THEN 'ended' WHEN expires_at <= now() THEN 'expired'
         WHEN uses >= max_uses THEN 'used up' ELSE 'live' END
"""
_CREATE = """
    INSERT INTO campaign (id, code, uses, max_uses, created_at, expires_at, note)
    SELECT gen_random_uuid(), code, 0, $2, now(), $3, $4 FROM unnest($1::text[]) AS code
"""


async def create(
    *, count: int, max_uses: int | None, expires_at: datetime | None, note: str | None
) -> list[str]:
    """Create several campaigns, or none of them, and return their codes.

    Args:
        count: how many.
        max_uses: of each; None means without limit.
        expires_at: None means never.
        note: for the operator.
    """

    async def store(codes: list[str]) -> list[str]:
        await fetch(_CREATE, codes, max_uses, expires_at, note)
        return codes

    return await invitation_codes.draw(store, count=count)


async def list_all() -> list[Row]:
    """List all campaigns with their state, the latest first."""
    return await fetch(f"SELECT *, {_STATE} AS state FROM campaign ORDER BY created_at DESC, code")


async def end(code: str) -> bool:
    """End a campaign at once; return whether there is one with this code."""
    sql = "UPDATE campaign SET ended_at = coalesce(ended_at, now()) WHERE code = $1 RETURNING code"
    return bool(await fetch(sql, code))
